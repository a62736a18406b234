"""v1 ReplicationController: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, nonnegative
from wherry.api.columns import AGE, container_images, container_names
from wherry.api.core.podspec_defaults import default_template
from wherry.api.core.template_validation import always_running, selects_template, template
from wherry.api.counts_validation import replica_counts
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.core import Container, ReplicationController
from wherry.machinery.meta import LabelSelector
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_labels
from wherry.machinery.validation import required


def _containers(rc: ReplicationController) -> tuple[Container, ...]:
    return rc.spec.template.spec.containers if rc.spec.template else ()


COUNTS = (
    ("fully_labeled_replicas", "fullyLabeledReplicas"),
    ("ready_replicas", "readyReplicas"),
    ("available_replicas", "availableReplicas"),
)

COLUMNS: tuple[Column[ReplicationController], ...] = (
    Column("Desired", lambda rs, _: rs.spec.replicas or 0, type="integer"),
    Column("Current", lambda rs, _: rs.status.replicas, type="integer"),
    Column("Ready", lambda rs, _: rs.status.ready_replicas, type="integer"),
    AGE,
    Column("Containers", lambda rc, _: container_names(_containers(rc)), wide=True),
    Column("Images", lambda rc, _: container_images(_containers(rc)), wide=True),
    Column("Selector", lambda rc, _: format_labels(rc.spec.selector), wide=True),
)


def default(rc: ReplicationController) -> ReplicationController:
    """One replica; selector and labels are those of the template."""
    spec = within(fill(rc.spec, replicas=1), template=default_template)
    labels = spec.template.metadata.labels if spec.template else {}
    if labels and not spec.selector:
        spec = replace(spec, selector=labels)
    if labels and not rc.metadata.labels:
        rc = replace(rc, metadata=replace(rc.metadata, labels=labels))
    return replace(rc, spec=spec)


def validate(new: ReplicationController, old: ReplicationController | None) -> Errors:
    """Selector and template fit."""
    spec = new.spec
    yield from nonnegative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from nonnegative("spec.replicas", spec.replicas)
    if not spec.selector:
        yield required("spec.selector")
    if spec.template is None:
        yield required("spec.template")
        return
    yield from selects_template("spec.template", LabelSelector(match_labels=spec.selector), spec.template)
    yield from template("spec.template", spec.template)
    yield from always_running("spec.template", spec.template, "ReplicationController")


def validate_status(new: ReplicationController, old: ReplicationController | None) -> Errors:
    """Counts that can be true together."""
    yield from replica_counts(new.status, old and old.status, COUNTS)


REPLICATIONCONTROLLER = declare(
    ReplicationController,
    columns=COLUMNS,
    fields={"status.replicas": lambda rc: str(rc.status.replicas)},
    default=default,
    validate=validate,
    validate_status=validate_status,
)

"""v1 ReplicationController: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, container_images, container_names
from wherry.api.core.podspec_defaults import default_template
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.core import Container, ReplicationController
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_labels


def _containers(rc: ReplicationController) -> tuple[Container, ...]:
    return rc.spec.template.spec.containers if rc.spec.template else ()


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


REPLICATIONCONTROLLER = declare(
    ReplicationController,
    columns=COLUMNS,
    fields={"status.replicas": lambda rc: str(rc.status.replicas)},
    default=default,
)

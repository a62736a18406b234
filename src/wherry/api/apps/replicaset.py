"""apps/v1 ReplicaSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.checks import Errors, immutable, nonnegative
from wherry.api.columns import AGE, workload_columns
from wherry.api.core.pod_warnings import workload_warnings
from wherry.api.core.podspec_defaults import default_template
from wherry.api.core.template_validation import workload_selector, workload_template
from wherry.api.counts_validation import replica_counts
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.apps import ReplicaSet
from wherry.machinery.resource import Column

COUNTS = (
    ("fully_labeled_replicas", "fullyLabeledReplicas"),
    ("ready_replicas", "readyReplicas"),
    ("available_replicas", "availableReplicas"),
)

COLUMNS: tuple[Column[ReplicaSet], ...] = (
    Column("Desired", lambda rs, _: rs.spec.replicas or 0, type="integer"),
    Column("Current", lambda rs, _: rs.status.replicas, type="integer"),
    Column("Ready", lambda rs, _: rs.status.ready_replicas, type="integer"),
    AGE,
    *workload_columns(lambda rs: rs.spec.template, lambda rs: rs.spec.selector),
)


def default(rs: ReplicaSet) -> ReplicaSet:
    """One replica."""
    return within(rs, spec=lambda spec: within(fill(spec, replicas=1), template=default_template))


def validate(new: ReplicaSet, old: ReplicaSet | None) -> Errors:
    """Selector and template fit, and the selector stays."""
    spec = new.spec
    yield from nonnegative("spec.replicas", spec.replicas)
    yield from nonnegative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from workload_selector("spec.selector", spec.selector, "deployment")
    yield from workload_template("spec", spec.selector, spec.template, "ReplicaSet")
    if old is not None:
        yield from immutable("spec.selector", spec.selector, old.spec.selector)


def validate_status(new: ReplicaSet, old: ReplicaSet | None) -> Errors:
    """Counts that can be true together."""
    yield from nonnegative("status.terminatingReplicas", new.status.terminating_replicas)
    yield from replica_counts(new.status, old and old.status, COUNTS)


REPLICASET = declare(
    ReplicaSet,
    columns=COLUMNS,
    fields={"status.replicas": lambda rs: str(rs.status.replicas)},
    default=default,
    validate=validate,
    validate_status=validate_status,
    warn=workload_warnings,
)

"""apps/v1 ReplicaSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.columns import AGE, workload_columns
from wherry.api.core.podspec_defaults import default_template
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.apps import ReplicaSet
from wherry.machinery.resource import Column

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


REPLICASET = declare(
    ReplicaSet, columns=COLUMNS, fields={"status.replicas": lambda rs: str(rs.status.replicas)}, default=default
)

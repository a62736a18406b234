"""apps/v1 StatefulSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.columns import AGE, workload_columns
from wherry.api.declare import declare
from wherry.api.types.apps import StatefulSet
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[StatefulSet], ...] = (
    Column("Ready", lambda s, _: f"{s.status.ready_replicas}/{s.spec.replicas or 0}"),
    AGE,
    *workload_columns(lambda s: s.spec.template, lambda s: s.spec.selector)[:2],
)

STATEFULSET = declare(StatefulSet, columns=COLUMNS)

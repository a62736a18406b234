"""apps/v1 DaemonSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.columns import AGE, workload_columns
from wherry.api.declare import declare
from wherry.api.types.apps import DaemonSet
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_labels

COLUMNS: tuple[Column[DaemonSet], ...] = (
    Column("Desired", lambda d, _: d.status.desired_number_scheduled, type="integer"),
    Column("Current", lambda d, _: d.status.current_number_scheduled, type="integer"),
    Column("Ready", lambda d, _: d.status.number_ready, type="integer"),
    Column("Up-to-date", lambda d, _: d.status.updated_number_scheduled, type="integer"),
    Column("Available", lambda d, _: d.status.number_available, type="integer"),
    Column("Node Selector", lambda d, _: format_labels(d.spec.template.spec.node_selector)),
    AGE,
    *workload_columns(lambda d: d.spec.template, lambda d: d.spec.selector),
)

DAEMONSET = declare(DaemonSet, columns=COLUMNS)

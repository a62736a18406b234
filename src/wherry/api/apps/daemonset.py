"""apps/v1 DaemonSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, workload_columns
from wherry.api.core.podspec_defaults import default_template
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.apps import DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
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


def default(ds: DaemonSet) -> DaemonSet:
    """Rolling one by one, ten revisions kept."""
    spec = fill(ds.spec, revision_history_limit=10)
    return replace(ds, spec=within(spec, template=default_template, update_strategy=_default_strategy))


def _default_strategy(strategy: DaemonSetUpdateStrategy) -> DaemonSetUpdateStrategy:
    strategy = fill(strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    return replace(
        strategy,
        rolling_update=fill(strategy.rolling_update or RollingUpdateDaemonSet(), max_unavailable=1, max_surge=0),
    )


DAEMONSET = declare(DaemonSet, columns=COLUMNS, default=default)

"""apps/v1 StatefulSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, workload_columns
from wherry.api.core.persistentvolumeclaim import default as default_claim
from wherry.api.core.podspec_defaults import default_template
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.apps import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetUpdateStrategy,
)
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[StatefulSet], ...] = (
    Column("Ready", lambda s, _: f"{s.status.ready_replicas}/{s.spec.replicas or 0}"),
    AGE,
    *workload_columns(lambda s: s.spec.template, lambda s: s.spec.selector)[:2],
)


def default(sts: StatefulSet) -> StatefulSet:
    """One replica, in order, rolling one by one; claims are kept."""
    spec = fill(sts.spec, replicas=1, revision_history_limit=10, pod_management_policy="OrderedReady")
    retention = spec.persistent_volume_claim_retention_policy or StatefulSetPersistentVolumeClaimRetentionPolicy()
    spec = replace(
        spec,
        persistent_volume_claim_retention_policy=fill(retention, when_deleted="Retain", when_scaled="Retain"),
        update_strategy=_default_strategy(spec.update_strategy),
    )
    return replace(sts, spec=within(spec, template=default_template, volume_claim_templates=each(default_claim)))


def _default_strategy(strategy: StatefulSetUpdateStrategy) -> StatefulSetUpdateStrategy:
    if not strategy.type:
        rolling = strategy.rolling_update or RollingUpdateStatefulSetStrategy()
        strategy = replace(strategy, type="RollingUpdate", rolling_update=rolling)
    if strategy.type != "RollingUpdate":
        return strategy
    return within(strategy, rolling_update=lambda rolling: fill(rolling, partition=0, max_unavailable=1))


STATEFULSET = declare(StatefulSet, columns=COLUMNS, default=default)

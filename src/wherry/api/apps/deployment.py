"""apps/v1 Deployment: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, workload_columns
from wherry.api.core.podspec_defaults import default_template
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.int_or_percent import scaled
from wherry.api.types.apps import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[Deployment], ...] = (
    Column("Ready", lambda d, _: f"{d.status.ready_replicas}/{d.spec.replicas or 0}"),
    Column("Up-to-date", lambda d, _: d.status.updated_replicas),
    Column("Available", lambda d, _: d.status.available_replicas),
    AGE,
    *workload_columns(lambda d: d.spec.template, lambda d: d.spec.selector),
)


def default(deployment: Deployment) -> Deployment:
    """One replica, rolling in quarters, ten revisions kept, ten minutes to make progress."""
    spec = fill(deployment.spec, replicas=1, revision_history_limit=10, progress_deadline_seconds=600)
    return within(replace(deployment, spec=spec), spec=_default_spec)


def _default_spec(spec: DeploymentSpec) -> DeploymentSpec:
    return within(spec, template=default_template, strategy=_default_strategy)


def _default_strategy(strategy: DeploymentStrategy) -> DeploymentStrategy:
    strategy = fill(strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    rolling = fill(strategy.rolling_update or RollingUpdateDeployment(), max_unavailable="25%", max_surge="25%")
    return replace(strategy, rolling_update=rolling)


DEPLOYMENT = declare(Deployment, columns=COLUMNS, default=default)


def surge_and_unavailable(deployment: Deployment) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) of a rolling update in pods, never both 0 so that it goes on; (0, 0) for Recreate."""
    strategy = deployment.spec.strategy
    rolling = strategy.rolling_update
    if strategy.type == "Recreate" or rolling is None:
        return 0, 0
    replicas = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    surge = scaled(rolling.max_surge, replicas, round_up=True)
    unavailable = scaled(rolling.max_unavailable, replicas, round_up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)

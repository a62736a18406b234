"""apps/v1 Deployment: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.columns import AGE, workload_columns
from wherry.api.declare import declare
from wherry.api.int_or_percent import scaled
from wherry.api.types.apps import Deployment
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[Deployment], ...] = (
    Column("Ready", lambda d, _: f"{d.status.ready_replicas}/{d.spec.replicas or 0}"),
    Column("Up-to-date", lambda d, _: d.status.updated_replicas),
    Column("Available", lambda d, _: d.status.available_replicas),
    AGE,
    *workload_columns(lambda d: d.spec.template, lambda d: d.spec.selector),
)

DEPLOYMENT = declare(Deployment, columns=COLUMNS)


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

"""apps/v1 Deployment: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable, nonnegative, unsupported
from wherry.api.columns import AGE, workload_columns
from wherry.api.core.pod_warnings import workload_warnings
from wherry.api.core.podspec_defaults import default_template
from wherry.api.core.template_validation import workload_selector, workload_template
from wherry.api.counts_validation import at_most_all, int_or_percent, number_of, replica_counts
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.int_or_percent import scaled
from wherry.api.types.apps import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden, invalid, required

COUNTS = (
    ("updated_replicas", "updatedReplicas"),
    ("ready_replicas", "readyReplicas"),
    ("available_replicas", "availableReplicas"),
)

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


def validate(new: Deployment, old: Deployment | None) -> Errors:
    """Selector and template fit, the selector stays, and a rolling update can go on."""
    spec = new.spec
    yield from nonnegative("spec.replicas", spec.replicas)
    yield from workload_selector("spec.selector", spec.selector, "deployment")
    yield from workload_template("spec", spec.selector, spec.template, "ReplicaSet")
    yield from _strategy("spec.strategy", spec.strategy)
    yield from nonnegative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from nonnegative("spec.revisionHistoryLimit", spec.revision_history_limit)
    yield from nonnegative("spec.progressDeadlineSeconds", spec.progress_deadline_seconds)
    deadline = spec.progress_deadline_seconds
    if deadline is not None and deadline <= spec.min_ready_seconds:
        yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    if old is not None:
        yield from immutable("spec.selector", spec.selector, old.spec.selector)


def _strategy(path: str, strategy: DeploymentStrategy) -> Errors:
    rolling = strategy.rolling_update
    if strategy.type == "Recreate":
        if rolling is not None:
            why = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{path}.rollingUpdate", why)
    elif strategy.type != "RollingUpdate":
        yield unsupported(path, strategy, ("Recreate", "RollingUpdate"))
    elif rolling is None:
        yield required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
    else:
        yield from int_or_percent(f"{path}.rollingUpdate.maxUnavailable", rolling.max_unavailable)
        yield from int_or_percent(f"{path}.rollingUpdate.maxSurge", rolling.max_surge)
        if not number_of(rolling.max_unavailable) and not number_of(rolling.max_surge):
            why = "may not be 0 when `maxSurge` is 0"
            yield invalid(f"{path}.rollingUpdate.maxUnavailable", rolling.max_unavailable, why)
        yield from at_most_all(f"{path}.rollingUpdate.maxUnavailable", rolling.max_unavailable)


def validate_status(new: Deployment, old: Deployment | None) -> Errors:
    """Counts that can be true together."""
    yield from nonnegative("status.unavailableReplicas", new.status.unavailable_replicas)
    yield from nonnegative("status.terminatingReplicas", new.status.terminating_replicas)
    yield from replica_counts(new.status, old and old.status, COUNTS)


DEPLOYMENT = declare(
    Deployment,
    columns=COLUMNS,
    default=default,
    validate=validate,
    validate_status=validate_status,
    warn=workload_warnings,
)


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

"""policy/v1 PodDisruptionBudget: what the API adds to its schema (`wherry.api.types.policy`)."""

from __future__ import annotations

from wherry.api.checks import Errors, nonnegative, selector, unsupported
from wherry.api.columns import AGE
from wherry.api.counts_validation import at_most_all, int_or_percent
from wherry.api.declare import declare
from wherry.api.types.policy import PodDisruptionBudget
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid


def _amount(value: int | str | None) -> str:
    return "N/A" if value is None else str(value)


COLUMNS: tuple[Column[PodDisruptionBudget], ...] = (
    Column("Min Available", lambda b, _: _amount(b.spec.min_available)),
    Column("Max Unavailable", lambda b, _: _amount(b.spec.max_unavailable)),
    Column("Allowed Disruptions", lambda b, _: b.status.disruptions_allowed, type="integer"),
    AGE,
)

ALLOWED = "DisruptionAllowed"
"""The condition: whether a pod may be evicted."""
UNHEALTHY_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def validate(new: PodDisruptionBudget, old: PodDisruptionBudget | None) -> Errors:
    """A floor or a ceiling, not both."""
    spec = new.spec
    if spec.min_available is not None and spec.max_unavailable is not None:
        yield invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for field, amount in (("minAvailable", spec.min_available), ("maxUnavailable", spec.max_unavailable)):
        if amount is not None:
            yield from int_or_percent(f"spec.{field}", amount)
            yield from at_most_all(f"spec.{field}", amount)
    yield from selector("spec.selector", spec.selector)
    if spec.unhealthy_pod_eviction_policy not in (None, *UNHEALTHY_POLICIES):
        at = "spec.unhealthyPodEvictionPolicy"
        yield unsupported(at, spec.unhealthy_pod_eviction_policy, UNHEALTHY_POLICIES)


def validate_status(new: PodDisruptionBudget, old: PodDisruptionBudget | None) -> Errors:
    """No negative count."""
    status = new.status
    yield from nonnegative("status.disruptionsAllowed", status.disruptions_allowed)
    yield from nonnegative("status.currentHealthy", status.current_healthy)
    yield from nonnegative("status.desiredHealthy", status.desired_healthy)
    yield from nonnegative("status.expectedPods", status.expected_pods)


PODDISRUPTIONBUDGET = declare(PodDisruptionBudget, columns=COLUMNS, validate=validate, validate_status=validate_status)

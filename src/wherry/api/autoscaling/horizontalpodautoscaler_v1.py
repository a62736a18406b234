"""autoscaling/v1 HorizontalPodAutoscaler: what the API adds to its schema (`wherry.api.types.autoscaling`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.autoscaling.validation import SCALE_TO_ZERO, bounds, validate_status
from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.autoscaling import HorizontalPodAutoscaler
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden, invalid


def _targets(hpa: HorizontalPodAutoscaler, _: float) -> str:
    wanted, used = hpa.spec.target_cpu_utilization_percentage, hpa.status.current_cpu_utilization_percentage
    if wanted is None:
        return "<none>"
    return f"cpu: <unknown>/{wanted}%" if used is None else f"cpu: {used}%/{wanted}%"


COLUMNS: tuple[Column[HorizontalPodAutoscaler], ...] = (
    Column("Reference", lambda h, _: f"{h.spec.scale_target_ref.kind}/{h.spec.scale_target_ref.name}"),
    Column("Targets", _targets),
    Column("MinPods", lambda h, _: "<unset>" if h.spec.min_replicas is None else str(h.spec.min_replicas)),
    Column("MaxPods", lambda h, _: h.spec.max_replicas),
    Column("Replicas", lambda h, _: h.status.current_replicas),
    AGE,
)


def default(hpa: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    """At least one replica, 80 % of the requested cpu."""
    spec = fill(hpa.spec, min_replicas=1, target_cpu_utilization_percentage=80)
    return replace(hpa, spec=spec)


def validate(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler | None) -> Errors:
    """Bounds that leave something, a share above 0."""
    spec = new.spec
    yield from bounds(spec.min_replicas, spec.max_replicas, spec.scale_target_ref, old and old.spec.scale_target_ref)
    share = spec.target_cpu_utilization_percentage
    if share is not None and share < 1:
        yield invalid("spec.metrics[0].resource.target.averageUtilization", share, "must be greater than 0")
    if share is not None and spec.min_replicas == 0:
        yield forbidden("spec.metrics", SCALE_TO_ZERO)


HORIZONTALPODAUTOSCALER_V1 = declare(
    HorizontalPodAutoscaler, columns=COLUMNS, default=default, validate=validate, validate_status=validate_status
)

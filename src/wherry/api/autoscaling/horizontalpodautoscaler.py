"""autoscaling/v2 HorizontalPodAutoscaler: what the API adds to its schema (`wherry.api.types.autoscaling_v2`)."""

from __future__ import annotations

from wherry.api.autoscaling.targets import targets
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.autoscaling_v2 import HorizontalPodAutoscaler
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[HorizontalPodAutoscaler], ...] = (
    Column("Reference", lambda h, _: f"{h.spec.scale_target_ref.kind}/{h.spec.scale_target_ref.name}"),
    Column("Targets", lambda h, _: targets(h)),
    Column("MinPods", lambda h, _: "<unset>" if h.spec.min_replicas is None else str(h.spec.min_replicas)),
    Column("MaxPods", lambda h, _: h.spec.max_replicas),
    Column("Replicas", lambda h, _: h.status.current_replicas),
    AGE,
)

HORIZONTALPODAUTOSCALER = declare(HorizontalPodAutoscaler, columns=COLUMNS)

"""autoscaling/v2 HorizontalPodAutoscaler: what the API adds to its schema (`wherry.api.types.autoscaling_v2`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.autoscaling.targets import targets
from wherry.api.autoscaling.validation import validate, validate_status
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
)
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[HorizontalPodAutoscaler], ...] = (
    Column("Reference", lambda h, _: f"{h.spec.scale_target_ref.kind}/{h.spec.scale_target_ref.name}"),
    Column("Targets", lambda h, _: targets(h)),
    Column("MinPods", lambda h, _: "<unset>" if h.spec.min_replicas is None else str(h.spec.min_replicas)),
    Column("MaxPods", lambda h, _: h.spec.max_replicas),
    Column("Replicas", lambda h, _: h.status.current_replicas),
    AGE,
)

_UP = HPAScalingRules(
    stabilization_window_seconds=0,
    select_policy="Max",
    policies=(
        HPAScalingPolicy(type="Pods", value=4, period_seconds=15),
        HPAScalingPolicy(type="Percent", value=100, period_seconds=15),
    ),
)
_DOWN = HPAScalingRules(select_policy="Max", policies=(HPAScalingPolicy(type="Percent", value=100, period_seconds=15),))
_CPU = MetricSpec(
    type="Resource",
    resource=ResourceMetricSource(name="cpu", target=MetricTarget(type="Utilization", average_utilization=80)),
)


def _default_rules(rules: HPAScalingRules | None, usual: HPAScalingRules) -> HPAScalingRules:
    if rules is None:
        return usual
    rules = fill(
        rules,
        select_policy=usual.select_policy,
        stabilization_window_seconds=usual.stabilization_window_seconds,
    )
    return rules if rules.policies else replace(rules, policies=usual.policies)


def _default_behavior(behavior: HorizontalPodAutoscalerBehavior) -> HorizontalPodAutoscalerBehavior:
    return replace(
        behavior,
        scale_up=_default_rules(behavior.scale_up, _UP),
        scale_down=_default_rules(behavior.scale_down, _DOWN),
    )


def default(hpa: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    """At least one replica, 80 % of the requested cpu."""
    spec = fill(hpa.spec, min_replicas=1)
    if not spec.metrics:
        spec = replace(spec, metrics=(_CPU,))
    return replace(hpa, spec=within(spec, behavior=_default_behavior))


HORIZONTALPODAUTOSCALER = declare(
    HorizontalPodAutoscaler, columns=COLUMNS, default=default, validate=validate, validate_status=validate_status
)

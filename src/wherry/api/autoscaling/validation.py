"""Validation of HorizontalPodAutoscalers: bounds, metrics, behaviour.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

from typing import Any

from wherry.api.checks import NOT_NEGATIVE, Errors, named, nonnegative, required_name, unsupported
from wherry.api.core.resource_validation import container_resource
from wherry.api.types.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricSpec,
    MetricTarget,
)
from wherry.machinery.names import dns_label, path_segment
from wherry.machinery.quantity import compare
from wherry.machinery.validation import forbidden, invalid, required

METRIC_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
SELECT_POLICIES = ("Disabled", "Max", "Min")
MAX_WINDOW = 3600
MAX_PERIOD = 1800
_SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "container_resource",
}
SCALE_TO_ZERO = "must specify at least one Object or External metric to support scaling to zero replicas"
_ABOVE_ZERO = "must be greater than zero"


def bounds(low: int | None, high: int, target: Any, before: Any = None) -> Errors:
    """Replicas and the thing that is scaled, alike in both versions. `before`: what was scaled until now."""
    yield from nonnegative("spec.minReplicas", low)
    if high == 0:
        yield required("spec.maxReplicas")
    elif high < 0:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to 1")
    if low is not None and high < low:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    yield from _reference("spec.scaleTargetRef", target)
    if before is None or (before.kind, before.api_version) != (target.kind, target.api_version):
        core = target.kind == "ReplicationController"
        yield from _version("spec.scaleTargetRef.apiVersion", target.api_version, core=core)


def _reference(path: str, target: Any) -> Errors:
    yield from required_name(f"{path}.kind", target.kind, path_segment)
    yield from required_name(f"{path}.name", target.name, path_segment)


def _version(path: str, version: str, *, core: bool) -> Errors:
    """The apiVersion of a reference; `core`: it may be without a group."""
    if version.count("/") > 1:
        yield invalid(path, version, f"unexpected GroupVersion string: {version}")
    elif not core and not version.rpartition("/")[0]:
        yield invalid(path, version, "apiVersion must specify API group")


def validate(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler | None) -> Errors:
    """Bounds that leave something, metrics that say what they measure, behaviour that moves."""
    spec = new.spec
    yield from bounds(spec.min_replicas, spec.max_replicas, spec.scale_target_ref, old and old.spec.scale_target_ref)
    for index, metric in enumerate(spec.metrics):
        yield from _metric(f"spec.metrics[{index}]", metric)
    if spec.min_replicas == 0 and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        yield forbidden("spec.metrics", SCALE_TO_ZERO)
    if spec.behavior is not None:
        yield from _rules("spec.behavior.scaleUp", spec.behavior.scale_up)
        yield from _rules("spec.behavior.scaleDown", spec.behavior.scale_down)


def _metric(path: str, metric: MetricSpec) -> Errors:
    given = {kind: source for kind, field in _SOURCES.items() if (source := getattr(metric, field)) is not None}
    if not metric.type:
        yield required(f"{path}.type", "must specify a metric source type")
    if metric.type not in METRIC_TYPES:
        yield unsupported(f"{path}.type", metric.type, METRIC_TYPES)
    for kind, source in list(given.items())[:1]:
        yield from _SOURCE_CHECKS[kind](f"{path}.{_wire(kind)}", source)
    if metric.type in METRIC_TYPES and metric.type not in given:
        yield required(f"{path}.{_wire(metric.type)}", "must populate information for the given metric source")
    if len(given) > 1:
        for kind in given.keys() - {metric.type}:
            yield forbidden(f"{path}.{_wire(kind)}", "must populate the given metric source only")


def _wire(kind: str) -> str:
    return kind[0].lower() + kind[1:]


def _object(path: str, source: Any) -> Errors:
    yield from _reference(f"{path}.describedObject", source.described_object)
    yield from _version(f"{path}.describedObject.apiVersion", source.described_object.api_version, core=True)
    yield from _named_metric(path, source)
    if source.target.value is None and source.target.average_value is None:
        yield required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _external(path: str, source: Any) -> Errors:
    yield from _named_metric(path, source)
    value, average = source.target.value, source.target.average_value
    if value is None and average is None:
        why = "must set either a target value for metric or a per-pod target"
        yield required(f"{path}.target.averageValue", why)
    if value is not None and average is not None:
        yield forbidden(f"{path}.target.value", "may not set both a target value for metric and a per-pod target")


def _pods(path: str, source: Any) -> Errors:
    yield from _named_metric(path, source)
    if source.target.average_value is None:
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _resource(path: str, source: Any) -> Errors:
    if not source.name:
        yield required(f"{path}.name", "must specify a resource name")
    yield from _utilization(path, source)


def _container_resource(path: str, source: Any) -> Errors:
    if source.name:
        yield from container_resource(f"{path}.name", source.name)
    else:
        yield required(f"{path}.name", "must specify a resource name")
    if source.container:
        yield from named(f"{path}.container", source.container, dns_label)
    else:
        yield required(f"{path}.container", "must specify a container")
    yield from _utilization(path, source)


def _utilization(path: str, source: Any) -> Errors:
    yield from _target(f"{path}.target", source.target)
    used, average = source.target.average_utilization, source.target.average_value
    if used is None and average is None:
        why = "must set either a target raw value or a target utilization"
        yield required(f"{path}.target.averageUtilization", why)
    if used is not None and average is not None:
        why = "may not set both a target raw value and a target utilization"
        yield forbidden(f"{path}.target.averageValue", why)


_SOURCE_CHECKS = {
    "Object": _object,
    "External": _external,
    "Pods": _pods,
    "Resource": _resource,
    "ContainerResource": _container_resource,
}


def _named_metric(path: str, source: Any) -> Errors:
    if source.metric.name:
        yield from named(f"{path}.metric.name", source.metric.name, path_segment)
    else:
        yield required(f"{path}.metric.name", "must specify a metric name")
    yield from _target(f"{path}.target", source.target)


def _target(path: str, target: MetricTarget) -> Errors:
    if not target.type:
        yield required(f"{path}.type", "must specify a metric target type")
    if target.type not in ("Utilization", "Value", "AverageValue"):
        yield invalid(f"{path}.type", target.type, "must be either Utilization, Value, or AverageValue")
    for field, amount in (("value", target.value), ("averageValue", target.average_value)):
        if amount is not None and compare(amount, "0") <= 0:
            yield invalid(f"{path}.{field}", amount, "must be positive")
    if target.average_utilization is not None and target.average_utilization < 1:
        yield invalid(f"{path}.averageUtilization", target.average_utilization, "must be greater than 0")


def _rules(path: str, rules: HPAScalingRules | None) -> Errors:
    if rules is None:
        return
    window = rules.stabilization_window_seconds
    if window is not None and window < 0:
        yield invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > MAX_WINDOW:
        yield invalid(f"{path}.stabilizationWindowSeconds", window, f"must be less than or equal to {MAX_WINDOW}")
    if rules.select_policy is not None and rules.select_policy not in SELECT_POLICIES:
        yield unsupported(f"{path}.selectPolicy", rules.select_policy, SELECT_POLICIES)
    if not rules.policies:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        yield from _policy(f"{path}.policies[{index}]", policy)
    if rules.tolerance is not None and compare(rules.tolerance, "0") < 0:
        yield invalid(f"{path}.tolerance", rules.tolerance, NOT_NEGATIVE)


def _policy(path: str, policy: HPAScalingPolicy) -> Errors:
    if policy.type not in ("Pods", "Percent"):
        yield unsupported(f"{path}.type", policy.type, ("Percent", "Pods"))
    if policy.value <= 0:
        yield invalid(f"{path}.value", policy.value, _ABOVE_ZERO)
    if policy.period_seconds <= 0:
        yield invalid(f"{path}.periodSeconds", policy.period_seconds, _ABOVE_ZERO)
    if policy.period_seconds > MAX_PERIOD:
        yield invalid(f"{path}.periodSeconds", policy.period_seconds, f"must be less than or equal to {MAX_PERIOD}")


def validate_status(new: Any, old: Any) -> Errors:
    """No negative count; both versions."""
    yield from nonnegative("status.currentReplicas", new.status.current_replicas)
    yield from nonnegative("status.desiredReplicas", new.status.desired_replicas)

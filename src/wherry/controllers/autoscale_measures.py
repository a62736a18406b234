"""From one metric of an autoscaler to the replicas it asks for, with what goes into status.currentMetrics.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from wherry.api.types.autoscaling_v2 import (
    ContainerResourceMetricStatus,
    ExternalMetricStatus,
    HorizontalPodAutoscalerBehavior,
    MetricIdentifier,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ObjectMetricStatus,
    PodsMetricStatus,
    ResourceMetricStatus,
)
from wherry.api.types.core import Pod
from wherry.controllers import autoscale_metrics as metrics
from wherry.controllers.autoscale_replicas import (
    MetricsError,
    Tolerance,
    by_average,
    by_shared_average,
    by_utilization,
    by_value,
    thousandths,
)
from wherry.machinery.quantity import Quantity, amount, from_bytes, from_milli
from wherry.reconcile.context import Tracked

_DEFAULT = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled: its pods and how they are selected, replicas in spec and in status."""

    pods: Sequence[Pod]
    selector: str
    replicas: int
    served: int
    tolerance: Tolerance
    now: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one metric asks for."""

    replicas: int
    name: str
    status: MetricStatus


class Unmeasured(Exception):
    """One metric says nothing. `reason` and `problem` are for its event and for ScalingActive; the text is what all
    metrics together are said to have failed for first."""

    def __init__(self, reason: str, problem: str, whole: str) -> None:
        super().__init__(whole)
        self.reason, self.problem = reason, problem


def tolerance(behavior: HorizontalPodAutoscalerBehavior | None) -> Tolerance:
    """The tolerances of a behaviour, or the usual ones."""
    up = behavior.scale_up.tolerance if behavior and behavior.scale_up else None
    down = behavior.scale_down.tolerance if behavior and behavior.scale_down else None
    return Tolerance(_DEFAULT if up is None else float(amount(up)), _DEFAULT if down is None else float(amount(down)))


async def measure(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    """Read one metric and work out its replicas. Raises Unmeasured."""
    if metric.type not in _MEASURES:
        problem = f'unknown metric source type "{metric.type}"'
        raise Unmeasured("InvalidMetricSourceType", problem, problem)
    work, whole = _MEASURES[metric.type]
    try:
        return await work(api, namespace, metric, target)
    except MetricsError as error:
        text = f"failed to get {whole(metric)} value: {error}"
        raise Unmeasured(f"FailedGet{metric.type}Metric", str(error), text) from None


def quantity(milli: int, resource: str = "") -> Quantity:
    """Thousandths as a quantity; of memory in powers of 1024, in whole bytes."""
    return from_bytes(-(-milli // 1000)) if resource == "memory" else from_milli(milli)


async def _resource(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.resource
    assert source is not None
    replicas, current = await _of_resource(api, namespace, source.target, (source.name, ""), target)
    name = _name_of(source.name, "resource", source.target)
    status = ResourceMetricStatus(name=source.name, current=current)
    return Measured(replicas, name, MetricStatus(type="Resource", resource=status))


async def _container(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.container_resource
    assert source is not None
    which = (source.name, source.container)
    replicas, current = await _of_resource(api, namespace, source.target, which, target)
    name = _name_of(source.name, "container resource", source.target)
    status = ContainerResourceMetricStatus(name=source.name, container=source.container, current=current)
    return Measured(replicas, name, MetricStatus(type="ContainerResource", container_resource=status))


def _name_of(resource: str, kind: str, wanted: MetricTarget) -> str:
    if wanted.average_value is not None:
        return f"{resource} resource"
    return f"{resource} {kind} utilization (percentage of request)"


async def _of_resource(
    api: Tracked, namespace: str, wanted: MetricTarget, resource: tuple[str, str], target: Target
) -> tuple[int, MetricValueStatus]:
    """`resource`: its name, and the container where one is meant."""
    name = resource[0]
    if wanted.average_value is None and wanted.average_utilization is None:
        raise MetricsError(
            "invalid resource metric source: neither an average utilization target nor an average value (usage) "
            "target was set"
        )
    try:
        samples = await metrics.resource_samples(api, namespace, target.selector, *resource)
        if wanted.average_value is not None:
            aim = (target.replicas, thousandths(wanted.average_value), target.tolerance)
            found = by_average(target.pods, samples, name, aim, target.now)
            return found.replicas, MetricValueStatus(average_value=quantity(found.average, name))
        assert wanted.average_utilization is not None
        percent = (target.replicas, wanted.average_utilization, target.tolerance)
        found = by_utilization(target.pods, samples, resource, percent, target.now)
    except MetricsError as error:
        kind = "utilization" if wanted.average_value is None else "usage"
        raise MetricsError(f"failed to get {name} {kind}: {error}") from None
    average = quantity(found.average, name)
    return found.replicas, MetricValueStatus(average_value=average, average_utilization=found.utilization)


async def _pods(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.pods
    assert source is not None
    samples = await metrics.pod_samples(api, namespace, target.selector, source.metric)
    aim = (target.replicas, thousandths(source.target.average_value or "0"), target.tolerance)
    found = by_average(target.pods, samples, "", aim, target.now)
    current = MetricValueStatus(average_value=quantity(found.average))
    status = MetricStatus(type="Pods", pods=PodsMetricStatus(metric=source.metric, current=current))
    return Measured(found.replicas, f"pods metric {source.metric.name}", status)


async def _object(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.object
    assert source is not None
    of, wanted = source.described_object, source.target
    shared = wanted.value is None or wanted.type == "AverageValue"
    if (wanted.average_value if shared else wanted.value) is None:
        raise MetricsError("invalid object metric source: neither a value target nor an average value target was set")
    try:
        value = await metrics.object_value(api, namespace, of, source.metric)
    except MetricsError as error:
        raise MetricsError(f"failed to get {source.metric.name} object metric: {error}" if shared else error) from None
    replicas, current = _of_one(wanted, value, target, shared=shared)
    status = ObjectMetricStatus(metric=source.metric, described_object=of, current=current)
    name = f"{of.kind} metric {source.metric.name}" if not shared else _external_name(source.metric)
    return Measured(replicas, name, MetricStatus(type="Object", object=status))


async def _external(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.external
    assert source is not None
    name, shared = source.metric.name, source.target.average_value is not None
    if not shared and source.target.value is None:
        raise MetricsError("invalid external metric source: neither a value target nor an average value target was set")
    try:
        value = await metrics.external_value(api, namespace, source.metric)
        replicas, current = _of_one(source.target, value, target, shared=shared)
    except MetricsError as error:
        what = f"{name} external metric" if shared else f"external metric {name}"
        raise MetricsError(f"failed to get {what}: {error}") from None
    status = MetricStatus(type="External", external=ExternalMetricStatus(metric=source.metric, current=current))
    return Measured(replicas, _external_name(source.metric), status)


def _external_name(metric: MetricIdentifier) -> str:
    """As upstream says it, of object metrics too where the replicas share the value."""
    return f"external metric {metric.name}({metrics.shown(metric.selector)})"


def _of_one(wanted: MetricTarget, value: int, target: Target, *, shared: bool) -> tuple[int, MetricValueStatus]:
    """Replicas for one value that concerns all of them; `shared`: each has its part of it."""
    if shared:
        found = by_shared_average(target.served, value, thousandths(wanted.average_value or "0"), target.tolerance)
        return found.replicas, MetricValueStatus(average_value=quantity(found.average))
    replicas = by_value(target.replicas, target.pods, value, thousandths(wanted.value or "0"), target.tolerance)
    return replicas, MetricValueStatus(value=quantity(value))


def _container_name(metric: MetricSpec) -> str:
    return metric.container_resource.container if metric.container_resource else ""


_Work = Callable[[Tracked, str, MetricSpec, Target], Awaitable[Measured]]
_MEASURES: Mapping[str, tuple[_Work, Callable[[MetricSpec], str]]] = {
    "Resource": (_resource, lambda one: f"{one.resource.name if one.resource else ''} resource metric"),
    "ContainerResource": (_container, lambda one: f"{_container_name(one)} container metric"),
    "Pods": (_pods, lambda _: "pods metric"),
    "Object": (_object, lambda _: "object metric"),
    "External": (_external, lambda one: f"{one.external.metric.name if one.external else ''} external metric"),
}
"""How each type is measured, and what its failure is called."""

"""From one metric of an autoscaler to the replicas it asks for, with what goes into status.currentMetrics.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wherry.api.types.autoscaling_v2 import (
    ContainerResourceMetricStatus,
    ExternalMetricStatus,
    HorizontalPodAutoscalerBehavior,
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
from wherry.controllers.autoscale_kinds import plural_of
from wherry.controllers.autoscale_replicas import (
    MetricsError,
    Proposal,
    Sample,
    Tolerance,
    by_average,
    by_shared_average,
    by_utilization,
    by_value,
    ready_count,
    thousandths,
)
from wherry.machinery.quantity import Quantity, amount, parse_quantity
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


def tolerance(behavior: HorizontalPodAutoscalerBehavior | None) -> Tolerance:
    """The tolerances of a behaviour, or the usual ones."""
    up = behavior.scale_up.tolerance if behavior and behavior.scale_up else None
    down = behavior.scale_down.tolerance if behavior and behavior.scale_down else None
    return Tolerance(_DEFAULT if up is None else float(amount(up)), _DEFAULT if down is None else float(amount(down)))


async def measure(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    """Read one metric and work out its replicas. Raises MetricsError."""
    match metric.type:
        case "Resource":
            return await _resource(api, namespace, metric, target)
        case "ContainerResource":
            return await _container(api, namespace, metric, target)
        case "Pods":
            return await _pods(api, namespace, metric, target)
        case "Object":
            return await _object(api, namespace, metric, target)
        case "External":
            return await _external(api, namespace, metric, target)
        case other:
            raise MetricsError(f'unknown metric source type "{other}"')


def quantity(milli: int) -> Quantity:
    """Thousandths as a quantity."""
    return parse_quantity(f"{milli}m")


async def _resource(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.resource
    assert source is not None
    usage = source.target.average_value is not None
    try:
        samples = await metrics.resource_samples(api, namespace, target.selector, source.name)
        found = _of_resource(source.target, (source.name, ""), samples, target)
    except MetricsError as error:
        raise MetricsError(f"failed to get {source.name} {'usage' if usage else 'utilization'}: {error}") from None
    name = f"{source.name} resource" if usage else f"{source.name} resource utilization (percentage of request)"
    status = ResourceMetricStatus(name=source.name, current=_current(found, usage=usage))
    return Measured(found.replicas, name, MetricStatus(type="Resource", resource=status))


async def _container(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.container_resource
    assert source is not None
    usage = source.target.average_value is not None
    try:
        samples = await metrics.resource_samples(api, namespace, target.selector, source.name, source.container)
        found = _of_resource(source.target, (source.name, source.container), samples, target)
    except MetricsError as error:
        raise MetricsError(f"failed to get {source.name} {'usage' if usage else 'utilization'}: {error}") from None
    name = f"{source.name} container resource" + ("" if usage else " utilization (percentage of request)")
    status = ContainerResourceMetricStatus(
        name=source.name, container=source.container, current=_current(found, usage=usage)
    )
    return Measured(found.replicas, name, MetricStatus(type="ContainerResource", container_resource=status))


def _of_resource(
    wanted: MetricTarget, resource: tuple[str, str], samples: dict[str, Sample], target: Target
) -> Proposal:
    if wanted.average_value is not None:
        aim = (target.replicas, thousandths(wanted.average_value), target.tolerance)
        return by_average(target.pods, samples, resource[0], aim, target.now)
    if wanted.average_utilization is None:
        raise MetricsError(
            "invalid resource metric source: neither an average utilization target nor an average value (usage) "
            "target was set"
        )
    percent = (target.replicas, wanted.average_utilization, target.tolerance)
    return by_utilization(target.pods, samples, resource, percent, target.now)


def _current(found: Proposal, *, usage: bool) -> MetricValueStatus:
    average = quantity(found.average)
    return MetricValueStatus(average_value=average, average_utilization=None if usage else found.utilization)


async def _pods(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.pods
    assert source is not None
    try:
        samples = await metrics.pod_samples(api, namespace, target.selector, source.metric)
        aim = (target.replicas, thousandths(source.target.average_value or "0"), target.tolerance)
        found = by_average(target.pods, samples, "", aim, target.now)
    except MetricsError as error:
        raise MetricsError(f"failed to get pods metric value: {error}") from None
    current = MetricValueStatus(average_value=quantity(found.average))
    status = MetricStatus(type="Pods", pods=PodsMetricStatus(metric=source.metric, current=current))
    return Measured(found.replicas, f"pods metric {source.metric.name}", status)


async def _object(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.object
    assert source is not None
    of = source.described_object
    try:
        plural = await _resource_name(api, of.api_version, of.kind)
        value = await metrics.object_value(api, namespace, of, plural, source.metric)
        replicas, current = _shared(source.target, value, target)
    except MetricsError as error:
        raise MetricsError(f"failed to get object metric value: {error}") from None
    status = ObjectMetricStatus(metric=source.metric, described_object=of, current=current)
    return Measured(replicas, f"{of.kind} metric {source.metric.name}", MetricStatus(type="Object", object=status))


async def _external(api: Tracked, namespace: str, metric: MetricSpec, target: Target) -> Measured:
    source = metric.external
    assert source is not None
    try:
        value = await metrics.external_value(api, namespace, source.metric)
        replicas, current = _shared(source.target, value, target)
    except MetricsError as error:
        raise MetricsError(f"failed to get {source.metric.name} external metric value: {error}") from None
    status = MetricStatus(type="External", external=ExternalMetricStatus(metric=source.metric, current=current))
    return Measured(replicas, f"external metric {source.metric.name}", status)


def _shared(wanted: MetricTarget, value: int, target: Target) -> tuple[int, MetricValueStatus]:
    """Replicas for one value that concerns all of them."""
    if wanted.average_value is not None:
        found = by_shared_average(target.served, value, thousandths(wanted.average_value), target.tolerance)
        return found.replicas, MetricValueStatus(average_value=quantity(found.average))
    if wanted.value is None:
        raise MetricsError("neither a value target nor an average value target was set")
    ready = ready_count(target.pods) if target.replicas else 0
    replicas = by_value(target.replicas, ready, value, thousandths(wanted.value), target.tolerance)
    return replicas, MetricValueStatus(value=quantity(value))


async def _resource_name(api: Tracked, api_version: str, kind: str) -> str:
    """`deployments.apps` for a Deployment."""
    plural, _ = await plural_of(api, api_version, kind)
    group = api_version.rpartition("/")[0]
    return f"{plural}.{group}" if group else plural

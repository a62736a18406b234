"""Generated from the Kubernetes API schema by hack/generate_types.py: autoscaling_v2. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import LabelSelector, Model, Object, empty_text, no_items, no_time, shown, zero
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import Time


class MetricTarget(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.MetricTarget"""

    average_utilization: int | None = None
    average_value: Quantity | None = None
    type: str = field(default_factory=empty_text)
    value: Quantity | None = None


class MetricValueStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.MetricValueStatus"""

    average_utilization: int | None = None
    average_value: Quantity | None = None
    value: Quantity | None = None


class CrossVersionObjectReference(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.CrossVersionObjectReference"""

    api_version: str = ""
    kind: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class MetricIdentifier(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.MetricIdentifier"""

    name: str = field(default_factory=empty_text)
    selector: LabelSelector | None = None


class HPAScalingPolicy(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.HPAScalingPolicy"""

    period_seconds: int = field(default_factory=zero)
    type: str = field(default_factory=empty_text)
    value: int = field(default_factory=zero)


class HPAScalingRules(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.HPAScalingRules"""

    policies: tuple[HPAScalingPolicy, ...] = ()
    select_policy: str | None = None
    stabilization_window_seconds: int | None = None
    tolerance: Quantity | None = None


class HorizontalPodAutoscalerStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus"""

    conditions: tuple[HorizontalPodAutoscalerCondition, ...] = ()
    current_metrics: tuple[MetricStatus, ...] = field(default_factory=no_items)
    current_replicas: int = 0
    desired_replicas: int = field(default_factory=zero)
    last_scale_time: Time | None = None
    observed_generation: int | None = None


class HorizontalPodAutoscalerBehavior(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior"""

    scale_down: HPAScalingRules | None = None
    scale_up: HPAScalingRules | None = None


class HorizontalPodAutoscalerCondition(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    observed_generation: int | None = None
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class MetricSpec(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.MetricSpec"""

    container_resource: ContainerResourceMetricSource | None = None
    external: ExternalMetricSource | None = None
    object: ObjectMetricSource | None = None
    pods: PodsMetricSource | None = None
    resource: ResourceMetricSource | None = None
    type: str = field(default_factory=empty_text)


class MetricStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.MetricStatus"""

    container_resource: ContainerResourceMetricStatus | None = None
    external: ExternalMetricStatus | None = None
    object: ObjectMetricStatus | None = None
    pods: PodsMetricStatus | None = None
    resource: ResourceMetricStatus | None = None
    type: str = field(default_factory=empty_text)


class ContainerResourceMetricSource(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ContainerResourceMetricSource"""

    container: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    target: MetricTarget = field(default_factory=shown(MetricTarget))


class ResourceMetricSource(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ResourceMetricSource"""

    name: str = field(default_factory=empty_text)
    target: MetricTarget = field(default_factory=shown(MetricTarget))


class ContainerResourceMetricStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ContainerResourceMetricStatus"""

    container: str = field(default_factory=empty_text)
    current: MetricValueStatus = field(default_factory=shown(MetricValueStatus))
    name: str = field(default_factory=empty_text)


class ResourceMetricStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ResourceMetricStatus"""

    current: MetricValueStatus = field(default_factory=shown(MetricValueStatus))
    name: str = field(default_factory=empty_text)


class HorizontalPodAutoscalerSpec(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec"""

    behavior: HorizontalPodAutoscalerBehavior | None = None
    max_replicas: int = field(default_factory=zero)
    metrics: tuple[MetricSpec, ...] = ()
    min_replicas: int | None = None
    scale_target_ref: CrossVersionObjectReference = field(default_factory=shown(CrossVersionObjectReference))


class ExternalMetricSource(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ExternalMetricSource"""

    metric: MetricIdentifier = field(default_factory=shown(MetricIdentifier))
    target: MetricTarget = field(default_factory=shown(MetricTarget))


class ExternalMetricStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ExternalMetricStatus"""

    current: MetricValueStatus = field(default_factory=shown(MetricValueStatus))
    metric: MetricIdentifier = field(default_factory=shown(MetricIdentifier))


class ObjectMetricSource(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ObjectMetricSource"""

    described_object: CrossVersionObjectReference = field(default_factory=shown(CrossVersionObjectReference))
    metric: MetricIdentifier = field(default_factory=shown(MetricIdentifier))
    target: MetricTarget = field(default_factory=shown(MetricTarget))


class ObjectMetricStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.ObjectMetricStatus"""

    current: MetricValueStatus = field(default_factory=shown(MetricValueStatus))
    described_object: CrossVersionObjectReference = field(default_factory=shown(CrossVersionObjectReference))
    metric: MetricIdentifier = field(default_factory=shown(MetricIdentifier))


class PodsMetricSource(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.PodsMetricSource"""

    metric: MetricIdentifier = field(default_factory=shown(MetricIdentifier))
    target: MetricTarget = field(default_factory=shown(MetricTarget))


class PodsMetricStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v2.PodsMetricStatus"""

    current: MetricValueStatus = field(default_factory=shown(MetricValueStatus))
    metric: MetricIdentifier = field(default_factory=shown(MetricIdentifier))


class HorizontalPodAutoscaler(Object, frozen=True):
    """io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"""

    kind: str = field(default_factory=lambda: "HorizontalPodAutoscaler")
    api_version: str = field(default_factory=lambda: "autoscaling/v2")
    spec: HorizontalPodAutoscalerSpec = field(default_factory=shown(HorizontalPodAutoscalerSpec))
    status: HorizontalPodAutoscalerStatus = field(default_factory=shown(HorizontalPodAutoscalerStatus))

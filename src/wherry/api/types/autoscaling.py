"""Generated from the Kubernetes API schema by hack/generate_types.py: autoscaling. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Model, Object, empty_text, shown, zero
from wherry.machinery.time import Time


class CrossVersionObjectReference(Model, frozen=True):
    """io.k8s.api.autoscaling.v1.CrossVersionObjectReference"""

    api_version: str = ""
    kind: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class HorizontalPodAutoscalerStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerStatus"""

    current_cpu_utilization_percentage: int | None = field(default=None, name="currentCPUUtilizationPercentage")
    current_replicas: int = field(default_factory=zero)
    desired_replicas: int = field(default_factory=zero)
    last_scale_time: Time | None = None
    observed_generation: int | None = None


class ScaleSpec(Model, frozen=True):
    """io.k8s.api.autoscaling.v1.ScaleSpec"""

    replicas: int = 0


class ScaleStatus(Model, frozen=True):
    """io.k8s.api.autoscaling.v1.ScaleStatus"""

    replicas: int = field(default_factory=zero)
    selector: str = ""


class HorizontalPodAutoscalerSpec(Model, frozen=True):
    """io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec"""

    max_replicas: int = field(default_factory=zero)
    min_replicas: int | None = None
    scale_target_ref: CrossVersionObjectReference = field(default_factory=shown(CrossVersionObjectReference))
    target_cpu_utilization_percentage: int | None = field(default=None, name="targetCPUUtilizationPercentage")


class Scale(Object, frozen=True):
    """io.k8s.api.autoscaling.v1.Scale"""

    kind: str = field(default_factory=lambda: "Scale")
    api_version: str = field(default_factory=lambda: "autoscaling/v1")
    spec: ScaleSpec = field(default_factory=shown(ScaleSpec))
    status: ScaleStatus = field(default_factory=shown(ScaleStatus))


class HorizontalPodAutoscaler(Object, frozen=True):
    """io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler"""

    kind: str = field(default_factory=lambda: "HorizontalPodAutoscaler")
    api_version: str = field(default_factory=lambda: "autoscaling/v1")
    spec: HorizontalPodAutoscalerSpec = field(default_factory=shown(HorizontalPodAutoscalerSpec))
    status: HorizontalPodAutoscalerStatus = field(default_factory=shown(HorizontalPodAutoscalerStatus))

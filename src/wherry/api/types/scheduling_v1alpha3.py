"""Generated from the Kubernetes API schema by hack/generate_types.py: scheduling_v1alpha3. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Model, empty_text


class TopologyConstraint(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.TopologyConstraint"""

    key: str = field(default_factory=empty_text)


class WorkloadPodGroupAllDisruptionMode(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode"""


class WorkloadPodGroupBasicSchedulingPolicy(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy"""


class WorkloadPodGroupDisruptionMode(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupDisruptionMode"""

    all: WorkloadPodGroupAllDisruptionMode | None = None
    single: WorkloadPodGroupSingleDisruptionMode | None = None


class WorkloadPodGroupGangSchedulingPolicy(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy"""

    min_count: int | None = None


class WorkloadPodGroupResourceClaim(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupResourceClaim"""

    name: str = field(default_factory=empty_text)
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class WorkloadPodGroupSchedulingConstraints(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints"""

    topology: tuple[TopologyConstraint, ...] = ()


class WorkloadPodGroupSchedulingPolicy(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy"""

    basic: WorkloadPodGroupBasicSchedulingPolicy | None = None
    gang: WorkloadPodGroupGangSchedulingPolicy | None = None


class WorkloadPodGroupSingleDisruptionMode(Model, frozen=True):
    """io.k8s.api.scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode"""

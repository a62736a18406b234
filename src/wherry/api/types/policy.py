"""Generated from the Kubernetes API schema by hack/generate_types.py: policy. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.machinery.meta import Condition, DeleteOptions, LabelSelector, Model, Object, shown, zero
from wherry.machinery.time import Time


class Eviction(Object, frozen=True):
    """io.k8s.api.policy.v1.Eviction"""

    kind: str = field(default_factory=lambda: "Eviction")
    api_version: str = field(default_factory=lambda: "policy/v1")
    delete_options: DeleteOptions | None = None


class PodDisruptionBudgetSpec(Model, frozen=True):
    """io.k8s.api.policy.v1.PodDisruptionBudgetSpec"""

    max_unavailable: int | str | None = None
    min_available: int | str | None = None
    selector: LabelSelector | None = None
    unhealthy_pod_eviction_policy: str | None = None


class PodDisruptionBudgetStatus(Model, frozen=True):
    """io.k8s.api.policy.v1.PodDisruptionBudgetStatus"""

    conditions: tuple[Condition, ...] = ()
    current_healthy: int = field(default_factory=zero)
    desired_healthy: int = field(default_factory=zero)
    disrupted_pods: Mapping[str, Time] = field(default_factory=dict)
    disruptions_allowed: int = field(default_factory=zero)
    expected_pods: int = field(default_factory=zero)
    observed_generation: int = 0


class PodDisruptionBudget(Object, frozen=True):
    """io.k8s.api.policy.v1.PodDisruptionBudget"""

    kind: str = field(default_factory=lambda: "PodDisruptionBudget")
    api_version: str = field(default_factory=lambda: "policy/v1")
    spec: PodDisruptionBudgetSpec = field(default_factory=shown(PodDisruptionBudgetSpec))
    status: PodDisruptionBudgetStatus = field(default_factory=shown(PodDisruptionBudgetStatus))

"""Generated from the Kubernetes API schema by hack/generate_types.py: scheduling. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Object, zero


class PriorityClass(Object, frozen=True):
    """io.k8s.api.scheduling.v1.PriorityClass"""

    kind: str = field(default_factory=lambda: "PriorityClass")
    api_version: str = field(default_factory=lambda: "scheduling.k8s.io/v1")
    description: str = ""
    global_default: bool = False
    preemption_policy: str | None = None
    value: int = field(default_factory=zero)

"""Generated from the Kubernetes API schema by hack/generate_types.py: node. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.api.types.core import Toleration
from wherry.machinery.meta import Model, Object, empty_text
from wherry.machinery.quantity import Quantity


class Overhead(Model, frozen=True):
    """io.k8s.api.node.v1.Overhead"""

    pod_fixed: Mapping[str, Quantity] = field(default_factory=dict)


class RuntimeClass(Object, frozen=True):
    """io.k8s.api.node.v1.RuntimeClass"""

    kind: str = field(default_factory=lambda: "RuntimeClass")
    api_version: str = field(default_factory=lambda: "node.k8s.io/v1")
    handler: str = field(default_factory=empty_text)
    overhead: Overhead | None = None
    scheduling: Scheduling | None = None


class Scheduling(Model, frozen=True):
    """io.k8s.api.node.v1.Scheduling"""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()

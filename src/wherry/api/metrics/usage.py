"""metrics.k8s.io/v1beta1 PodMetrics and NodeMetrics: use of processor and memory, averaged over `window`.

The schema is not part of the core API's, so its types are written here.
https://github.com/kubernetes/metrics/blob/master/pkg/apis/metrics/v1beta1/types.go
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from wherry.machinery.meta import Model, Object, empty_text
from wherry.machinery.quantity import Quantity
from wherry.machinery.resource import Column, Resource
from wherry.machinery.time import Time

GROUP, VERSION = "metrics.k8s.io", "v1beta1"


class ContainerMetrics(Model, frozen=True):
    """One container's use."""

    name: str = msgspec.field(default_factory=empty_text)
    usage: Mapping[str, Quantity] = msgspec.field(default_factory=dict)


class PodMetrics(Object, frozen=True):
    """A pod's use, by container."""

    kind: str = msgspec.field(default_factory=lambda: "PodMetrics")
    api_version: str = msgspec.field(default_factory=lambda: "metrics.k8s.io/v1beta1")
    timestamp: Time | None = None
    window: str = msgspec.field(default_factory=empty_text)
    containers: tuple[ContainerMetrics, ...] = ()


class NodeMetrics(Object, frozen=True):
    """A node's use."""

    kind: str = msgspec.field(default_factory=lambda: "NodeMetrics")
    api_version: str = msgspec.field(default_factory=lambda: "metrics.k8s.io/v1beta1")
    timestamp: Time | None = None
    window: str = msgspec.field(default_factory=empty_text)
    usage: Mapping[str, Quantity] = msgspec.field(default_factory=dict)


PODMETRICS: Resource[PodMetrics] = Resource(
    PodMetrics,
    group=GROUP,
    version=VERSION,
    kind="PodMetrics",
    plural="pods",
    singular="pod",
    verbs=("get", "list"),
    columns=(Column("Window", lambda m, _: m.window), Column("Containers", lambda m, _: len(m.containers))),
)
NODEMETRICS: Resource[NodeMetrics] = Resource(
    NodeMetrics,
    group=GROUP,
    version=VERSION,
    kind="NodeMetrics",
    plural="nodes",
    singular="node",
    namespaced=False,
    verbs=("get", "list"),
    columns=(
        Column("CPU", lambda m, _: m.usage.get("cpu", "")),
        Column("Memory", lambda m, _: m.usage.get("memory", "")),
        Column("Window", lambda m, _: m.window),
    ),
)
COMPUTED: tuple[Resource[PodMetrics] | Resource[NodeMetrics], ...] = (NODEMETRICS, PODMETRICS)
"""Served beside RESOURCES, but never stored."""

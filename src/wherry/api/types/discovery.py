"""Generated from the Kubernetes API schema by hack/generate_types.py: discovery. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.api.types.core import ObjectReference
from wherry.machinery.meta import Model, Object, empty_text, no_items, shown


class EndpointConditions(Model, frozen=True):
    """io.k8s.api.discovery.v1.EndpointConditions"""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class EndpointHints(Model, frozen=True):
    """io.k8s.api.discovery.v1.EndpointHints"""

    for_nodes: tuple[ForNode, ...] = ()
    for_zones: tuple[ForZone, ...] = ()


class EndpointPort(Model, frozen=True):
    """io.k8s.api.discovery.v1.EndpointPort"""

    app_protocol: str | None = None
    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(Object, frozen=True):
    """io.k8s.api.discovery.v1.EndpointSlice"""

    kind: str = field(default_factory=lambda: "EndpointSlice")
    api_version: str = field(default_factory=lambda: "discovery.k8s.io/v1")
    address_type: str = field(default_factory=empty_text)
    endpoints: tuple[Endpoint, ...] = field(default_factory=no_items)
    ports: tuple[EndpointPort, ...] = field(default_factory=no_items)


class ForNode(Model, frozen=True):
    """io.k8s.api.discovery.v1.ForNode"""

    name: str = field(default_factory=empty_text)


class ForZone(Model, frozen=True):
    """io.k8s.api.discovery.v1.ForZone"""

    name: str = field(default_factory=empty_text)


class Endpoint(Model, frozen=True):
    """io.k8s.api.discovery.v1.Endpoint"""

    addresses: tuple[str, ...] = field(default_factory=no_items)
    conditions: EndpointConditions = field(default_factory=shown(EndpointConditions))
    deprecated_topology: Mapping[str, str] = field(default_factory=dict)
    hints: EndpointHints | None = None
    hostname: str | None = None
    node_name: str | None = None
    target_ref: ObjectReference | None = None
    zone: str | None = None

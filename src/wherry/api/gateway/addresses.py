"""Addresses that Gateways have for themselves: virtual ones of the cluster, each the address of a Service. Pure.

A GatewayClass says by an annotation that its Gateways have them. Such a Gateway shares neither addresses nor ports with
others; it is reached by pods and nodes, and from wherever the cluster's Services are routed to.
https://gateway-api.sigs.k8s.io/geps/gep-1762/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from wherry.api.gateway.kinds import Gateway, GatewayClass
from wherry.api.types.core import Service
from wherry.machinery.meta import Key, controller_of

NOTE, OWN = "wherry.dev/addresses", "own"
"""The annotation of a class, and what it says."""
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label of what is made for a Gateway."""
_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


def owns(gateway: Gateway, classes: Mapping[str, GatewayClass]) -> bool:
    """Whether a Gateway has an address of its own."""
    found = classes.get(gateway.spec.gateway_class_name)
    return found is not None and found.metadata.annotations.get(NOTE) == OWN


def service_of(gateway: Gateway) -> Key:
    """The Service whose address it has."""
    name = f"{gateway.metadata.name}-{gateway.spec.gateway_class_name}"
    if _SERVICE.fullmatch(name) is None:
        name = f"gateway-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return Key(gateway.metadata.namespace, name)


def belongs(service: Service | None, gateway: Gateway) -> bool:
    """Whether a Service was made for this very Gateway."""
    owner = None if service is None else controller_of(service)
    return owner is not None and owner.uid == gateway.metadata.uid


def address_of(gateway: Gateway, services: Mapping[Key, Service]) -> str:
    """Its own address, "" while it has none."""
    service = services.get(service_of(gateway))
    return service.spec.cluster_ip if service is not None and belongs(service, gateway) else ""


def wished(gateway: Gateway) -> tuple[str, ...]:
    """The addresses that a Gateway asks for."""
    return tuple(one.value for one in gateway.spec.addresses if one.type == "IPAddress" and one.value)

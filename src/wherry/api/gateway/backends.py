"""Where a backendRef leads: a port of a Service, or nowhere, and why. Pure.

What leads nowhere is answered 500, in its share of the requests; a Service without a ready endpoint, 503.
https://gateway-api.sigs.k8s.io/reference/spec/#httpbackendref
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wherry.api.gateway.kinds import HTTPRoute, RouteRule, ServiceRef
from wherry.api.gateway.world import Verdict, World
from wherry.api.types.core import Service
from wherry.machinery.meta import Key

H2C = "kubernetes.io/h2c"
_NOT_SPOKEN = ("https", "kubernetes.io/wss")
"""Application protocols of Services that the entry would have to speak TLS for."""


class Led(NamedTuple):
    """A port of a Service, by its number."""

    service: Key
    port: int
    h2c: bool = False
    """Whether it is spoken to in HTTP/2 without TLS."""


def lead(world: World, route: HTTPRoute, ref: ServiceRef) -> Led | Verdict:
    """The port that a route's backendRef means, or why there is none."""
    namespace = route.metadata.namespace
    key = Key(ref.namespace or namespace, ref.name)
    if ref.group not in ("", "core") or ref.kind != "Service":
        return Verdict("False", "InvalidKind", f"{ref.kind}.{ref.group} is no kind of backend")
    if not world.permitted("HTTPRoute", namespace, "Service", key):
        return Verdict("False", "RefNotPermitted", f"no ReferenceGrant of {key.namespace} permits the Service {key}")
    service = world.services.get(key)
    if service is None:
        return Verdict("False", "BackendNotFound", f"there is no Service {key}")
    return _port(key, service, ref.port)


def _port(key: Key, service: Service, wanted: int | None) -> Led | Verdict:
    if service.spec.type == "ExternalName":
        return Verdict("False", "UnsupportedProtocol", f"the Service {key} is but another name (ExternalName)")
    port = next((one for one in service.spec.ports if one.port == wanted and one.protocol in ("", "TCP")), None)
    if port is None:
        return Verdict("False", "BackendNotFound", f"the Service {key} has no TCP port {wanted}")
    if port.app_protocol in _NOT_SPOKEN:
        return Verdict("False", "UnsupportedProtocol", f"the Service {key} speaks {port.app_protocol}")
    return Led(key, port.port, port.app_protocol == H2C)


def mirrored(rule: RouteRule) -> Iterator[ServiceRef]:
    """Who gets copies of a rule's requests."""
    return (one.request_mirror.backend_ref for one in rule.filters if one.request_mirror is not None)


def resolved(world: World, route: HTTPRoute) -> Verdict:
    """What is to be said of all that a route refers to: the first that is wrong."""
    for rule in route.spec.rules:
        for ref in (*rule.backend_refs, *mirrored(rule)):
            found = lead(world, route, ref)
            if isinstance(found, Verdict):
                return found
    return Verdict("True", "ResolvedRefs", "everything it refers to is there")

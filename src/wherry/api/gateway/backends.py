"""Where a backendRef leads: a port of a Service, or nowhere, and why. Pure.

What leads nowhere is answered 500, in its share of the requests; a Service without a ready endpoint, 503.
https://gateway-api.sigs.k8s.io/reference/spec/#httpbackendref
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.api.gateway.kinds import BackendRef, HTTPRoute
from wherry.api.gateway.world import Verdict, World
from wherry.machinery.meta import Key


class Led(NamedTuple):
    """A port of a Service, by its number."""

    service: Key
    port: int


def lead(world: World, route: HTTPRoute, ref: BackendRef) -> Led | Verdict:
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
    if service.spec.type == "ExternalName":
        return Verdict("False", "UnsupportedProtocol", f"the Service {key} is but another name (ExternalName)")
    if not any(port.port == ref.port and port.protocol in ("", "TCP") for port in service.spec.ports):
        return Verdict("False", "BackendNotFound", f"the Service {key} has no TCP port {ref.port}")
    return Led(key, ref.port or 0)


def resolved(world: World, route: HTTPRoute) -> Verdict:
    """What is to be said of all that a route refers to: the first that is wrong."""
    for rule in route.spec.rules:
        for ref in rule.backend_refs:
            found = lead(world, route, ref)
            if isinstance(found, Verdict):
                return found
    return Verdict("True", "ResolvedRefs", "everything it refers to is there")

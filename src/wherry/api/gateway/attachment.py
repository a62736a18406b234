"""Which routes are at which listeners, under which host names; and where not, why. Pure.

https://gateway-api.sigs.k8s.io/concepts/api-overview/#attaching-routes-to-gateways
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wherry.api.gateway.bundle import GROUP
from wherry.api.gateway.hostnames import intersection
from wherry.api.gateway.kinds import HTTPRoute, ParentRef
from wherry.api.gateway.listeners import HTTP_ROUTE, Judged, Judgement
from wherry.api.gateway.support import unsupported
from wherry.api.gateway.world import Verdict, World
from wherry.machinery import selectors
from wherry.machinery.meta import Key

_ACCEPTED = Verdict("True", "Accepted", "the route is served")


class Place(NamedTuple):
    """A route at a listener. `hosts`: "" is any."""

    judged: Judged
    hosts: tuple[str, ...]


class Parent(NamedTuple):
    """What a route has at one of its parents."""

    ref: ParentRef
    gateway: Key
    accepted: Verdict
    partly: Verdict | None
    """What of it is left out."""
    places: tuple[Place, ...]


def parents(world: World, judgement: Judgement, route: HTTPRoute) -> Iterator[Parent]:
    """Each parent that is a Gateway of ours, in the order in which the route names them."""
    for ref in route.spec.parent_refs:
        key = Key(ref.namespace or route.metadata.namespace, ref.name)
        if ref.group == GROUP and ref.kind == "Gateway" and key in judgement:
            yield _attach(world, judgement[key], route, ref, key)


def _attach(world: World, listeners: Iterable[Judged], route: HTTPRoute, ref: ParentRef, key: Key) -> Parent:
    asked = [one for one in listeners if ref.section_name in (None, one.listener.name)]
    asked = [one for one in asked if ref.port in (None, one.listener.port)]
    if not asked:
        return _refused(ref, key, "NoMatchingParent", f"the Gateway {key} has no such listener")
    allowed = [one for one in asked if _allows(world, one, route)]
    if not allowed:
        return _refused(ref, key, "NotAllowedByListeners", f"no listener of the Gateway {key} allows this route")
    placed = [Place(one, intersection(one.listener.hostname, route.spec.hostnames)) for one in allowed]
    placed = [place for place in placed if place.hosts]
    if not placed:
        why = f"no listener of the Gateway {key} has a host name in common with the route"
        return _refused(ref, key, "NoMatchingListenerHostname", why)
    left_out = [(number, problem) for number, rule in enumerate(route.spec.rules) if (problem := unsupported(rule))]
    if left_out and len(left_out) == len(route.spec.rules):
        return _refused(ref, key, left_out[0][1].reason, f"rule {left_out[0][0]}: {left_out[0][1].message}")
    partly = "; ".join(f"Dropped Rule {number}: {verdict.message}" for number, verdict in left_out)
    left = Verdict("True", "UnsupportedValue", partly) if partly else None
    return Parent(ref, key, _ACCEPTED, left, tuple(placed))


def _refused(ref: ParentRef, key: Key, reason: str, why: str) -> Parent:
    return Parent(ref, key, Verdict("False", reason, why), None, ())


def _allows(world: World, judged: Judged, route: HTTPRoute) -> bool:
    if HTTP_ROUTE not in judged.kinds:
        return False
    allowed = judged.listener.allowed_routes.namespaces
    own, other = judged.gateway.metadata.namespace, route.metadata.namespace
    match allowed.from_:
        case "Same":
            return own == other
        case "All":
            return True
        case "Selector":
            return allowed.selector is not None and _selects(world, judged, other)
        case _:
            return False


def _selects(world: World, judged: Judged, namespace: str) -> bool:
    try:
        return selectors.matches(
            judged.listener.allowed_routes.namespaces.selector, world.namespaces.get(namespace, {})
        )
    except ValueError:
        return False

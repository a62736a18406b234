"""HTTPRoute status: at which Gateways of ours a route is, and whether all it refers to is there.

Wakes on: HTTPRoute, also others that claim the same; Gateway, GatewayClass, ReferenceGrant; Ingresses of the same
          hosts, IngressClass; Services behind routes and those; Namespaces (labels).
Writes:   its own entries of HTTPRoute/status.parents; Events about what cannot be served.
Upstream: https://gateway-api.sigs.k8s.io/reference/spec/#routestatus

Invariant: entries of other controllers are never touched, and one of ours goes when the route no longer names its
Gateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.service import SERVICE
from wherry.api.gateway.attachment import Parent, parents
from wherry.api.gateway.backends import resolved
from wherry.api.gateway.kinds import (
    GATEWAY,
    GATEWAYCLASS,
    HTTPROUTE,
    REFERENCEGRANT,
    HTTPRoute,
    HTTPRouteStatus,
    ParentRef,
    RouteParentStatus,
)
from wherry.api.gateway.listeners import judge
from wherry.api.gateway.precedence import Loss, lost, told
from wherry.api.gateway.said import said
from wherry.api.gateway.world import CONTROLLER as SERVER
from wherry.api.gateway.world import Verdict, World
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import INGRESSCLASS
from wherry.api.types.networking import Ingress
from wherry.controllers.gateway import service_changed
from wherry.controllers.gatewaystatus import CONFLICTED, tell, write
from wherry.controllers.gatewayworld import (
    ROUTES,
    all_routes,
    ingresses,
    labels_changed,
    rivals,
    routes_at_hosts,
    routes_at_ingresses,
    routes_beside,
    routes_to_service,
    spec_changed,
    world,
)
from wherry.machinery.meta import Key
from wherry.machinery.time import Time, time_at
from wherry.reconcile.actions import Action
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

Losses: TypeAlias = Mapping[ParentRef, Sequence[Loss]]


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one route."""
    route = ROUTES.get(view, key)
    if route is None or route.metadata.deletion_timestamp is not None:
        return
    everything = world(view, routes=False)
    status = status_of(everything, route, time_at(view.now), _losses(view, everything, route))
    yield from write(HTTPROUTE, route, route.status, status)
    known = {one.parent_ref: one.conditions for one in _ours(route)}
    for one in status.parents:
        if one.controller_name == SERVER:
            yield from tell(route, known.get(one.parent_ref, ()), one.conditions)


def _losses(view: View, everything: World, route: HTTPRoute) -> Losses:
    rivalling, before = rivals(view, route), ingresses(view, route, everything.services)
    return lost(everything, judge(everything), route, rivalling.values(), before)


def status_of(everything: World, route: HTTPRoute, now: Time, losses: Losses) -> HTTPRouteStatus:
    """What is to be said of a route. `losses`: what it does not get, by parent."""
    refs = resolved(everything, route)
    known = {one.parent_ref: one.conditions for one in _ours(route)}
    ours = tuple(
        RouteParentStatus(
            parent_ref=one.ref,
            controller_name=SERVER,
            conditions=said(
                known.get(one.ref, ()), _verdicts(one, refs, losses.get(one.ref, ())), route.metadata.generation, now
            ),
        )
        for one in parents(everything, judge(everything), route)
    )
    others = tuple(one for one in route.status.parents if one.controller_name != SERVER)
    return HTTPRouteStatus(parents=(*others, *ours))


def _verdicts(parent: Parent, refs: Verdict, losses: Sequence[Loss]) -> dict[str, Verdict | None]:
    return {
        "Accepted": parent.accepted, "ResolvedRefs": refs, "PartiallyInvalid": parent.partly, CONFLICTED: told(losses)
    }  # fmt: skip


def _ours(route: HTTPRoute) -> Iterator[RouteParentStatus]:
    return (one for one in route.status.parents if one.controller_name == SERVER)


def asks_otherwise(old: Ingress, new: Ingress) -> bool:
    """Whether more of an Ingress is another than its status."""
    return (old.spec, old.metadata.annotations) != (new.spec, new.metadata.annotations)


CONTROLLER = Controller(
    "httproute",
    HTTPROUTE,
    plan,
    watches=(
        Watch(GATEWAY, all_routes, spec_changed),
        Watch(GATEWAYCLASS, all_routes, spec_changed),
        Watch(REFERENCEGRANT, all_routes),
        Watch(HTTPROUTE, routes_beside, spec_changed),
        Watch(INGRESS, routes_at_hosts, asks_otherwise),
        Watch(INGRESSCLASS, all_routes),
        Watch(SERVICE, routes_to_service, service_changed),
        Watch(SERVICE, routes_at_ingresses, service_changed),
        Watch(NAMESPACE, all_routes, labels_changed),
    ),
    component="wherry-gateway",
)

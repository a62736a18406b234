"""HTTPRoute status: at which Gateways of ours a route is, and whether all it refers to is there.

Wakes on: HTTPRoute, Gateway, GatewayClass, ReferenceGrant; Services behind routes; Namespaces (labels).
Writes:   its own entries of HTTPRoute/status.parents; Events about what cannot be served.
Upstream: https://gateway-api.sigs.k8s.io/reference/spec/#routestatus

Invariant: entries of other controllers are never touched, and one of ours goes when the route no longer names its
Gateway.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    RouteParentStatus,
)
from wherry.api.gateway.listeners import judge
from wherry.api.gateway.said import said
from wherry.api.gateway.world import CONTROLLER as SERVER
from wherry.api.gateway.world import Verdict, World
from wherry.controllers.gateway import service_changed
from wherry.controllers.gatewaystatus import tell, write
from wherry.controllers.gatewayworld import (
    ROUTES,
    all_routes,
    labels_changed,
    routes_to_service,
    spec_changed,
    world,
)
from wherry.machinery.meta import Key
from wherry.machinery.time import Time, time_at
from wherry.reconcile.actions import Action
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one route."""
    route = ROUTES.get(view, key)
    if route is None or route.metadata.deletion_timestamp is not None:
        return
    status = status_of(world(view, routes=False), route, time_at(view.now))
    yield from write(HTTPROUTE, route, route.status, status)
    known = {one.parent_ref: one.conditions for one in _ours(route)}
    for one in status.parents:
        if one.controller_name == SERVER:
            yield from tell(route, known.get(one.parent_ref, ()), one.conditions)


def status_of(everything: World, route: HTTPRoute, now: Time) -> HTTPRouteStatus:
    """What is to be said of a route."""
    refs = resolved(everything, route)
    known = {one.parent_ref: one.conditions for one in _ours(route)}
    ours = tuple(
        RouteParentStatus(
            parent_ref=one.ref,
            controller_name=SERVER,
            conditions=said(known.get(one.ref, ()), _verdicts(one, refs), route.metadata.generation, now),
        )
        for one in parents(everything, judge(everything), route)
    )
    others = tuple(one for one in route.status.parents if one.controller_name != SERVER)
    return HTTPRouteStatus(parents=(*others, *ours))


def _verdicts(parent: Parent, refs: Verdict) -> dict[str, Verdict | None]:
    return {"Accepted": parent.accepted, "ResolvedRefs": refs, "PartiallyInvalid": parent.partly}


def _ours(route: HTTPRoute) -> Iterator[RouteParentStatus]:
    return (one for one in route.status.parents if one.controller_name == SERVER)


CONTROLLER = Controller(
    "httproute",
    HTTPROUTE,
    plan,
    watches=(
        Watch(GATEWAY, all_routes, spec_changed),
        Watch(GATEWAYCLASS, all_routes, spec_changed),
        Watch(REFERENCEGRANT, all_routes),
        Watch(SERVICE, routes_to_service, service_changed),
        Watch(NAMESPACE, all_routes, labels_changed),
    ),
    component="wherry-gateway",
)

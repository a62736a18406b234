"""Gateway status: what became of each listener, how many routes it has, and where it is reached.

Wakes on: Gateway, GatewayClass, HTTPRoute, ReferenceGrant; Secrets with certificates; Namespaces (labels); Nodes
          (addresses, ports that are taken); Services that take ports of nodes.
Writes:   Gateway/status of those whose class is wherry's; Events about what cannot be served.
Upstream: https://gateway-api.sigs.k8s.io/reference/spec/#gatewaystatus

Invariants:
- Gateways of other controllers are never touched, nor are conditions of others;
- every node is an entry, so the addresses are those of all nodes that do not refuse load balancers, but for Gateways
  that have one of their own (`gatewayaddress.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.secret import SECRET
from wherry.api.core.service import SERVICE
from wherry.api.gateway.addresses import address_of, owns, wished
from wherry.api.gateway.attachment import parents
from wherry.api.gateway.kinds import (
    GATEWAY,
    GATEWAYCLASS,
    HTTPROUTE,
    REFERENCEGRANT,
    Address,
    Gateway,
    GatewayStatus,
    ListenerStatus,
)
from wherry.api.gateway.listeners import Judged, Judgement, judge, refused
from wherry.api.gateway.ports import TAKEN
from wherry.api.gateway.said import said
from wherry.api.gateway.world import Verdict, World
from wherry.api.types.core import Node, Service
from wherry.controllers.gatewaystatus import tell, write
from wherry.controllers.gatewayworld import (
    all_gateways,
    gateways_of_route,
    gateways_with_secret,
    labels_changed,
    spec_changed,
    world,
)
from wherry.controllers.ingress import addresses
from wherry.machinery.meta import Key, key_of
from wherry.machinery.time import Time, time_at
from wherry.reconcile.actions import Action
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Gateway."""
    if view.get(GATEWAY, key) is None:
        return
    everything = world(view, routes=True)
    judgement = judge(everything)
    gateway = everything.gateways.get(key)
    if gateway is None or key not in judgement:
        return
    counts = attached(everything, judgement, key)
    own = owns(gateway, everything.classes)
    at = [one for one in (address_of(gateway, everything.services),) if one] if own else addresses(view)
    status = status_of(gateway, judgement[key], counts, at, time_at(view.now))
    yield from write(GATEWAY, gateway, gateway.status, status)
    yield from tell(gateway, gateway.status.conditions, status.conditions)
    known = {one.name: one.conditions for one in gateway.status.listeners}
    for one in status.listeners:
        yield from tell(gateway, known.get(one.name, ()), one.conditions, f"listener {one.name}: ")


def attached(everything: World, judgement: Judgement, key: Key) -> dict[str, int]:
    """How many routes each listener of a Gateway has."""
    counts: dict[str, int] = {}
    for route in everything.routes.values():
        found = parents(everything, judgement, route)
        names = {place.judged.listener.name for one in found if one.gateway == key for place in one.places}
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return counts


def status_of(
    gateway: Gateway, listeners: tuple[Judged, ...], counts: Mapping[str, int], usable: list[str], now: Time
) -> GatewayStatus:
    """What is to be said of a Gateway. `usable`: the addresses that it can have."""
    generation = gateway.metadata.generation
    known = {one.name: one.conditions for one in gateway.status.listeners}
    reached, unusable = _reached(gateway, usable)
    verdicts = {"Accepted": _accepted(gateway, listeners), "Programmed": _programmed(listeners, reached, unusable)}
    return GatewayStatus(
        addresses=tuple(Address(value=one) for one in reached),
        conditions=said(gateway.status.conditions, verdicts, generation, now),
        listeners=tuple(
            ListenerStatus(
                name=one.listener.name,
                supported_kinds=one.kinds,
                attached_routes=counts.get(one.listener.name, 0),
                conditions=said(known.get(one.listener.name, ()), _listener(one), generation, now),
            )
            for one in listeners
        ),
    )


def _listener(one: Judged) -> dict[str, Verdict | None]:
    return {
        "Accepted": one.accepted,
        "Programmed": one.programmed,
        "ResolvedRefs": one.resolved,
        "Conflicted": one.conflicted,
    }


def _accepted(gateway: Gateway, listeners: tuple[Judged, ...]) -> Verdict:
    wrong = refused(gateway)
    if wrong is not None:
        return wrong
    bad = [one.listener.name for one in listeners if not (one.accepted.true and one.resolved.true)]
    if not bad:
        return Verdict("True", "Accepted", "the Gateway is served by every node")
    some = any(one.accepted.true for one in listeners)
    return Verdict("True" if some else "False", "ListenersNotValid", f"not all is well with: {', '.join(bad)}")


def _programmed(listeners: tuple[Judged, ...], reached: list[str], unusable: list[str]) -> Verdict:
    if unusable:
        return Verdict("False", "AddressNotUsable", f"{unusable[0]} is not an address that it can have")
    if not reached:
        return Verdict("False", "AddressNotAssigned", "there is no address for it")
    if not any(one.served for one in listeners):
        return Verdict("False", "Invalid", "no listener can be served")
    return Verdict("True", "Programmed", "requests are served")


def _reached(gateway: Gateway, usable: list[str]) -> tuple[list[str], list[str]]:
    """The addresses of a Gateway, and those asked for that it cannot have."""
    asked = wished(gateway)
    if not asked:
        return usable, []
    return [one for one in asked if one in usable], [one for one in asked if one not in usable]


def _node(old: Node, new: Node) -> bool:
    notes = old.metadata.annotations.get(TAKEN) != new.metadata.annotations.get(TAKEN)
    return notes or old.status.addresses != new.status.addresses or old.metadata.labels != new.metadata.labels


def service_changed(old: Service, new: Service) -> bool:
    """Whether a Service leads elsewhere, or takes other ports of nodes."""
    return (old.spec.ports, old.spec.type, old.status.load_balancer) != (
        new.spec.ports, new.spec.type, new.status.load_balancer
    )  # fmt: skip


def _ports(view: View, service: Service) -> Iterator[Key]:
    if service.spec.type in ("NodePort", "LoadBalancer"):
        yield from (key_of(one) for one in view.list(GATEWAY))


CONTROLLER = Controller(
    "gateway",
    GATEWAY,
    plan,
    owns=(SERVICE,),
    watches=(
        Watch(GATEWAY, all_gateways, spec_changed),  # they share ports
        Watch(GATEWAYCLASS, all_gateways, spec_changed),
        Watch(HTTPROUTE, gateways_of_route, spec_changed),
        Watch(REFERENCEGRANT, all_gateways),
        Watch(SECRET, gateways_with_secret),
        Watch(NAMESPACE, all_gateways, labels_changed),
        Watch(NODE, all_gateways, _node),
        Watch(SERVICE, _ports, service_changed),
    ),
    component="wherry-gateway",
)

"""Addresses of their own for Gateways: a Service for each, which leads to the entry of whichever node is asked.

Wakes on: Gateway, GatewayClass; the Services and EndpointSlices that it makes; Nodes (addresses).
Writes:   Service and EndpointSlice of Gateways whose class says `wherry.dev/addresses: own`; they go with the Gateway.
Upstream: https://gateway-api.sigs.k8s.io/geps/gep-1762/

Invariants:
- a Service of that name that somebody else made is never touched: the Gateway then has no address;
- connections stay on the node where they begin (internalTrafficPolicy Local), so that its entry sees which address was
  asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.core.node_state import address
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.gateway.addresses import GATEWAY_NAME, belongs, owns, service_of, wished
from wherry.api.gateway.kinds import GATEWAY, GATEWAYCLASS, Gateway
from wherry.api.gateway.listeners import PROTOCOLS
from wherry.api.gateway.world import served
from wherry.api.types.core import Node, Service, ServicePort, ServiceSpec
from wherry.api.types.discovery import Endpoint, EndpointPort, EndpointSlice
from wherry.controllers.gatewayworld import CLASSES, GATEWAYS, all_gateways, spec_changed
from wherry.machinery.meta import Key, ObjectMeta, controller_of, key_of
from wherry.reconcile.actions import Action, Create, Delete, Emit, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.ownership import reference
from wherry.reconcile.view import View

MANAGED_BY, MANAGER = "endpointslice.kubernetes.io/managed-by", "gateway.wherry.dev"
SERVICE_NAME = "kubernetes.io/service-name"
_ENTRY = {"HTTP": 80, "HTTPS": 443}
"""Where the entry listens on each node."""
_MOST_LABEL = 63


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Gateway."""
    gateway = GATEWAYS.get(view, key)
    if gateway is None:
        return
    classes = {one.metadata.name: one for one in CLASSES.all(view)}
    ours = served(gateway, classes) and owns(gateway, classes)
    wanted = service_of(gateway) if ours and _ports(gateway) else None
    for service in view.owned(SERVICE, gateway):
        if key_of(service) != wanted and service.metadata.deletion_timestamp is None:
            yield Delete(SERVICE, key_of(service), uid=service.metadata.uid)
    if wanted is not None:
        yield from _service(view, gateway, wanted)


def _service(view: View, gateway: Gateway, key: Key) -> Iterator[Action]:
    found = view.get(SERVICE, key)
    if found is not None and not belongs(found, gateway):
        yield Emit(gateway, "Warning", "AddressNotAssigned", f"the Service {key.name} is not the Gateway's")
        return
    wanted = _wanted(gateway, key)
    if found is None:
        why = Emit(gateway, "Warning", "AddressNotAssigned", "its Service: {error}")
        yield Create(SERVICE, wanted, failed=why)
        return
    changed = _changed(found, wanted)
    if changed != found:
        yield Replace(SERVICE, changed)
    yield from _slice(view, found, gateway)


def _ports(gateway: Gateway) -> dict[int, str]:
    """Port -> protocol; the first listener of a port says it."""
    found: dict[int, str] = {}
    for one in gateway.spec.listeners:
        if one.protocol in PROTOCOLS:
            found.setdefault(one.port, one.protocol)
    return found


def _name(port: int, protocol: str) -> str:
    return f"{protocol.lower()}-{port}"


def _wanted(gateway: Gateway, key: Key) -> Service:
    own = gateway.spec.infrastructure
    labels = dict(own.labels) if own is not None else {}
    if len(gateway.metadata.name) <= _MOST_LABEL:
        labels[GATEWAY_NAME] = gateway.metadata.name
    asked = wished(gateway)
    return Service(
        metadata=ObjectMeta(
            name=key.name, namespace=key.namespace, labels=labels,
            annotations=dict(own.annotations) if own is not None else {},
            owner_references=(reference(GATEWAY, gateway),),
        ),
        spec=ServiceSpec(
            type="ClusterIP",
            cluster_ip=asked[0] if asked else "",
            internal_traffic_policy="Local",
            ports=tuple(
                ServicePort(name=_name(port, protocol), port=port, protocol="TCP", target_port=_ENTRY[protocol])
                for port, protocol in sorted(_ports(gateway).items())
            ),
        ),
    )  # fmt: skip


def _changed(found: Service, wanted: Service) -> Service:
    """What is there, as it should be: what others add to it stays."""
    meta = replace(
        found.metadata,
        labels={**found.metadata.labels, **wanted.metadata.labels},
        annotations={**found.metadata.annotations, **wanted.metadata.annotations},
    )
    spec = replace(found.spec, ports=wanted.spec.ports, internal_traffic_policy="Local")
    return replace(found, metadata=meta, spec=spec)


def _slice(view: View, service: Service, gateway: Gateway) -> Iterator[Action]:
    key = key_of(service)
    wanted = EndpointSlice(
        metadata=ObjectMeta(
            name=key.name, namespace=key.namespace, labels={SERVICE_NAME: key.name, MANAGED_BY: MANAGER},
            owner_references=(reference(SERVICE, service),),
        ),
        address_type="IPv4",
        endpoints=tuple(_endpoints(view)),
        ports=tuple(
            EndpointPort(name=_name(port, protocol), port=_ENTRY[protocol], protocol="TCP")
            for port, protocol in sorted(_ports(gateway).items())
        ),
    )  # fmt: skip
    found = view.get(ENDPOINTSLICE, key)
    if found is None:
        yield Create(ENDPOINTSLICE, wanted)
        return
    owner = controller_of(found)
    if owner is None or owner.uid != service.metadata.uid:
        return  # of a Service of that name that is being removed
    if (found.endpoints, found.ports) != (wanted.endpoints, wanted.ports):
        yield Replace(ENDPOINTSLICE, replace(found, endpoints=wanted.endpoints, ports=wanted.ports))


def _endpoints(view: View) -> Iterator[Endpoint]:
    for node in sorted(view.list(NODE), key=lambda node: node.metadata.name):
        ip = address(node, "InternalIP")
        if ip:
            yield Endpoint(addresses=(ip,), node_name=node.metadata.name)


def _moved(old: Node, new: Node) -> bool:
    return old.status.addresses != new.status.addresses


def _of_service(view: View, piece: EndpointSlice) -> Iterator[Key]:
    if piece.metadata.labels.get(MANAGED_BY) == MANAGER:
        service = view.get(SERVICE, key_of(piece))
        owner = None if service is None else controller_of(service)
        if owner is not None and owner.kind == GATEWAY.kind:
            yield Key(piece.metadata.namespace, owner.name)


CONTROLLER = Controller(
    "gatewayaddress",
    GATEWAY,
    plan,
    owns=(SERVICE,),
    watches=(
        Watch(GATEWAYCLASS, all_gateways, spec_changed),
        Watch(ENDPOINTSLICE, _of_service),
        Watch(NODE, all_gateways, _moved),
    ),
    component="wherry-gateway",
)

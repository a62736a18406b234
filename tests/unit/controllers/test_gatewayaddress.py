"""Gateways with an address of their own: the Service that is made for each, and what it leads to."""

from __future__ import annotations

from itertools import count
from typing import Any

from msgspec.structs import replace

from tests.support.view import FakeView
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.gateway.addresses import NOTE, OWN, address_of, service_of
from wherry.api.gateway.kinds import GATEWAY, GATEWAYCLASS, Gateway, GatewayClass, GatewayClassSpec
from wherry.api.gateway.world import CONTROLLER
from wherry.api.types.core import Node, NodeAddress, NodeStatus, Service
from wherry.controllers.gatewayaddress import plan
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, ObjectMeta

REVISIONS = count(1)
KEY, SERVED = Key("d", "g"), Key("d", "g-own")


def gateway(*listeners: tuple[int, str], kind: str = "own", **spec: Any) -> Gateway:
    named = [{"name": f"l{n}", "port": port, "protocol": protocol} for n, (port, protocol) in enumerate(listeners)]
    whole = {"gatewayClassName": kind, "listeners": named, **spec}
    meta = {"name": "g", "namespace": "d", "uid": "g1", "resourceVersion": str(next(REVISIONS))}
    return from_dict(Gateway, {"metadata": meta, "spec": whole})


def node(name: str, ip: str) -> Node:
    status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address=ip),))
    return Node(metadata=ObjectMeta(name=name), status=status)


def world(*gateways: Gateway) -> FakeView:
    spec = GatewayClassSpec(controller_name=CONTROLLER)
    own = GatewayClass(metadata=ObjectMeta(name="own", annotations={NOTE: OWN}), spec=spec)
    shared = GatewayClass(metadata=ObjectMeta(name="shared"), spec=spec)
    return FakeView().put(GATEWAYCLASS, own, shared).put(GATEWAY, *gateways).put(NODE, node("n1", "10.0.0.1"))


def made(view: FakeView) -> Service:
    found = view.get(SERVICE, SERVED)
    assert found is not None
    return found


def test_a_service_for_a_gateway() -> None:
    labels = {"labels": {"team": "blue"}, "annotations": {"n": "1"}}
    view = world(gateway((8080, "HTTP"), (443, "HTTPS"), (8080, "HTTP"), (53, "UDP"), infrastructure=labels))
    view.settle(plan, KEY)
    service = made(view)
    assert [(p.name, p.port, p.target_port) for p in service.spec.ports] == [
        ("https-443", 443, 443), ("http-8080", 8080, 80)
    ]  # fmt: skip
    assert service.spec.internal_traffic_policy == "Local"
    assert service.metadata.labels == {"team": "blue", "gateway.networking.k8s.io/gateway-name": "g"}
    assert service.metadata.annotations == {"n": "1"}
    (piece,) = view.list(ENDPOINTSLICE)
    assert [(one.addresses, one.node_name) for one in piece.endpoints] == [(("10.0.0.1",), "n1")]
    assert [(port.name, port.port) for port in piece.ports] == [("https-443", 443), ("http-8080", 80)]


def test_it_follows_listeners_and_nodes_and_keeps_what_others_add() -> None:
    view = world(gateway((80, "HTTP")))
    view.settle(plan, KEY)
    service = made(view)
    named = replace(service.metadata, annotations={"mine": "1"})
    view.put(SERVICE, replace(service, metadata=named, spec=replace(service.spec, cluster_ip="10.96.0.9")))
    view.put(NODE, node("n2", "10.0.0.2"))
    view.put(GATEWAY, gateway((80, "HTTP"), (81, "HTTP")))
    view.settle(plan, KEY)
    service = made(view)
    assert ([port.port for port in service.spec.ports], service.metadata.annotations) == ([80, 81], {"mine": "1"})
    assert service.spec.cluster_ip == "10.96.0.9"
    assert address_of(gateway(), {SERVED: service}) == "10.96.0.9"
    (piece,) = view.list(ENDPOINTSLICE)
    assert [one.node_name for one in piece.endpoints] == ["n1", "n2"]


def test_another_class_gives_it_back() -> None:
    view = world(gateway((80, "HTTP")))
    view.settle(plan, KEY)
    view.put(GATEWAY, gateway((80, "HTTP"), kind="shared"))
    view.settle(plan, KEY)
    assert view.list(SERVICE) == ()


def test_what_others_made_is_not_touched() -> None:
    theirs = Service(metadata=ObjectMeta(name="g-own", namespace="d", uid="theirs"))
    view = world(gateway((80, "HTTP"))).put(SERVICE, theirs)
    assert view.settle(plan, KEY) == 0
    assert [one.reason for one in view.emitted] == ["AddressNotAssigned"]
    assert (view.list(SERVICE), address_of(gateway(), {SERVED: theirs})) == ((theirs,), "")


def test_a_wish() -> None:
    view = world(gateway((80, "HTTP"), addresses=[{"value": "10.96.0.7"}]))
    view.settle(plan, KEY)
    assert made(view).spec.cluster_ip == "10.96.0.7"


def test_names() -> None:
    assert service_of(gateway()) == SERVED
    long = from_dict(Gateway, {"metadata": {"name": "x" * 70}, "spec": {"gatewayClassName": "own"}})
    assert len(service_of(long).name) <= 63
    assert service_of(long) != service_of(replace(long, metadata=replace(long.metadata, name="x" * 71)))

"""Addresses and networks of Services, as objects."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.view import NOW, FakeView
from wherry.api.core.service import SERVICE
from wherry.api.networking.ipaddress import ALLOCATOR, FAMILY, IPADDRESS, MANAGED_BY
from wherry.api.networking.servicecidr import SERVICECIDR, is_ready
from wherry.api.types.core import Service, ServiceSpec
from wherry.api.types.networking import IPAddress, IPAddressSpec, ParentReference, ServiceCIDR, ServiceCIDRSpec
from wherry.controllers import serviceaddress, servicecidr
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Requeue

WEB = Key("default", "web")


def service(*addresses: str, name: str = "web") -> Service:
    spec = ServiceSpec(cluster_ip=addresses[0], cluster_ips=addresses)
    return Service(metadata=ObjectMeta(name=name, namespace="default", uid=name), spec=spec)


def network(name: str, *cidrs: str, deleted: bool = False, finalizers: tuple[str, ...] = ()) -> ServiceCIDR:
    meta = ObjectMeta(
        name=name, uid=name, finalizers=finalizers, deletion_timestamp=time_at(NOW) if deleted else None
    )  # fmt: skip
    return ServiceCIDR(metadata=meta, spec=ServiceCIDRSpec(cidrs=cidrs))


def address(text: str, holder: str = "web") -> IPAddress:
    parent = ParentReference(resource="services", namespace="default", name=holder)
    meta = ObjectMeta(name=text, uid=text, labels={MANAGED_BY: ALLOCATOR, FAMILY: "IPv4"})
    return IPAddress(metadata=meta, spec=IPAddressSpec(parent_ref=parent))


def test_an_address_is_shown_and_goes_with_its_service() -> None:
    view = FakeView().put(SERVICE, service("10.96.0.7", "2001:db8::7"))
    assert view.settle(serviceaddress.plan, WEB) == 1
    shown = view.list(IPADDRESS)
    assert {a.metadata.name: a.metadata.labels[FAMILY] for a in shown} == {"10.96.0.7": "IPv4", "2001:db8::7": "IPv6"}
    assert shown[0].spec.parent_ref == ParentReference(resource="services", namespace="default", name="web")
    del view.objects[SERVICE, WEB]
    view.settle(serviceaddress.plan, WEB)
    assert view.list(IPADDRESS) == ()


def test_another_address_takes_the_place_of_the_first() -> None:
    view = FakeView().put(SERVICE, service("10.96.0.8")).put(IPADDRESS, address("10.96.0.7"))
    view.settle(serviceaddress.plan, WEB)
    assert [a.metadata.name for a in view.list(IPADDRESS)] == ["10.96.0.8"]


def test_a_headless_service_has_none() -> None:
    view = FakeView().put(SERVICE, service("None"))
    assert view.settle(serviceaddress.plan, WEB) == 0


def test_an_address_that_somebody_else_has_is_told_about_and_left() -> None:
    view = FakeView().put(SERVICE, service("10.96.0.7"), service("10.96.0.7", name="other"))
    view.put(IPADDRESS, address("10.96.0.7", "other"))
    assert view.carry_out(serviceaddress.plan(view, WEB)) == []
    assert [e.reason for e in view.emitted] == ["ClusterIPAlreadyAllocated"]


def test_the_leftover_of_a_service_that_is_gone_is_waited_for() -> None:
    left = address("10.96.0.7", "gone")
    view = FakeView().put(SERVICE, service("10.96.0.7")).put(IPADDRESS, left)
    assert view.carry_out(serviceaddress.plan(view, WEB)) == []
    assert view.emitted == []
    assert set(serviceaddress._owner(view, left)) == {Key("default", "gone"), WEB}


# --- Networks ---

MORE = Key("", "more")


def test_a_network_is_protected_and_ready() -> None:
    view = FakeView().put(SERVICECIDR, network("more", "10.100.0.0/16"))
    view.settle(servicecidr.plan, MORE)
    found = view.get(SERVICECIDR, MORE)
    assert found is not None
    assert found.metadata.finalizers == (servicecidr.FINALIZER,)
    assert [(c.type, c.status, c.message) for c in found.status.conditions] == [
        ("Ready", "True", "Kubernetes Service CIDR is ready")
    ]
    assert is_ready(found)


def test_a_network_waits_for_its_addresses_and_for_the_allocators() -> None:
    view = FakeView().put(IPADDRESS, address("10.100.0.7"))
    view.put(SERVICECIDR, network("more", "10.100.0.0/16", deleted=True, finalizers=(servicecidr.FINALIZER,)))
    view.settle(servicecidr.plan, MORE)
    found = view.get(SERVICECIDR, MORE)
    assert found is not None
    assert [(c.status, c.reason) for c in found.status.conditions] == [("False", "Terminating")]
    assert not is_ready(found)
    del view.objects[IPADDRESS, Key("", "10.100.0.7")]
    assert next(a for a in servicecidr.plan(view, MORE) if isinstance(a, Requeue)).after == servicecidr.GRACE
    view.now += servicecidr.GRACE
    view.settle(servicecidr.plan, MORE)
    assert view.get(SERVICECIDR, MORE) is None


def test_a_network_within_another_may_go_at_once() -> None:
    view = FakeView(now=NOW + 60).put(IPADDRESS, address("10.100.0.7"))
    own = network("more", "10.100.0.0/24", deleted=True, finalizers=(servicecidr.FINALIZER,))
    view.put(SERVICECIDR, own, network("all", "10.0.0.0/8"))
    view.settle(servicecidr.plan, MORE)
    assert view.get(SERVICECIDR, MORE) is None


def test_networks_that_wait_are_looked_at_again() -> None:
    view = FakeView().put(SERVICECIDR, network("more", "10.100.0.0/24", deleted=True), network("all", "10.0.0.0/8"))
    assert list(servicecidr._waiting(view, address("10.100.0.7"))) == [MORE]
    assert not servicecidr._never(address("10.100.0.7"), replace(address("10.100.0.7")))

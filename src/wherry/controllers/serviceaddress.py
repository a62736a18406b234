"""Addresses of Services: an IPAddress for each, named by it, as long as the Service has it.

Wakes on: Service (its addresses); IPAddress that says it is a Service's.
Writes:   IPAddress (create, delete).
Upstream: https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/#ipaddress-objects

The allocator knows addresses from the Services themselves, so that two never get the same; these objects show them, and
one that was deleted or belongs to nobody is put right here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from wherry.api.core.service import SERVICE
from wherry.api.networking.ipaddress import ALLOCATOR, FAMILY, IPADDRESS, MANAGED_BY
from wherry.api.types.core import Service
from wherry.api.types.networking import IPAddress, IPAddressSpec, ParentReference
from wherry.machinery.meta import Key, ObjectMeta, key_of
from wherry.reconcile.actions import Action, Create, Delete, Emit
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import Index, View


def addresses_of(service: Service) -> tuple[str, ...]:
    """The cluster addresses a Service has."""
    return tuple(text for text in service.spec.cluster_ips if text and text != "None")


def _parent(address: IPAddress) -> Iterator[str]:
    key = _service_of(address)
    if key is not None:
        yield str(key)


def _service_of(address: IPAddress) -> Key | None:
    """The Service that an address says it belongs to, if we gave it that."""
    to = address.spec.parent_ref
    if to is None or address.metadata.labels.get(MANAGED_BY) != ALLOCATOR:
        return None
    return Key(to.namespace, to.name) if (to.group, to.resource) == ("", "services") else None


BY_SERVICE = Index(IPADDRESS, _parent)
BY_ADDRESS = Index(SERVICE, addresses_of)


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Service."""
    service = view.get(SERVICE, key)
    wanted = addresses_of(service) if service is not None else ()
    for found in view.indexed(BY_SERVICE, str(key)):
        if found.metadata.name not in wanted and found.metadata.deletion_timestamp is None:
            yield Delete(IPADDRESS, key_of(found), uid=found.metadata.uid)
    if service is None:
        return
    for text in wanted:
        present = view.get(IPADDRESS, Key("", text))
        if present is None:
            yield Create(IPADDRESS, _made(text, key))
        elif (holder := _service_of(present)) != key and (holder is None or view.get(SERVICE, holder) is not None):
            why = f"Cluster IP [{_family(text)}]:{text} was assigned to multiple services; please recreate service"
            yield Emit(service, "Warning", "ClusterIPAlreadyAllocated", why)


def _family(text: str) -> str:
    return f"IPv{ipaddress.ip_address(text).version}"


def _made(text: str, key: Key) -> IPAddress:
    meta = ObjectMeta(name=text, labels={FAMILY: _family(text), MANAGED_BY: ALLOCATOR})
    parent = ParentReference(resource="services", namespace=key.namespace, name=key.name)
    return IPAddress(metadata=meta, spec=IPAddressSpec(parent_ref=parent))


def _owner(view: View, address: IPAddress) -> Iterator[Key]:
    key = _service_of(address)
    if key is not None:
        yield key
    for service in view.indexed(BY_ADDRESS, address.metadata.name):
        yield key_of(service)


def _moved(old: Service, new: Service) -> bool:
    return old.spec.cluster_ips != new.spec.cluster_ips


CONTROLLER = Controller(
    "serviceaddress",
    SERVICE,
    plan,
    watches=(Watch(IPADDRESS, _owner),),
    changed=_moved,
    component="ipallocator-repair-controller",
)

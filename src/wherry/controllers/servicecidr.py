"""Service networks: a ServiceCIDR is ready once it is known, and goes only when no address is left without a network.

Wakes on: ServiceCIDR; IPAddress that goes, and other ServiceCIDRs, where one waits to go.
Writes:   ServiceCIDR (finalizer), ServiceCIDR/status (Ready).
Upstream: https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/#servicecidr
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.networking.ipaddress import ALLOCATOR, IPADDRESS, MANAGED_BY
from wherry.api.networking.servicecidr import SERVICECIDR
from wherry.api.types.networking import IPAddress, ServiceCIDR
from wherry.machinery import conditions
from wherry.machinery.meta import Condition, Key, key_of
from wherry.machinery.time import seconds, time_at
from wherry.reconcile.actions import Action, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
GRACE = 10.0
"""Seconds between the deletion and the end, so that every allocator has heard of it."""
READY = Condition(type="Ready", status="True", message="Kubernetes Service CIDR is ready")
TERMINATING = Condition(
    type="Ready",
    status="False",
    reason="Terminating",
    message="There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
)


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one ServiceCIDR."""
    own = view.get(SERVICECIDR, key)
    if own is None:
        return
    deleted = own.metadata.deletion_timestamp
    if deleted is None:
        if FINALIZER not in own.metadata.finalizers:
            meta = replace(own.metadata, finalizers=(*own.metadata.finalizers, FINALIZER))
            yield Replace(SERVICECIDR, replace(own, metadata=meta))
        else:
            yield from _say(view, own, READY)
    elif not _may_go(view, own):
        yield from _say(view, own, TERMINATING)
    elif (left := seconds(deleted) + GRACE - view.now) > 0:
        yield Requeue(left, "allocators hear of it")
    elif FINALIZER in own.metadata.finalizers:
        rest = tuple(f for f in own.metadata.finalizers if f != FINALIZER)
        yield Replace(SERVICECIDR, replace(own, metadata=replace(own.metadata, finalizers=rest)))


def _say(view: View, own: ServiceCIDR, wanted: Condition) -> Iterator[Action]:
    found = conditions.put(own.status.conditions, wanted, time_at(view.now))
    if found is not own.status.conditions:
        yield Replace(SERVICECIDR, replace(own, status=replace(own.status, conditions=found)), "status")


def _may_go(view: View, own: ServiceCIDR) -> bool:
    """Whether other networks hold it whole, or at least every address that Services have from it."""
    others = [
        ipaddress.ip_network(cidr)
        for other in view.list(SERVICECIDR)
        if other.metadata.name != own.metadata.name
        for cidr in other.spec.cidrs
    ]
    networks = [ipaddress.ip_network(cidr) for cidr in own.spec.cidrs]
    if all(any(network[0] in other and network[-1] in other for other in others) for network in networks):
        return True
    for found in view.list(IPADDRESS):
        if found.metadata.labels.get(MANAGED_BY) == ALLOCATOR:
            address = ipaddress.ip_address(found.metadata.name)
            if any(address in network for network in networks) and not any(address in other for other in others):
                return False
    return True


def _waiting(view: View, changed: IPAddress | ServiceCIDR) -> Iterator[Key]:
    for own in view.list(SERVICECIDR):
        if own.metadata.deletion_timestamp is not None:
            yield key_of(own)


def _never(old: IPAddress, new: IPAddress) -> bool:
    return False


CONTROLLER = Controller(
    "servicecidr",
    SERVICECIDR,
    plan,
    watches=(Watch(SERVICECIDR, _waiting), Watch(IPADDRESS, _waiting, _never)),
    component="service-cidrs-controller",
)

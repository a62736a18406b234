"""Devices: what is offered, what is taken, and what the claims of one pod still need (pure).

A pool counts with its newest generation only, and not at all until all of its slices are there. What other claims have
been given is taken, also by decisions whose writing is under way.
https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from wherry.api.core.pod_claims import MAX_CONSUMERS, claim_name, consumer, is_made_for, is_reserved_for
from wherry.api.types.core import NodeSelector, Pod
from wherry.api.types.resource import (
    AllocationResult,
    Device,
    DeviceClass,
    DeviceTaint,
    DeviceTaintRule,
    ResourceClaim,
    ResourceSlice,
)
from wherry.machinery.meta import key_of
from wherry.scheduler.volumes import Unready


class DeviceId(NamedTuple):
    """Which device: unique in the cluster."""

    driver: str
    pool: str
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A device, and the slice that offers it: on one node, on those that `where` selects, or on all."""

    id: DeviceId
    device: Device
    taints: tuple[DeviceTaint, ...]
    node: str
    where: NodeSelector | None


@dataclass(slots=True)
class Inventory:
    """All complete pools: offers by node ("" for those of several nodes), and counters of partitionable devices."""

    by_node: dict[str, list[Offer]] = field(default_factory=lambda: defaultdict(list))
    counters: dict[tuple[str, str, str, str], str] = field(default_factory=dict)
    """(driver, pool, counter set, counter) -> amount."""
    by_id: dict[DeviceId, Offer] = field(default_factory=dict)

    def near(self, node: str) -> Iterator[Offer]:
        """What is offered on a node, or perhaps is."""
        yield from self.by_node.get(node, ())
        yield from self.by_node.get("", ())


def inventory(slices: Iterable[ResourceSlice], rules: Iterable[DeviceTaintRule]) -> Inventory:
    """What all slices together offer, with the taints that rules add."""
    pools: dict[tuple[str, str], list[ResourceSlice]] = defaultdict(list)
    for one in slices:
        pools[one.spec.driver, one.spec.pool.name].append(one)
    found, tainting = Inventory(), tuple(rules)
    for pool in pools.values():
        newest = max(one.spec.pool.generation for one in pool)
        current = [one for one in pool if one.spec.pool.generation == newest]
        if len(current) == current[0].spec.pool.resource_slice_count:
            for one in sorted(current, key=lambda one: one.metadata.name):
                _add(found, one, tainting)
    return found


def _add(found: Inventory, one: ResourceSlice, rules: tuple[DeviceTaintRule, ...]) -> None:
    spec = one.spec
    for counters in spec.shared_counters:
        for name, counter in counters.counters.items():
            found.counters[spec.driver, spec.pool.name, counters.name, name] = counter.value
    for device in spec.devices:
        place = device if spec.per_device_node_selection else spec
        own = DeviceId(spec.driver, spec.pool.name, device.name)
        added = tuple(rule.spec.taint for rule in rules if _concerns(rule, own))
        offer = Offer(own, device, (*device.taints, *added), place.node_name or "", place.node_selector)
        found.by_node[offer.node].append(offer)
        found.by_id[own] = offer


def _concerns(rule: DeviceTaintRule, own: DeviceId) -> bool:
    chosen = rule.spec.device_selector
    if chosen is None:
        return False
    wanted = (chosen.driver, chosen.pool, chosen.device)
    return all(want is None or want == have for want, have in zip(wanted, own, strict=True))


def taken_by(claims: Iterable[ResourceClaim]) -> Iterator[DeviceId]:
    """Devices that claims have, those for administration apart: they take nothing away."""
    for claim in claims:
        if claim.status.allocation is not None:
            for result in claim.status.allocation.devices.results:
                if not result.admin_access:
                    yield DeviceId(result.driver, result.pool, result.device)


# --- What a pod needs ---


@dataclass(slots=True, eq=False)
class DeviceNeeds:
    """The claims of one pod: those `ready` have devices, at nodes that `bound` selects; the others get some, together.

    `choose(node)`: an allocation for each of the others, None where they find none. Asked once per node.
    """

    ready: tuple[ResourceClaim, ...] = ()
    bound: tuple[NodeSelector, ...] = ()
    open: tuple[ResourceClaim, ...] = ()
    choose: Callable[[str], Mapping[str, AllocationResult] | None] = lambda node: {}
    _known: dict[str, Mapping[str, AllocationResult] | None] = field(default_factory=dict)

    def allocations(self, node: str) -> Mapping[str, AllocationResult] | None:
        """uid of a claim -> what it gets on this node."""
        if node not in self._known:
            self._known[node] = self.choose(node)
        return self._known[node]

    def __bool__(self) -> bool:
        return bool(self.ready or self.open)


NO_DEVICES = DeviceNeeds()


def claims_of(
    pod: Pod, lookup: Callable[[str, str], ResourceClaim | None], classes: Callable[[str], DeviceClass | None]
) -> tuple[tuple[ResourceClaim, ...], tuple[ResourceClaim, ...]]:
    """(claims with devices, claims without). Raises Unready while one is missing, of another, or in use by too many."""
    ready: list[ResourceClaim] = []
    others: list[ResourceClaim] = []
    for own in pod.spec.resource_claims:
        name = claim_name(pod, own)
        if name == "":
            continue
        if name is None:
            raise Unready(f'pod "{key_of(pod)}": ResourceClaim not created yet')
        claim = lookup(pod.metadata.namespace, name)
        _check(pod, name, claim, made=own.resource_claim_template_name is not None)
        assert claim is not None
        if claim.status.allocation is None:
            _check_classes(claim, classes)
            others.append(claim)
        else:
            ready.append(claim)
    return tuple(ready), tuple(others)


def reserved(pod: Pod, claim: ResourceClaim, allocation: AllocationResult | None) -> ResourceClaim:
    """The claim with these devices, if it has none yet, and with the pod among those who may use them."""
    status = claim.status
    if status.allocation is None and allocation is not None:
        status = replace(status, allocation=allocation)
    if not is_reserved_for(pod, claim):
        status = replace(status, reserved_for=(*status.reserved_for, consumer(pod)))
    return claim if status is claim.status else replace(claim, status=status)


def _check(pod: Pod, name: str, claim: ResourceClaim | None, *, made: bool) -> None:
    if claim is None:
        raise Unready(f'resourceclaim "{name}" not found')
    if claim.metadata.deletion_timestamp is not None:
        raise Unready(f'resourceclaim "{name}" is being deleted')
    if made and not is_made_for(pod, claim):
        where = f"{pod.metadata.namespace}/"
        why = f"was not created for pod {where}{pod.metadata.name} (pod is not owner)"
        raise Unready(f"ResourceClaim {where}{name} {why}")
    if not is_reserved_for(pod, claim) and len(claim.status.reserved_for) >= MAX_CONSUMERS:
        raise Unready("resourceclaim in use")


def _check_classes(claim: ResourceClaim, classes: Callable[[str], DeviceClass | None]) -> None:
    for request in claim.spec.devices.requests:
        wanted = (request.exactly,) if request.exactly is not None else request.first_available
        for one in wanted:
            if classes(one.device_class_name) is None:
                raise Unready(f"request {request.name}: device class {one.device_class_name} does not exist")

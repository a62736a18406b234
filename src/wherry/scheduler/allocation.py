"""Allocation: devices for the claims of one pod on one node, all of them or none (pure).

Requests are served in their order, each by the first devices that fit; where a later one then finds nothing, earlier
choices are taken back. `STEPS` bounds the search.
https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from wherry.api.types.core import Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from wherry.api.types.resource import (
    AllocationResult,
    DeviceAllocationConfiguration,
    DeviceAllocationResult,
    DeviceAttribute,
    DeviceClass,
    DeviceConstraint,
    DeviceRequest,
    DeviceRequestAllocationResult,
    DeviceSelector,
    DeviceSubRequest,
    DeviceTaint,
    DeviceToleration,
    ExactDeviceRequest,
    ResourceClaim,
)
from wherry.machinery.quantity import amount
from wherry.scheduler.devices import DeviceId, Inventory, Offer
from wherry.scheduler.volumes import selects

STEPS = 20_000
"""Most devices that are tried for one pod on one node."""

Asked = Sequence[tuple[ResourceClaim, DeviceRequest]]
Fits = Callable[[str, Offer], bool]
"""(CEL expression, device) -> whether it is chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """One request of one claim, or one alternative of it."""

    claim: ResourceClaim
    name: str  # as in results: `request`, or `request/alternative`
    request: str
    selectors: tuple[DeviceSelector, ...]
    count: int  # 0: all there are
    admin: bool
    tolerations: tuple[DeviceToleration, ...]
    device_class: str


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A device for a wish."""

    wish: Wish
    offer: Offer


@dataclass(slots=True)
class Search:
    """What the search works with. `taken`: devices that are not free; `classes` by name."""

    node: Node
    stock: Inventory
    taken: Collection[DeviceId]
    classes: Mapping[str, DeviceClass]
    fits: Fits
    given: list[Given] = field(default_factory=list)
    steps: int = 0
    _used: Counter[tuple[str, str, str, str]] | None = None

    def allocate(self, claims: Sequence[ResourceClaim]) -> dict[str, AllocationResult] | None:
        """uid of each claim -> its devices; None where they do not all find some."""
        asked = [(claim, request) for claim in claims for request in claim.spec.devices.requests]
        if not self._serve(asked):
            return None
        return {claim.metadata.uid: self._result(claim) for claim in claims}

    # --- searching ---

    def _serve(self, asked: Asked) -> bool:
        if not asked:
            return True
        (claim, request), rest = asked[0], asked[1:]
        return any(self._grant(wish, rest) for wish in wishes(claim, request, self.classes))

    def _grant(self, wish: Wish, rest: Asked) -> bool:
        if wish.count:
            return self._pick(wish, self._candidates(wish), 0, wish.count, rest)
        found = self._candidates(wish, whole=True)
        before = len(self.given)
        if found and all(self._take(wish, offer) for offer in found) and self._serve(rest):
            return True
        del self.given[before:]
        return False

    def _pick(self, wish: Wish, found: Sequence[Offer], start: int, left: int, rest: Asked) -> bool:
        if not left:
            return self._serve(rest)
        for index in range(start, len(found) - left + 1):
            self.steps += 1
            if self.steps > STEPS:
                return False
            if self._take(wish, found[index]):
                if self._pick(wish, found, index + 1, left - 1, rest):
                    return True
                self.given.pop()
        return False

    def _candidates(self, wish: Wish, *, whole: bool = False) -> list[Offer]:
        """Devices that could serve a wish by themselves. `whole`: also those that are taken, which then refuse it."""
        return [
            offer
            for offer in self.stock.near(self.node.metadata.name)
            if self._is_here(offer)
            and (whole or wish.admin or offer.id not in self.taken)
            and all(self.fits(s.cel.expression, offer) for s in wish.selectors if s.cel is not None)
            and tolerated(offer.taints, wish.tolerations)
        ]

    def _is_here(self, offer: Offer) -> bool:
        return bool(offer.node) or offer.where is None or selects(offer.where, self.node)

    def _take(self, wish: Wish, offer: Offer) -> bool:
        """Give the device to the wish, unless it is taken or a constraint or a counter speaks against it."""
        if not wish.admin and (
            offer.id in self.taken or any(g.offer.id == offer.id for g in self.given if not g.wish.admin)
        ):
            return False
        if wish.admin and any(g.offer.id == offer.id and g.wish.claim is wish.claim for g in self.given):
            return False
        new = Given(wish, offer)
        own = [g for g in self.given if g.wish.claim is wish.claim]
        if not all(_holds(constraint, own, new) for constraint in wish.claim.spec.devices.constraints):
            return False
        if not wish.admin and not self._counted(offer):
            return False
        self.given.append(new)
        return True

    def _counted(self, offer: Offer) -> bool:
        """Whether what the device uses of shared counters is left."""
        if not offer.device.consumes_counters:
            return True
        used: Counter[tuple[str, str, str, str]] = Counter(self._used_before())
        for given in self.given:
            if not given.wish.admin:
                used.update(consumption(given.offer))
        used.update(consumption(offer))
        return all(used[key] <= amount(self.stock.counters.get(key, "0")) for key in consumption(offer))

    def _used_before(self) -> Counter[tuple[str, str, str, str]]:
        if self._used is None:
            self._used = Counter()
            for own in self.taken:
                offer = self.stock.by_id.get(own)
                if offer is not None:
                    self._used.update(consumption(offer))
        return self._used

    # --- the result ---

    def _result(self, claim: ResourceClaim) -> AllocationResult:
        own = [g for g in self.given if g.wish.claim is claim]
        results = tuple(
            DeviceRequestAllocationResult(
                request=g.wish.name,
                driver=g.offer.id.driver,
                pool=g.offer.id.pool,
                device=g.offer.id.device,
                admin_access=True if g.wish.admin else None,
                tolerations=g.wish.tolerations,
                binding_conditions=g.offer.device.binding_conditions,
                binding_failure_conditions=g.offer.device.binding_failure_conditions,
            )
            for g in own
        )
        devices = DeviceAllocationResult(results=results, config=tuple(self._configuration(claim, own)))
        return AllocationResult(devices=devices, node_selector=_where(self.node, [g.offer for g in own]))

    def _configuration(self, claim: ResourceClaim, own: Sequence[Given]) -> Iterator[DeviceAllocationConfiguration]:
        for wish in dict.fromkeys(g.wish for g in own):
            for part in self.classes[wish.device_class].spec.config:
                yield DeviceAllocationConfiguration(opaque=part.opaque, requests=(wish.name,), source="FromClass")
        served = {g.wish.name for g in own} | {g.wish.request for g in own}
        for asked in claim.spec.devices.config:
            if not asked.requests or served & set(asked.requests):
                yield DeviceAllocationConfiguration(opaque=asked.opaque, requests=asked.requests, source="FromClaim")


def wishes(claim: ResourceClaim, request: DeviceRequest, classes: Mapping[str, DeviceClass]) -> Iterator[Wish]:
    """The ways to serve a request, best first."""

    def wish(own: ExactDeviceRequest | DeviceSubRequest, name: str, *, admin: bool) -> Wish:
        return Wish(
            claim=claim,
            name=name,
            request=request.name,
            selectors=(*classes[own.device_class_name].spec.selectors, *own.selectors),
            count=0 if own.allocation_mode == "All" else own.count or 1,
            admin=admin,
            tolerations=own.tolerations,
            device_class=own.device_class_name,
        )

    if request.exactly is not None:
        yield wish(request.exactly, request.name, admin=bool(request.exactly.admin_access))
    for sub in request.first_available:
        yield wish(sub, f"{request.name}/{sub.name}", admin=False)


def tolerated(taints: Sequence[DeviceTaint], tolerations: Sequence[DeviceToleration]) -> bool:
    """Whether every taint that keeps pods away is tolerated."""
    return all(
        any(tolerates(own, taint) for own in tolerations)
        for taint in taints
        if taint.effect in ("NoSchedule", "NoExecute")
    )


def tolerates(own: DeviceToleration, taint: DeviceTaint) -> bool:
    """Whether this toleration is for this taint."""
    if own.effect and own.effect != taint.effect:
        return False
    if own.key and own.key != taint.key:
        return False
    if own.operator == "Exists":
        return True
    return bool(own.key) and own.value == taint.value


def consumption(offer: Offer) -> Counter[tuple[str, str, str, str]]:
    """What the device uses of its pool's counters."""
    found: dict[tuple[str, str, str, str], int | Fraction] = {}
    for use in offer.device.consumes_counters:
        for name, counter in use.counters.items():
            found[offer.id.driver, offer.id.pool, use.counter_set, name] = amount(counter.value)
    return Counter(found)


# --- Constraints ---


def _holds(constraint: DeviceConstraint, own: Sequence[Given], new: Given) -> bool:
    """Whether a constraint of the claim still holds with one device more."""
    if not _about(constraint, new.wish):
        return True
    others = [g for g in own if _about(constraint, g.wish)]
    name = constraint.match_attribute or constraint.distinct_attribute or ""
    value = attribute(new.offer, name)
    if constraint.match_attribute is not None:
        return value is not None and all(attribute(g.offer, name) == value for g in others[:1])
    return value is not None and all(attribute(g.offer, name) != value for g in others)


def _about(constraint: DeviceConstraint, wish: Wish) -> bool:
    return not constraint.requests or wish.name in constraint.requests or wish.request in constraint.requests


def attribute(offer: Offer, name: str) -> tuple[str, object] | None:
    """An attribute by its full name; one without a domain is in the driver's."""
    found = offer.device.attributes.get(name)
    domain, _, short = name.partition("/")
    if found is None and domain == offer.id.driver:
        found = offer.device.attributes.get(short)
    return _value(found) if found is not None else None


def _value(own: DeviceAttribute) -> tuple[str, object] | None:
    values = (("bool", own.bool_), ("int", own.int_), ("string", own.string), ("version", own.version))
    return next(((kind, value) for kind, value in values if value is not None), None)


# --- Where ---


def _where(node: Node, offers: Sequence[Offer]) -> NodeSelector | None:
    """Nodes where all these devices can be used; None: everywhere."""
    if any(offer.node for offer in offers):
        own = NodeSelectorRequirement(key="metadata.name", operator="In", values=(node.metadata.name,))
        return NodeSelector(node_selector_terms=(NodeSelectorTerm(match_fields=(own,)),))
    terms = [offer.where.node_selector_terms[0] for offer in offers if offer.where is not None]
    if not terms:
        return None
    expressions = tuple(dict.fromkeys(e for term in terms for e in term.match_expressions))
    fields = tuple(dict.fromkeys(f for term in terms for f in term.match_fields))
    return NodeSelector(node_selector_terms=(NodeSelectorTerm(match_expressions=expressions, match_fields=fields),))

"""Allocators: cluster addresses and node ports of Services, in memory, rebuilt from the Services there are.

A reservation holds from the moment it is made: two Services never get the same address, even while both are being
written. It is given back when the write fails or the Service goes. Addresses are chosen at random from the upper part
of the range first, so that the lower part stays free for those who ask for a certain one.
https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from wherry.api.core.service import SERVICE
from wherry.api.networking.ipaddress import ALLOCATOR, IPADDRESS, MANAGED_BY
from wherry.api.networking.servicecidr import SERVICECIDR, is_ready
from wherry.api.types.core import Service
from wherry.api.types.networking import IPAddress
from wherry.machinery.meta import T
from wherry.machinery.names import Random
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry, Event
from wherry.store.windows import Windows

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_DIGITS = "0123456789"


class Full(Exception):
    """Nothing is left in the range."""


class Taken(Exception):
    """The wanted number is in use."""


class OutOfRange(Exception):
    """The wanted number is not in the range."""


class Range(NamedTuple):
    """Numbers from `low` to `high`, both included. `lower`: how many are kept back for those who ask for one."""

    low: int
    high: int
    lower: int


class Numbers:
    """Numbers of some ranges, each used by at most one owner."""

    def __init__(self, *ranges: Range) -> None:
        self.ranges = ranges
        self._used: dict[int, set[str]] = {}

    def __contains__(self, number: int) -> bool:
        return any(low <= number <= high for low, high, _ in self.ranges)

    def take(self, number: int, owner: str) -> None:
        """Use a certain number. Raises Taken, OutOfRange."""
        if number not in self:
            raise OutOfRange
        owners = self._used.get(number)
        if owners and owner not in owners:
            raise Taken
        self._used.setdefault(number, set()).add(owner)

    def note(self, number: int, owner: str) -> None:
        """Somebody uses this number, whether or not it should be so."""
        self._used.setdefault(number, set()).add(owner)

    def next(self, owner: str, random: Random) -> int:
        """Use any free number. Raises Full."""
        for part in self.ranges:
            middle = part.low + part.lower
            for low, high in ((middle, part.high), (part.low, middle - 1)):
                found = self._free(low, high, random)
                if found is not None:
                    self._used[found] = {owner}
                    return found
        raise Full

    def _free(self, low: int, high: int, random: Random) -> int | None:
        size = high - low + 1
        if size <= 0:
            return None
        start = int("".join(random.choice(_DIGITS) for _ in range(9))) % size
        for step in range(size):
            number = low + (start + step) % size
            if not self._used.get(number):
                return number
        return None

    def release(self, number: int, owner: str) -> None:
        """The owner uses it no longer."""
        owners = self._used.get(number)
        if owners is not None:
            owners.discard(owner)
            if not owners:
                del self._used[number]


class Allocators:
    """Follows Services, the ServiceCIDRs that addresses come from, and IPAddresses that somebody else has taken."""

    def __init__(self, windows: Windows, service_cidr: str, node_ports: tuple[int, int]) -> None:
        self.networks: tuple[Network, ...] = (ipaddress.ip_network(service_cidr),)
        self._configured = self.networks
        self._windows = windows
        self.addresses = Numbers(*map(_usable, self.networks))
        low, high = node_ports
        self.node_ports = Numbers(Range(low, high, max(0, min(128, (high - low + 1) // 32))))
        self._follow(SERVICE, self._note, self._changed)
        self._follow(IPADDRESS, self._note_address, self._address_changed)
        self._follow(SERVICECIDR, lambda _: None, lambda _: self._networks_changed())
        self._networks_changed()

    def _follow(
        self, resource: Resource[T], note: Callable[[Entry[T]], None], changed: Callable[[Event[T]], bool]
    ) -> None:  # fmt: skip
        window = self._windows.of(resource)
        page = window.list()
        for entry in page.items:
            note(entry)
        window.watch(page.revision, changed)

    def network_of(self, number: int) -> Network | None:
        """The network that an address would come from, whether or not it may be used."""
        return next((n for n in self.networks if number in range(int(n[0]), int(n[-1]) + 1)), None)

    def address(self, number: int) -> str:
        """An address as text."""
        return str(ipaddress.ip_address(number))

    def _changed(self, event: Event[Service]) -> bool:
        before = event.previous
        if before is not None:
            kept = set() if event.type == "DELETED" else set(numbers_of(event.entry.obj))
            for kind, number in numbers_of(before.obj):
                if (kind, number) not in kept:
                    self._numbers(kind).release(number, owner_of(before.obj))
        if event.type != "DELETED":
            self._note(event.entry)
        return True

    def _note(self, entry: Entry[Service]) -> None:
        for kind, number in numbers_of(entry.obj):
            self._numbers(kind).note(number, owner_of(entry.obj))

    def _networks_changed(self) -> bool:
        """Addresses come from the configured network and from every ServiceCIDR that is ready and stays."""
        found = dict.fromkeys(self._configured)
        for entry in self._windows.of(SERVICECIDR).list().items:
            if is_ready(entry.obj):
                found.update(dict.fromkeys(ipaddress.ip_network(cidr) for cidr in entry.obj.spec.cidrs))
        self.networks = tuple(found)
        self.addresses.ranges = tuple(_usable(network) for network in self.networks if network.version == 4)
        return True

    def _address_changed(self, event: Event[IPAddress]) -> bool:
        if event.type == "DELETED":
            number, owner = _claim(event.entry.obj)
            self.addresses.release(number, owner)
        else:
            self._note_address(event.entry)
        return True

    def _note_address(self, entry: Entry[IPAddress]) -> None:
        """Those that Services have are known from the Services."""
        if entry.obj.metadata.labels.get(MANAGED_BY) != ALLOCATOR:
            self.addresses.note(*_claim(entry.obj))

    def _numbers(self, kind: str) -> Numbers:
        return self.addresses if kind == "address" else self.node_ports


def _usable(network: Network) -> Range:
    """All but the first and the last address."""
    first, size = int(network.network_address), network.num_addresses
    return Range(first + 1, first + size - 2, max(16, min(256, size // 16)))


def _claim(address: IPAddress) -> tuple[int, str]:
    """An IPAddress that somebody has made: the number, and who has it."""
    return int(ipaddress.ip_address(address.metadata.name)), f"ipaddress/{address.metadata.uid}"


def owner_of(service: Service) -> str:
    """Who owns a Service's numbers: the Service by name, which is known before it has a uid."""
    return f"{service.metadata.namespace}/{service.metadata.name}"


def numbers_of(service: Service) -> Iterator[tuple[str, int]]:
    """("address" | "port", number) of everything a Service has been given."""
    spec = service.spec
    for text in spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ()):
        if text and text != "None":
            try:
                yield "address", int(ipaddress.ip_address(text))
            except ValueError:
                continue
    for port in spec.ports:
        if port.node_port:
            yield "port", port.node_port
    if spec.health_check_node_port:
        yield "port", spec.health_check_node_port

"""Allocators: cluster addresses and node ports of Services, in memory, rebuilt from the Services there are.

A reservation holds from the moment it is made: two Services never get the same address, even while both are being
written. It is given back when the write fails or the Service goes. Addresses are chosen at random from the upper part
of the range first, so that the lower part stays free for those who ask for a certain one.
https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from wherry.api.core.service import SERVICE
from wherry.api.types.core import Service
from wherry.machinery.names import Random
from wherry.store.entry import Entry, Event
from wherry.store.windows import Windows

_DIGITS = "0123456789"


class Full(Exception):
    """Nothing is left in the range."""


class Taken(Exception):
    """The wanted number is in use."""


class OutOfRange(Exception):
    """The wanted number is not in the range."""


class Numbers:
    """Numbers from `low` to `high`, both included, each used by at most one owner. `lower`: how many are kept back."""

    def __init__(self, low: int, high: int, lower: int) -> None:
        self.low = low
        self.high = high
        self._lower = lower
        self._used: dict[int, set[str]] = {}

    def __contains__(self, number: int) -> bool:
        return self.low <= number <= self.high

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
        for low, high in ((self.low + self._lower, self.high), (self.low, self.low + self._lower - 1)):
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
    """Follows Services."""

    def __init__(self, windows: Windows, service_cidr: str, node_ports: tuple[int, int]) -> None:
        self.network = ipaddress.ip_network(service_cidr)
        first = int(self.network.network_address)
        size = self.network.num_addresses
        self.addresses = Numbers(first + 1, first + size - 2, max(16, min(256, size // 16)))
        low, high = node_ports
        self.node_ports = Numbers(low, high, max(0, min(128, (high - low + 1) // 32)))
        window = windows.of(SERVICE)
        page = window.list()
        for entry in page.items:
            self._note(entry)
        window.watch(page.revision, self._changed)

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

    def _numbers(self, kind: str) -> Numbers:
        return self.addresses if kind == "address" else self.node_ports


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

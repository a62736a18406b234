"""The kernel's rules for services: one table `ip wherry`, flat maps, text for libnftables.

A connection's first packet is looked up by (protocol, address, port) in one verdict map; it leads to one of a few
chains, one per number of targets in use (never one per service), which draw a slot and look the target up in a second
map by (protocol, address, port, slot). So a change costs the same at 10 and at 30,000 services. Later packets of a
connection follow connection tracking and never come here: replacing rules, even the whole table, cuts nothing.

nft 1.0.6 takes rules that use such a map only together with the map ("conflicting protocols specified: ip vs. th" later
on), so the chains for up to `prepared` targets come with the table; a service with more has the table replaced.

`Ruleset` mirrors what the kernel has. `set` and `drop` change what is wanted, `take` gives the transaction that makes
up the difference, `refill` the one that brings everything into a table that stands there, and `whole` the one that
replaces the table, whatever is in it. Pure: text only. Atoms in the
text are addresses and networks parsed by `ipaddress`, integers, and words of this file.

Connections are masqueraded when an answer would otherwise not come back this way: a pod reaching itself through a
service, an outside client sent to another node, a pod reaching something outside the pod network.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from wherry.network.rules.standing import Standing, empty_chains, empty_sets, named, remove_chains
from wherry.network.rules.table import (
    CHAINS,
    FAMILIES,
    PODS,
    SERVICES,
    TABLE,
    Networks,
    draw,
    frame,
    remove,
    stick,
)
from wherry.network.services import Entry, Front, Target

__all__ = ("PODS", "SERVICES", "TABLE", "Gone", "Networks", "Ruleset", "remove", "seat")


class Gone(NamedTuple):
    """A target that left a front; connections that still lead there are the caller's to forget."""

    front: Front
    target: Target


class _Element(NamedTuple):
    """One map element (or set element, with value "")."""

    map: str
    key: str


def seat(before: tuple[Target, ...], now: Iterable[Target]) -> tuple[Target, ...]:
    """`now` in an order that keeps as many of `before`'s slots as possible: a change touches few map elements."""
    if not before:
        return tuple(dict.fromkeys(now))
    wanted = dict.fromkeys(now)
    kept: list[Target | None] = [t if t in wanted else None for t in before]
    fresh = [t for t in wanted if t not in set(before)]
    for slot, target in enumerate(kept):
        if target is None and fresh:
            kept[slot] = fresh.pop(0)
    seats = [*kept, *fresh]
    while None in seats:
        last = seats.pop()
        if last is not None:
            seats[seats.index(None)] = last
    return tuple(t for t in seats if t is not None)


def _key(front: Front) -> str:
    if front.address:
        return f"{front.protocol} . {front.address} . {front.port}"
    return f"{front.protocol} . {front.port}"


def _bulk(verb: str, elements: Mapping[str, list[str]]) -> Iterator[str]:
    for name, items in elements.items():
        yield f"{verb} element ip {TABLE} {name} {{ {', '.join(items)} }}\n"


class Ruleset:
    """What the kernel has, what it should have, and the text between."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self._claims: dict[Front, dict[str, Entry]] = {}
        self._owned: dict[str, Mapping[Front, Entry]] = {}
        self._shown: dict[Front, Entry] = {}
        self._seats: dict[tuple[str, Front], tuple[Target, ...]] = {}
        self._elements: dict[_Element, str] = {}
        self._before: dict[_Element, str | None] = {}
        self._hairpin: Counter[str] = Counter()
        self._most = 1
        self._prepared = 0
        self._sticks: set[int] = set()
        self._new_sticks: set[int] = set()
        self._gone: list[Gone] = []
        self._freed = False

    @property
    def sticky(self) -> bool:
        """Whether any front has session affinity."""
        return any(element.map in ("sticky", "sticky_ports") for element in self._elements)

    def fronts(self) -> Mapping[Front, Entry]:
        """Every front in force with its entry."""
        return self._shown

    def wanted(self) -> Iterator[tuple[str, Mapping[Front, Entry]]]:
        """Every owner with what it wants."""
        yield from self._owned.items()

    def places_of(self, front: Front) -> frozenset[Target]:
        """Where clients of a front may keep their place now, a node port's front standing in for any address; nowhere
        without session affinity."""
        entry = self._shown.get(front) or self._shown.get(front._replace(address=""))
        if entry is None or not entry.affinity:
            return frozenset()
        return frozenset(t for side in _sides(entry) for t in side or ())

    def freed(self) -> bool:
        """Whether session affinity of a front has ended since the last call."""
        result, self._freed = self._freed, False
        return result

    def set(self, owner: str, entries: Mapping[Front, Entry]) -> None:
        """Make `entries` everything that `owner` (a service's key) wants. Of several owners of one front, the first
        in alphabetical order has it."""
        old = self._owned.get(owner, {})
        if entries:
            self._owned[owner] = entries
        else:
            self._owned.pop(owner, None)
        for front in old.keys() | entries.keys():
            entry = entries.get(front)
            if old.get(front) == entry:
                continue
            claims = self._claims.setdefault(front, {})
            if entry is None:
                claims.pop(owner, None)
            else:
                claims[owner] = entry
            self._show(front, claims[min(claims)] if claims else None)
            if not claims:
                del self._claims[front]

    def drop(self, owner: str) -> None:
        """`owner` wants nothing any more."""
        self.set(owner, {})

    def owners(self) -> frozenset[str]:
        """Who wants anything."""
        return frozenset(self._owned)

    def gone(self) -> list[Gone]:
        """Targets that left their front since the last call."""
        result, self._gone = self._gone, []
        return result

    @property
    def outgrown(self) -> bool:
        """Whether only `whole` can bring what is wanted: some front has more targets than there are chains for."""
        return self._most > self._prepared

    def take(self) -> str:
        """The transaction from what was last taken to what is wanted now; "" when that is the same. Not when
        `outgrown`."""
        removed: dict[str, list[str]] = defaultdict(list)
        added: dict[str, list[str]] = defaultdict(list)
        for element, before in self._before.items():
            now = self._elements.get(element)
            if now == before:
                continue
            if before is not None:
                removed[element.map].append(_text(element, before))
            if now is not None:
                added[element.map].append(_text(element, now))
        sticks = sorted(self._new_sticks)
        self._before.clear()
        self._new_sticks.clear()
        return "".join([*map(stick, sticks), *_bulk("delete", removed), *_bulk("add", added)])

    def whole(self) -> str:
        """The transaction that puts the wanted table in place of whatever is there, at once. `refill` first: this one
        exchanges the hooks, between which a packet may slip through."""
        while self._prepared < self._most:
            self._prepared = max(CHAINS, 2 * self._prepared)
        chains = (text for _, text in _draws(self._prepared))
        return "".join([remove(), frame(self.networks), *chains, *map(stick, sorted(self._sticks)), *self._filled()])

    def refill(self, there: Standing) -> str:
        """The transaction that brings rules and elements into the table that stands in the kernel, whose hooks stay;
        "" when that table is laid out differently or too small, so that `whole` must replace it. Clients' places
        (`affinity`) stay."""
        frames = frame(self.networks)
        ours = named(frames)
        prepared = sum(name.startswith("service_") for name in there.chains)
        draws = {name: _rules(text) for name, text in _draws(prepared)}
        sticks = {name for name in there.chains if name.startswith("stick_") and name not in ours.chains}
        if (
            prepared < max(self._most, self._prepared)
            or there.sets != ours.sets
            or there.chains.keys() - sticks != ours.chains.keys() | draws.keys()
            or any(there.chains[name] != rules for name, rules in draws.items())
        ):
            return ""
        self._prepared = prepared
        wanted = {f"stick_{seconds}" for seconds in self._sticks}
        emptied = {name: word for name, word in ours.sets.items() if name != "affinity"}
        return "".join(
            [
                empty_chains(TABLE, [*ours.chains, *sorted(sticks)]),
                empty_sets(TABLE, emptied),
                remove_chains(TABLE, sorted(sticks - wanted)),
                frames,
                *map(stick, sorted(self._sticks)),
                *self._filled(),
            ]
        )

    def _filled(self) -> Iterator[str]:
        self._before.clear()
        self._new_sticks.clear()
        elements: dict[str, list[str]] = defaultdict(list)
        for element, value in self._elements.items():
            elements[element.map].append(_text(element, value))
        return _bulk("add", elements)

    def _show(self, front: Front, entry: Entry | None) -> None:
        before = self._shown.get(front)
        if before == entry:
            return
        old, new = _sides(before), _sides(entry)
        for outside in (False, True):
            if old[outside] != new[outside] and not _loopback(front):
                self._seat(front, old[outside], new[outside], outside=outside)
        if _closed(front, before) != _closed(front, entry):
            self._put(_Element("closed" if front.address else "closed_ports", _key(front)), _closed(front, entry))
        if (before.affinity if before else 0) != (entry.affinity if entry else 0):
            self._put_sticky(front, entry)
        if (before.ranges if before else ()) != (entry.ranges if entry else ()):
            self._put_ranges(front, before, entry)
        if entry is None:
            del self._shown[front]
        else:
            self._shown[front] = entry
        if before is not None:
            left = {t for side in old for t in side or ()} - {t for side in new for t in side or ()}
            self._gone += [Gone(front, target) for target in sorted(left)]

    def _seat(
        self, front: Front, old: tuple[Target, ...] | None, new: tuple[Target, ...] | None, *, outside: bool
    ) -> None:
        family = ("outside" if outside else "service") if front.address else ("outport" if outside else "port")
        verdicts, targets, _ = FAMILIES[family]
        key = _key(front)
        before = self._seats.pop((family, front), ())
        after = seat(before, new or ())
        for slot in range(max(len(before), len(after))):
            now = f"{after[slot].address} . {after[slot].port}" if slot < len(after) else None
            self._put(_Element(targets, f"{key} . {slot}"), now)
        if after:
            self._seats[family, front] = after
            self._most = max(self._most, len(after))
            self._put(_Element(verdicts, key), f"goto {family}_{len(after)}")
        else:
            self._put(_Element(verdicts, key), "drop" if outside and new is not None else None)
        self._count(old or (), -1)
        self._count(new or (), 1)

    def _count(self, targets: Iterable[Target], by: int) -> None:
        """A pod of this node that may be sent to itself needs masquerading."""
        subnet = self.networks.subnet
        if subnet is None:
            return
        for target in targets:
            if _within(target.address, subnet):
                self._hairpin[target.address] += by
                wanted = self._hairpin[target.address] > 0
                self._put(_Element("hairpin", f"{target.address} . {target.address}"), "" if wanted else None)

    def _put_sticky(self, front: Front, entry: Entry | None) -> None:
        seconds = entry.affinity if entry else 0
        if seconds:
            self._need_stick(seconds)
        self._freed |= not seconds
        name = "sticky" if front.address else "sticky_ports"
        self._put(_Element(name, _key(front)), f"jump stick_{seconds}" if seconds else None)

    def _put_ranges(self, front: Front, before: Entry | None, entry: Entry | None) -> None:
        key = _key(front)
        for network in before.ranges if before else ():
            self._put(_Element("admitted", f"{key} . {network}"), None)
        for network in entry.ranges if entry else ():
            self._put(_Element("admitted", f"{key} . {network}"), "")
        if front.address:
            self._put(_Element("fenced", key), "" if entry and entry.ranges else None)

    def _need_stick(self, seconds: int) -> None:
        if seconds not in self._sticks:
            self._sticks.add(seconds)
            self._new_sticks.add(seconds)

    def _put(self, element: _Element, value: str | None) -> None:
        before = self._elements.get(element)
        if before == value:
            return
        self._before.setdefault(element, before)
        if value is None:
            del self._elements[element]
        else:
            self._elements[element] = value


def _draws(prepared: int) -> Iterator[tuple[str, str]]:
    """The chains that draw from up to `prepared` targets: name, text."""
    for family in FAMILIES:
        for count in range(1, prepared + 1):
            yield f"{family}_{count}", draw(family, count)


def _rules(text: str) -> tuple[str, ...]:
    """The rules in the text of one chain."""
    return tuple(line for line in text.splitlines()[1:] if line != "}")


@lru_cache(65536)
def _within(ip: str, subnet: IPv4Network) -> bool:
    return IPv4Address(ip) in subnet


def _loopback(front: Front) -> bool:
    """Packets to 127.0.0.0/8 cannot be translated to another address (`wherry.network.loopback` relays them)."""
    return front.address.startswith("127.")


def _closed(front: Front, entry: Entry | None) -> str | None:
    """The verdict on a front without targets, where nothing else would give one."""
    if entry is None or entry.inside or _loopback(front) or (not front.address and entry.outside is not None):
        return None
    return "goto refuse" if entry.refuse else "drop"


def _sides(entry: Entry | None) -> tuple[tuple[Target, ...] | None, tuple[Target, ...] | None]:
    return (entry.inside, entry.outside) if entry else (None, None)


def _text(element: _Element, value: str) -> str:
    return f"{element.key} : {value}" if value else element.key

"""The picture in HAProxy's terms: map files, and which server slot holds which endpoint. No I/O.

HAProxy can change maps and the addresses of servers while it runs, but not make new ones: so there are spare backends
with spare slots, all alike, and `Desk` says who has which. Only when they run out is a new configuration needed, with
twice as many. An endpoint keeps its slot, a Service port its backend; what was given back is used again last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wherry.api.networking.ingress_claims import Place
from wherry.network.ingress.backends import Backend, Endpoint, Protocol
from wherry.network.ingress.routes import Picture
from wherry.network.ingress.sites import Door, Site

PROTOCOLS: tuple[Protocol, ...] = ("http", "https", "proxy", "h2c")
EXACT, PREFIXES, HOSTS, SECURE, TIMEOUTS, BODIES = "exact", "prefix", "hosts", "secure", "timeouts", "bodies"
ANSWERS, SITES = "answers", "sites"
FILES = (EXACT, PREFIXES, HOSTS, SECURE, TIMEOUTS, BODIES, ANSWERS, SITES)
"""Map files, in the order in which they are changed."""
ANY = "_"
"""Stands for a host that nobody has named: no host has an underscore alone."""

Maps = dict[str, dict[str, str]]
Slot = tuple[str, int]
"""Backend, and number from 1."""
Servers = dict[Slot, Endpoint]
"""Where each sends."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many backends of each protocol there are (none where nothing is said), and slots in each."""

    backends: Mapping[Protocol, int] = field(default_factory=lambda: {"http": 32, "https": 2, "proxy": 2})
    slots: int = 8


@dataclass(frozen=True, slots=True)
class Ruled:
    """What is in the configuration itself, so that a change of it needs a new one: ports of Gateways, sites that are
    found by a wildcard (those that are plain without their rules) or have more than plain rules, with their backends'
    names."""

    doors: frozenset[Door] = frozenset()
    sites: tuple[Site, ...] = ()
    names: Mapping[Backend, str] = field(default_factory=dict)


NO_RULES = Ruled()


@dataclass(slots=True)
class Wanted:
    """All that a running HAProxy must show."""

    maps: Maps
    servers: Servers
    ruled: Ruled
    resting: frozenset[Slot] = frozenset()
    """Servers that get nothing new, as their nodes give no sign and others are there."""
    given_up: frozenset[Slot] = frozenset()
    """Those of them that do not answer either: what they have in hand ends, and is sent to others where it may be."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """`silent`: nodes that give no sign. `hung`: endpoints there that do not answer."""

    silent: frozenset[str] = frozenset()
    hung: frozenset[Endpoint] = frozenset()


NO_DOUBT = Doubtful()


class Desk:
    """Hands out backends and slots. `grown` says that there are more than before: HAProxy needs a new configuration."""

    def __init__(self, size: Size | None = None) -> None:
        self.size = size or Size()
        self.grown = False
        self._free: dict[Protocol, deque[str]] = {p: deque(self._names(p, 0)) for p in PROTOCOLS}
        self._given: dict[Backend, str] = {}
        self._slots: dict[str, dict[Endpoint, int]] = {}

    def _names(self, protocol: Protocol, since: int) -> Iterator[str]:
        return (f"{protocol}-{n}" for n in range(since, self.size.backends.get(protocol, 0)))

    def wanted(
        self, picture: Picture, waiting: Mapping[Backend, Endpoint], answers: Mapping[str, str] | None = None,
        doubtful: Doubtful = NO_DOUBT,
    ) -> Wanted:  # fmt: skip
        """What HAProxy is to show. `waiting`: where requests wait for backends that have no endpoint. `answers`: by
        path, what HAProxy answers itself."""
        for backend in [known for known in self._given if known not in picture.endpoints]:
            name = self._given.pop(backend)
            self._slots.pop(name, None)
            self._free[backend.options.protocol].append(name)
        servers: Servers = {}
        resting: set[Slot] = set()
        for backend, endpoints in picture.endpoints.items():
            name = self._named(backend)
            held = (waiting[backend],) if not endpoints and backend in waiting else ()
            placed = self._placed(name, endpoints or held)
            servers |= {(name, slot): one for one, slot in placed.items()}
            doubted = [one for one in endpoints if picture.homes.get(one) in doubtful.silent]
            if len(doubted) < len(endpoints):
                resting |= {(name, placed[one]) for one in doubted}
        given_up = frozenset(slot for slot in resting if servers[slot] in doubtful.hung)
        maps = {**self._maps(picture), ANSWERS: dict(answers or {})}
        return Wanted(maps, servers, self._ruled(picture), frozenset(resting), given_up)

    def _ruled(self, picture: Picture) -> Ruled:
        if not picture.doors:
            return NO_RULES
        sites: list[Site] = []
        names: dict[Backend, str] = {}
        for site in picture.sites:
            if site.plain is None:
                sites.append(site)
                names |= {one: self._given[one] for one in site.backends}
            elif not site.named:
                sites.append(Site(site.door, site.host, before=site.before))
        return Ruled(picture.doors, tuple(sites), names)

    def _named(self, backend: Backend) -> str:
        name = self._given.get(backend)
        if name is None:
            protocol = backend.options.protocol
            if not self._free[protocol]:
                before = self.size.backends.get(protocol, 0)
                self.size = Size({**self.size.backends, protocol: before * 2 or 2}, self.size.slots)
                self._free[protocol].extend(self._names(protocol, before))
                self.grown = True
            name = self._given[backend] = self._free[protocol].popleft()
        return name

    def _placed(self, name: str, endpoints: Iterable[Endpoint]) -> dict[Endpoint, int]:
        listed = list(endpoints)
        old = self._slots.get(name, {})
        kept = {one: slot for one, slot in old.items() if one in listed}
        while len(listed) > self.size.slots:
            self.size = Size(self.size.backends, self.size.slots * 2)
            self.grown = True
        taken = set(kept.values())
        free = [n for n in range(1, self.size.slots + 1) if n not in taken]
        free.sort(key=lambda slot: slot in old.values())  # a slot that was just given up comes last
        for one in listed:
            if one not in kept:
                kept[one] = free.pop(0)
        self._slots[name] = kept
        return kept

    def _maps(self, picture: Picture) -> Maps:
        maps: Maps = {name: {} for name in FILES}
        exact, prefixes, hosts, secure = maps[EXACT], maps[PREFIXES], maps[HOSTS], maps[SECURE]
        names: dict[int, str] = {}  # to look thousands up by what they are takes long
        for place, backend in picture.routes.items():
            name = names.get(id(backend)) or names.setdefault(id(backend), self._treated(backend, maps))
            host, match, path = place
            (exact if match == "exact" else prefixes)[(host or ANY) + path] = name
            if host:
                hosts[host] = "1"
            if backend.options.to_https and (not host or host in picture.secured):
                secure[host or ANY] = "1"
        for site in picture.sites:
            if site.named:
                maps[SITES][site.name] = str(site.exact)
            for place, backend in (site.plain or {}).items():
                maps[EXACT if place.match == "exact" else PREFIXES][_key(place)] = self._given[backend]
        return maps

    def _treated(self, backend: Backend, maps: Maps) -> str:
        """The name of a backend, with how its requests are treated."""
        name, options = self._given[backend], backend.options
        if options.timeout:
            maps[TIMEOUTS][name] = str(options.timeout * 1000)
        if options.body:
            maps[BODIES][name] = str(options.body)
        return name


def _key(place: Place) -> str:
    return f"{place.host or ANY}{place.path}"


def commands(old: Wanted, new: Wanted, files: Mapping[str, str]) -> list[str]:
    """Runtime commands that lead from one to the other; `files`: map name -> path as in the configuration.

    Servers come before the routes that lead to them, and go after.
    """
    lines = [*_server_commands(old, new)]
    for name in FILES:
        before, after = old.maps.get(name, {}), new.maps[name]
        for key, value in after.items():
            if key not in before:
                lines.append(f"add map {files[name]} {_word(key)} {value}")
            elif before[key] != value:
                lines.append(f"set map {files[name]} {_word(key)} {value}")
        lines += [f"del map {files[name]} {_word(key)}" for key in before if key not in after]
    lines += [f"set server {name}/s{slot} state maint" for name, slot in old.servers if (name, slot) not in new.servers]
    return lines


def _server_commands(old: Wanted, new: Wanted) -> Iterator[str]:
    """Endpoints that are new, and those that rest or rest no more."""
    for place, endpoint in new.servers.items():
        server, another = f"{place[0]}/s{place[1]}", old.servers.get(place) != endpoint
        if another:
            yield f"set server {server} addr {endpoint.ip} port {endpoint.port}"
        if another or (place in old.resting) != (place in new.resting):
            yield f"set server {server} state {'drain' if place in new.resting else 'ready'}"
        if place in new.given_up and (another or place not in old.given_up):
            yield f"shutdown sessions server {server}"


def _word(key: str) -> str:
    """A key as a word of a command: in a path there may be `;`, which would begin another command, and `<<`, which
    would begin a payload."""
    return key.replace(";", "\\;").replace("<", "\\<")


def text(entries: Mapping[str, str]) -> str:
    """A map file."""
    return "".join(f"{key} {value}\n" for key, value in sorted(entries.items()))

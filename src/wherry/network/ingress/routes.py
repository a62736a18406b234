"""Who answers which host and path: Ingresses, Services and EndpointSlices -> Picture. Pure.

The host decides first (an exact one before a wildcard before none), then the path (exact before prefix, longer before
shorter). Where two Ingresses claim the same, the older one keeps it and the other is told (`Picture.problems`).
https://kubernetes.io/docs/concepts/services-networking/ingress/
"""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wherry.api.networking.ingress_claims import HOST, Held, Place, claims, port_of
from wherry.api.networking.site_certificates import WISH, WISHES, age, secret_of
from wherry.api.types.core import Service
from wherry.api.types.discovery import EndpointSlice
from wherry.api.types.networking import Ingress, IngressBackend
from wherry.machinery.meta import Key, key_of
from wherry.network.ingress.backends import PLAIN, Backend, Endpoint, Options
from wherry.network.ingress.sites import Door, Site
from wherry.network.services import address, port_number, ready

PREFIX = "wherry.dev/"
"""Annotations of ours: hold-seconds, timeout-seconds, body-limit, redirect-to-https, backend-protocol, certificate."""

_SIZE = re.compile(r"([0-9]{1,12})([kmg]?)", re.ASCII)
_HOLD_MOST, _TIMEOUT_MOST = 600, 86_400


@dataclass(slots=True)
class Picture:
    """Everything HAProxy has to know. `endpoints`: of each backend, sorted. `secrets`: certificates by host."""

    routes: dict[Place, Backend] = field(default_factory=dict)
    endpoints: dict[Backend, tuple[Endpoint, ...]] = field(default_factory=dict)
    homes: dict[Endpoint, str] = field(default_factory=dict)
    """The node of each endpoint, where one is known."""
    secrets: dict[str, Key] = field(default_factory=dict)
    secured: set[str] = field(default_factory=set)
    """Hosts with TLS."""
    sites: tuple[Site, ...] = ()
    """What Gateways serve, more exact hosts of a port first."""
    doors: frozenset[Door] = frozenset()
    """The ports of Gateways."""
    owners: dict[Place, Ingress] = field(default_factory=dict)
    """Whose each route of an Ingress is, those of older ones first."""
    problems: dict[Key, list[str]] = field(default_factory=dict)
    """Of each Ingress, what of it cannot be done, and why."""

    def held(self, hosts: Collection[str]) -> dict[str, Held]:
        """What Ingresses have of these hosts."""
        found: dict[str, Held] = {}
        if not hosts:
            return found
        for place, owner in self.owners.items():
            if place.host in hosts:
                there = found.setdefault(place.host, Held(owner.metadata.creation_timestamp or "", {}))
                there.places[place] = key_of(owner)
        return found

    def blame(self, ingress: Key, why: str) -> None:
        """Note a problem once."""
        known = self.problems.setdefault(ingress, [])
        if why not in known:
            known.append(why)


@dataclass(frozen=True, slots=True)
class Asking:
    """What an Ingress asks for, whatever else there is. `tls`: hosts with the Secret of their certificate, or none.
    `age` sorts them."""

    age: tuple[str, str, str]
    options: Options
    claims: tuple[tuple[Place, IngressBackend], ...]
    tls: tuple[tuple[str, Key | None], ...]
    problems: tuple[str, ...]


def asking(ingress: Ingress) -> Asking:
    """Read one."""
    problems: list[str] = []
    options = _options(ingress, problems)
    claimed = tuple(claims(ingress, problems))
    secured = tuple(_secure(ingress, problems))
    return Asking(age(ingress), PLAIN if options == PLAIN else options, claimed, secured, tuple(problems))


Led = tuple[tuple[Place, Backend | str], ...]
"""Each claim with who answers it, or why nobody does."""


@dataclass(slots=True)
class _Reading:
    """`services`: those that its claims name, None for what is not there: what it leads to is so as long as they are
    the same objects. They were when the Services were seen for the `seen`th time."""

    ingress: Ingress
    asked: Asking
    services: tuple[Service | None, ...]
    led: Led
    seen: int


class Readings:
    """Remembers what has been read of each Ingress until it or a Service of it is another: with thousands, one change
    is small. Changes no answer."""

    def __init__(self) -> None:
        self._known: dict[str, _Reading] = {}
        self._backends: dict[Backend, Backend] = {}
        self._services: tuple[Service, ...] = ()
        self._seen = 0

    def read(self, ingresses: Iterable[Ingress], services: Mapping[Key, Service]) -> list[tuple[Asking, Led, Ingress]]:
        """What each asks, and where that leads; older ones first."""
        now = tuple(services.values())
        if len(now) != len(self._services) or not all(map(operator.is_, now, self._services)):
            self._services, self._seen = now, self._seen + 1
        found = []
        for ingress in ingresses:
            known = self._known.get(ingress.metadata.uid)
            if known is None or known.ingress is not ingress or known.seen != self._seen:
                known = self._again(ingress, services, known)
            found.append((known.asked, known.led, ingress))
        found.sort(key=_age)
        return found

    def _again(self, ingress: Ingress, services: Mapping[Key, Service], known: _Reading | None) -> _Reading:
        asked = known.asked if known is not None and known.ingress is ingress else asking(ingress)
        there = tuple(_service(ingress, wanted, services) for _, wanted in asked.claims)
        if known is not None and known.asked is asked and all(map(operator.is_, there, known.services)):
            known.seen = self._seen
            return known
        led = tuple((place, self._lead(ingress, wanted, services, asked.options)) for place, wanted in asked.claims)
        made = _Reading(ingress, asked, there, led, self._seen)
        if ingress.metadata.uid:
            self._known[ingress.metadata.uid] = made
        return made

    def _lead(
        self, ingress: Ingress, wanted: IngressBackend, services: Mapping[Key, Service], options: Options
    ) -> Backend | str:
        found = _backend(ingress, wanted, services, options)
        return found if isinstance(found, str) else self._backends.setdefault(found, found)

    def keep(self, ingresses: Collection[Ingress]) -> None:
        """Forget all others, when there are many."""
        if len(self._known) > 2 * len(ingresses) + 16:
            there = {one.metadata.uid for one in ingresses}
            self._known = {uid: known for uid, known in self._known.items() if uid in there}
            self._backends.clear()


def _age(one: tuple[Asking, Led, Ingress]) -> tuple[str, str, str]:
    return one[0].age


def picture(
    ingresses: Iterable[Ingress],
    services: Mapping[Key, Service],
    slices: Mapping[Key, Iterable[EndpointSlice]],
    readings: Readings | None = None,
) -> Picture:
    """Work everything out. `ingresses` are those that are ours; `slices` by Service; `readings`: what was so before."""
    found, readings = Picture(), readings or Readings()
    seen: set[int] = set()  # backends: to compare thousands by what they are takes long
    for asked, led, ingress in readings.read(ingresses, services):
        for why in asked.problems:
            found.blame(key_of(ingress), why)
        for place, backend in led:
            if isinstance(backend, str):
                found.blame(key_of(ingress), backend)
            elif _claim(found, ingress, place, backend) and id(backend) not in seen:
                seen.add(id(backend))
                find_endpoints(found, backend, services, slices)
        for host, secret in asked.tls:
            found.secured.add(host)
            if secret is not None and found.secrets.setdefault(host, secret) != secret:
                found.blame(key_of(ingress), f"the certificate for {host} comes from {found.secrets[host]} already")
    return found


def _claim(found: Picture, ingress: Ingress, place: Place, backend: Backend) -> bool:
    """Whether nobody has it for another yet."""
    owner = found.owners.setdefault(place, ingress)
    known = found.routes.setdefault(place, backend)
    if known is backend or known == backend:
        return True
    why = "this Ingress says so first" if owner is ingress else f"the Ingress {key_of(owner)} is older"
    found.blame(key_of(ingress), f"{place.shown} is served by {known.name} already: {why}")
    return False


def find_endpoints(
    found: Picture, backend: Backend, services: Mapping[Key, Service], slices: Mapping[Key, Iterable[EndpointSlice]]
) -> None:
    """Note who answers for a backend."""
    if backend not in found.endpoints:
        usable, closing = _endpoints(services[backend.service], backend.port, slices)
        # who may wait waits, rather than being sent to a pod that is going
        chosen = usable if usable or backend.options.hold else closing
        found.endpoints[backend] = tuple(sorted(chosen))
        found.homes |= chosen


def _service(ingress: Ingress, wanted: IngressBackend, services: Mapping[Key, Service]) -> Service | None:
    return None if wanted.service is None else services.get(Key(ingress.metadata.namespace, wanted.service.name))


def _backend(
    ingress: Ingress, wanted: IngressBackend, services: Mapping[Key, Service], options: Options
) -> Backend | str:  # fmt: skip
    """Who answers, or why nobody does."""
    if wanted.service is None:
        return "backends that are not Services are not supported"
    service = _service(ingress, wanted, services)
    if service is None:
        return f"there is no Service {wanted.service.name!r}"
    port = port_of(service, wanted.service.port)
    if port is None:
        asked = wanted.service.port.name or wanted.service.port.number
        return f"the Service {wanted.service.name!r} has no port {asked!r}"
    return Backend(key_of(service), port, options)


def _endpoints(
    service: Service, port: str, slices: Mapping[Key, Iterable[EndpointSlice]]
) -> tuple[dict[Endpoint, str], dict[Endpoint, str]]:  # fmt: skip
    """Those that are ready, and those that still serve while they go, each with its node."""
    name = next(one.name for one in service.spec.ports if str(one.port) == port)
    usable: dict[Endpoint, str] = {}
    closing: dict[Endpoint, str] = {}
    for piece in slices.get(key_of(service), ()):
        number = next((port_number(p.port) for p in piece.ports if (p.name or "") == name and p.port), 0)
        for endpoint in piece.endpoints if number else ():
            for ip in filter(None, map(address, endpoint.addresses[:1])):
                if ready(endpoint):
                    usable[Endpoint(ip, number)] = endpoint.node_name or ""
                elif endpoint.conditions.serving:
                    closing[Endpoint(ip, number)] = endpoint.node_name or ""
    return usable, closing


def _secure(ingress: Ingress, problems: list[str]) -> Iterator[tuple[str, Key | None]]:
    for entry in ingress.spec.tls:
        hosts = entry.hosts or tuple(rule.host for rule in ingress.spec.rules if rule.host)
        for host in map(str.lower, hosts):
            if HOST.fullmatch(host) is None:
                problems.append(f"the TLS host {host!r} is not a DNS name")
                continue
            name = secret_of(ingress, entry)
            yield host, Key(ingress.metadata.namespace, name) if name else None


def _options(ingress: Ingress, problems: list[str]) -> Options:
    notes = {
        name.removeprefix(PREFIX): value
        for name, value in ingress.metadata.annotations.items()
        if name.startswith(PREFIX)
    }
    protocol = notes.get("backend-protocol", "http").lower()
    if protocol not in ("http", "https", "proxy"):
        problems.append(f"{PREFIX}backend-protocol is {protocol!r}, not http, https or proxy")
        protocol = "http"
    wish = ingress.metadata.annotations.get(WISH, "").lower()
    if wish not in ("", *WISHES):
        problems.append(f"{WISH} is {wish!r}, not own, acme or none")
    return Options(
        hold=_seconds(notes, "hold-seconds", _HOLD_MOST, problems),
        timeout=_seconds(notes, "timeout-seconds", _TIMEOUT_MOST, problems),
        body=_bytes(notes, "body-limit", problems),
        to_https=notes.get("redirect-to-https", "true" if ingress.spec.tls else "false").lower() == "true",
        protocol=protocol,  # type: ignore[arg-type]  # checked above
    )


def hold_seconds(annotations: Mapping[str, str]) -> int:
    """What the annotation of a route says; 0 where it says nothing that can be."""
    return _number(annotations.get(f"{PREFIX}hold-seconds", "0"), _HOLD_MOST) or 0


def _number(text: str, most: int) -> int | None:
    fits = text.isascii() and text.isdigit() and len(text) < 7 and int(text) <= most
    return int(text) if fits else None


def _seconds(notes: Mapping[str, str], name: str, most: int, problems: list[str]) -> int:
    text = notes.get(name, "0")
    if _number(text, most) is None:
        problems.append(f"{PREFIX}{name} is {text!r}, not a number of seconds up to {most}")
        return 0
    return int(text)


def _bytes(notes: Mapping[str, str], name: str, problems: list[str]) -> int:
    text = notes.get(name, "0").lower()
    read = _SIZE.fullmatch(text)
    if read is None:
        problems.append(f"{PREFIX}{name} is {text!r}, not a size such as 10m")
        return 0
    return int(read[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[read[2]]

"""Gateways and their routes onto sites: World -> what is added to the Picture. Pure.

Which routes are where, and what cannot be served, is decided in `wherry.api.gateway`, as for their status.
https://gateway-api.sigs.k8s.io/reference/spec/#httproutespec
"""

from __future__ import annotations

import operator
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from wherry.api.gateway.attachment import parents
from wherry.api.gateway.backends import Led, lead, mirrored
from wherry.api.gateway.kinds import (
    BackendRef,
    CORSFilter,
    Filter,
    HeaderFilter,
    HTTPRoute,
    PathModifier,
    Redirect,
    RouteMatch,
    RouteRule,
)
from wherry.api.gateway.listeners import Judged, Judgement, all_of, judge
from wherry.api.gateway.precedence import headers, nearest, order, parameters
from wherry.api.gateway.support import milliseconds, unsupported
from wherry.api.gateway.world import World, age
from wherry.api.networking.ingress_claims import Held
from wherry.api.types.core import Service
from wherry.machinery.meta import Key, key_of
from wherry.network.ingress.backends import Backend, Options
from wherry.network.ingress.routes import Picture, hold_seconds
from wherry.network.ingress.sites import (
    Changes,
    Condition,
    Door,
    Edit,
    Mirror,
    NewPath,
    Rule,
    Sending,
    Sharing,
    Site,
    Target,
)

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Asked:
    """What Gateways ask of the entry. `secrets`: certificates by host name, or by + where they say themselves whose."""

    sites: tuple[Site, ...] = ()
    secrets: Mapping[str, Key] = field(default_factory=dict)

    @property
    def doors(self) -> frozenset[Door]:
        """All ports with a site."""
        return frozenset(site.door for site in self.sites)

    def on(self, ports: Container[int]) -> Asked:
        """The same, of the nodes' ports on these alone."""
        usable = (site for site in self.sites if site.door.address or site.door.port in ports)
        return Asked(tuple(usable), self.secrets)

    def add_to(self, picture: Picture) -> None:
        """Add it to what Ingresses ask."""
        held = picture.held({site.host for site in self.sites if site.rules and not site.door.address})
        picture.sites = tuple(_beside(site, held, picture) for site in self.sites) if held else self.sites
        picture.doors = self.doors
        for host, secret in self.secrets.items():
            picture.secrets.setdefault(host, secret)

    @property
    def backends(self) -> Iterator[Backend]:
        """Everybody who may answer."""
        for site in self.sites:
            yield from site.backends


def _beside(site: Site, held: Mapping[str, Held], picture: Picture) -> Site:
    """A site beside Ingresses: it is asked first where its oldest route had the host before the oldest of them."""
    there = None if site.door.address else held.get(site.host)
    if there is None or not site.rules or site.since >= there.since:
        return site
    for place, owner in there.places.items():
        route = site.taker(place)
        if route is not None:
            whom = f"the HTTPRoute {route} on port {site.door.port}, who had the host first"
            picture.blame(owner, f"{place.shown} is served by {whom}")
    return replace(site, before=True)


Sorted = tuple[tuple[object, ...], Rule, HTTPRoute]
"""A rule with what sorts it, and whose it is."""
At = tuple[Door, str]
"""Where a site is: a port and a host."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a route adds to sites, as long as it and the Services that it names are the same objects."""

    route: HTTPRoute
    services: tuple[tuple[Key, Service | None], ...]
    rules: Mapping[At, tuple[Sorted, ...]]

    def stands(self, world: World, route: HTTPRoute) -> bool:
        """Whether nothing of that is another."""
        return self.route is route and all(world.services.get(key) is found for key, found in self.services)


class Known:
    """What was worked out before, so that with thousands of routes a change of one is small. Changes no answer."""

    def __init__(self) -> None:
        self._basis: object = None
        self._pieces: dict[Key, Piece] = {}
        self._sites: dict[At, tuple[list[tuple[Sorted, ...]], Site]] = {}

    def begin(self, world: World, judgement: Judgement) -> None:
        """Forget all where Gateways, or who may refer to what, are others than before."""
        listeners = [
            (key_of(one.gateway), one.listener, one.kinds, one.served, one.address) for one in all_of(judgement)
        ]
        basis = (listeners, world.grants, world.namespaces)
        if basis != self._basis:
            self._basis = basis
            self._pieces.clear()
        for key in self._pieces.keys() - world.routes.keys():
            del self._pieces[key]

    def piece(self, world: World, judgement: Judgement, route: HTTPRoute) -> Piece:
        """Of a route."""
        key = key_of(route)
        found = self._pieces.get(key)
        if found is None or not found.stands(world, route):
            found = self._pieces[key] = _piece(world, judgement, route)
        return found

    def sites(self, wanted: Mapping[At, list[tuple[Sorted, ...]]]) -> Iterator[Site]:
        """A site for each place; the one that is known where all that is in it is."""
        before, self._sites = self._sites, {}
        for at, parts in wanted.items():
            known = before.get(at)
            if known is not None and len(known[0]) == len(parts) and all(map(operator.is_, known[0], parts)):
                site = known[1]
            else:
                found = sorted(chain.from_iterable(parts), key=operator.itemgetter(0))
                since = next((part[0][2].metadata.creation_timestamp or "" for part in parts if part), "")
                owners = tuple(key_of(route) for _, _, route in found)
                site = Site(*at, tuple(rule for _, rule, _ in found), owners=owners, since=since)
            self._sites[at] = (parts, site)
            yield site


def asked(world: World, known: Known | None = None) -> Asked:
    """Work it out; `known`: with what was so before."""
    known = known or Known()
    judgement = judge(world)
    known.begin(world, judgement)
    rules: dict[At, list[tuple[Sorted, ...]]] = {}
    secrets: dict[str, Key] = {}
    for judged in all_of(judgement):
        if judged.served:
            rules.setdefault((_door(judged), judged.listener.hostname.lower()), [])
            for index, secret in enumerate(judged.secrets):
                host = judged.listener.hostname.lower()
                secrets.setdefault(host if host and not index else f"+{secret}", secret)
    for route in sorted(world.routes.values(), key=age):
        for at, found in known.piece(world, judgement, route).rules.items():
            rules.setdefault(at, []).append(found)
    sites = sorted(known.sites(rules), key=operator.attrgetter("order"))
    return Asked(tuple(sites), secrets)


def _piece(world: World, judgement: Judgement, route: HTTPRoute) -> Piece:
    served: dict[At, None] = {}
    for parent in parents(world, judgement, route):
        for place in parent.places:
            if place.judged.served:
                hosts = nearest(place, judgement[parent.gateway])
                served |= dict.fromkeys((_door(place.judged), host) for host in hosts)
    refs = (ref for rule in route.spec.rules for ref in (*rule.backend_refs, *mirrored(rule)))
    keys = {Key(ref.namespace or route.metadata.namespace, ref.name) for ref in refs}
    return Piece(
        route,
        tuple((key, world.services.get(key)) for key in keys),
        {(door, host): tuple(_rules(world, route, door)) for door, host in served},
    )


def _door(judged: Judged) -> Door:
    return Door(judged.listener.port, judged.secure, judged.address or "")


def _rules(world: World, route: HTTPRoute, door: Door) -> Iterator[Sorted]:
    """A rule for each match, with what sorts it."""
    for number, rule in enumerate(route.spec.rules):
        if unsupported(rule) is not None:
            continue
        targets = tuple(_targets(world, route, rule))
        mirrors = tuple(_mirrors(world, route, rule))
        for place, match in enumerate(rule.matches or (RouteMatch(),)):
            changes = _changes(rule.filters, match)
            redirect = next((one.request_redirect for one in rule.filters if one.request_redirect), None)
            made = Rule(
                tuple(_conditions(match)),
                changes,
                None if redirect is None else _sending(redirect, door),
                targets if redirect is None else (),
                _wait(rule),
                next((_sharing(one.cors) for one in rule.filters if one.cors), None),
                mirrors if redirect is None else (),
            )
            yield (*order(match), age(route), number, place), made, route


def _conditions(match: RouteMatch) -> Iterator[Condition]:
    kind = match.path.type
    match kind:
        case "Exact":
            yield Condition("path", match.path.value)
        case "RegularExpression":
            yield Condition("path-regex", match.path.value)
        case _:
            yield Condition("prefix", match.path.value.rstrip("/") + "/")
    if match.method:
        yield Condition("method", match.method)
    for header in headers(match):
        yield Condition("header-regex" if header.type == "RegularExpression" else "header", header.value, header.name)
    for query in parameters(match):
        yield Condition("query-regex" if query.type == "RegularExpression" else "query", query.value, query.name)


def _targets(world: World, route: HTTPRoute, rule: RouteRule) -> Iterator[Target]:
    for ref in rule.backend_refs:
        if ref.weight > 0:
            yield _target(world, route, ref)


def _target(world: World, route: HTTPRoute, ref: BackendRef) -> Target:
    found = lead(world, route, ref)
    if not isinstance(found, Led):
        return Target(ref.weight, None)
    options = Options(hold=hold_seconds(route.metadata.annotations), protocol="h2c" if found.h2c else "http")
    return Target(ref.weight, Backend(found.service, str(found.port), options), _changes(ref.filters, RouteMatch()))


def _mirrors(world: World, route: HTTPRoute, rule: RouteRule) -> Iterator[Mirror]:
    """Those that lead somewhere."""
    for asked in (one.request_mirror for one in rule.filters):
        found = None if asked is None else lead(world, route, asked.backend_ref)
        if asked is None or not isinstance(found, Led):
            continue
        backend = Backend(found.service, str(found.port), Options(protocol="h2c" if found.h2c else "http"))
        if asked.fraction is not None:
            part, whole = asked.fraction.numerator, asked.fraction.denominator
        else:
            part, whole = 100 if asked.percent is None else asked.percent, 100
        if part > 0:
            yield Mirror(backend, part, whole)


def _wait(rule: RouteRule) -> int:
    asked = [milliseconds(text) for text in (rule.timeouts.request, rule.timeouts.backend_request)]
    return min((one for one in asked if one), default=0)


# --- filters ---


def _changes(filters: Iterable[Filter], match: RouteMatch) -> Changes:
    request: list[Edit] = []
    answer: list[Edit] = []
    host, path = "", None
    for one in filters:
        if one.request_header_modifier is not None:
            request += _edits(one.request_header_modifier)
        if one.response_header_modifier is not None:
            answer += _edits(one.response_header_modifier)
        if one.url_rewrite is not None:
            host, path = one.url_rewrite.hostname, _path(one.url_rewrite.path, match)
        if one.request_redirect is not None:
            path = _path(one.request_redirect.path, match)
    return Changes(tuple(request), tuple(answer), host, path)


def _sharing(cors: CORSFilter) -> Sharing:
    return Sharing(
        cors.allow_origins, cors.allow_methods, cors.allow_headers, cors.expose_headers,
        cors.allow_credentials, cors.max_age,
    )  # fmt: skip


def _edits(headers: HeaderFilter) -> Iterator[Edit]:
    yield from (Edit("set", one.name, one.value) for one in headers.set)
    yield from (Edit("add", one.name, one.value) for one in headers.add)
    yield from (Edit("del", name) for name in headers.remove)


def _path(change: PathModifier | None, match: RouteMatch) -> NewPath | None:
    if change is None:
        return None
    if change.type == "ReplaceFullPath":
        return NewPath(change.replace_full_path or "/", whole=True)
    prefix = match.path.value.rstrip("/") if match.path.type == "PathPrefix" else ""
    return NewPath((change.replace_prefix_match or "").rstrip("/"), whole=False, length=len(prefix))


def _sending(redirect: Redirect, door: Door) -> Sending:
    """The port goes without saying where it is that of the scheme."""
    scheme = redirect.scheme or ("https" if door.secure else "http")
    usual = _PORTS[scheme]
    port = redirect.port or (usual if redirect.scheme else door.port)
    return Sending(redirect.status_code, scheme, redirect.hostname, 0 if port == usual else port)

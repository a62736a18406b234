"""Who answers where several claim the same requests. Pure.

Of routes the older one, within a route the rule that comes first. Between routes and Ingresses, on ports that they
share, whoever had the host name first is asked first, and the other gets what that leaves.
https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wherry.api.gateway.attachment import Parent, Place, parents
from wherry.api.gateway.hostnames import covers, rank
from wherry.api.gateway.kinds import HTTPRoute, Named, ParentRef, RouteMatch
from wherry.api.gateway.listeners import Judged, Judgement
from wherry.api.gateway.support import unsupported
from wherry.api.gateway.world import Verdict, World, age
from wherry.api.networking.ingress_claims import Held
from wherry.api.networking.ingress_claims import Place as Claimed
from wherry.machinery.meta import key_of

_ORDER = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}
_SHOWN = 5
"""Losses that are spelled out."""


class Spot(NamedTuple):
    """A host name at a port: of the nodes, or of an `address` of a Gateway's own."""

    port: int
    address: str
    host: str


Meaning = tuple[object, ...]
"""The same for matches that just the same requests have."""


def order(match: RouteMatch) -> tuple[object, ...]:
    """Sorts matches: the more exact path first, then a method, then more headers, then more parameters."""
    path = match.path.value.rstrip("/") if match.path.type == "PathPrefix" else match.path.value
    return (
        _ORDER[match.path.type], -len(path), not match.method, -len(match.headers), -len(match.query_params)
    )  # fmt: skip


def meaning(match: RouteMatch) -> Meaning:
    """What a match asks for."""
    prefix = match.path.type == "PathPrefix"
    path = match.path.value.rstrip("/") + "/" if prefix else match.path.value
    return (
        match.path.type,
        path,
        match.method,
        tuple(sorted((one.name.lower(), one.type, one.value) for one in headers(match))),
        tuple(sorted((one.name, one.type, one.value) for one in parameters(match))),
    )


def headers(match: RouteMatch) -> Iterable[Named]:
    """Those that count: of one name, in whatever letters, the first."""
    return {one.name.lower(): one for one in reversed(match.headers)}.values()


def parameters(match: RouteMatch) -> Iterable[Named]:
    """The same of query parameters."""
    return {one.name: one for one in reversed(match.query_params)}.values()


def nearest(place: Place, listeners: Iterable[Judged]) -> Iterator[str]:
    """The hosts of a place that no other listener there has more exactly: a request is for one listener alone."""
    door, own = _door(place.judged), rank(place.judged.listener.hostname)
    names = [one.listener.hostname.lower() for one in listeners if one.served and _door(one) == door]
    for host in place.hosts:
        if not any(covers(name, host) and rank(name) > own for name in names):
            yield host


def _door(judged: Judged) -> tuple[int, bool, str | None]:
    return judged.listener.port, judged.secure, judged.address


def spots(parent: Parent, judgement: Judgement) -> Iterator[Spot]:
    """Where requests for a route arrive by one of its parents."""
    for place in parent.places:
        if place.judged.served:
            for host in nearest(place, judgement[parent.gateway]):
                yield Spot(place.judged.listener.port, place.judged.address or "", host)


def matches(route: HTTPRoute) -> Iterator[tuple[int, int, RouteMatch]]:
    """Every match that is served, with the numbers of its rule and within that."""
    for number, rule in enumerate(route.spec.rules):
        if unsupported(rule) is None:
            for place, match in enumerate(rule.matches or (RouteMatch(),)):
                yield number, place, match


# --- who may be in whose way: how rivals are looked up ---


def claimed(route: HTTPRoute) -> Iterator[str]:
    """Texts under which a route is found by those that claim the same."""
    wanted = {meaning(match) for _, _, match in matches(route)}
    return (_text(host, one) for host in own_hosts(route) for one in wanted)


def rivalled(route: HTTPRoute, hosts: Iterable[str]) -> Iterator[str]:
    """Texts under which those are found that may claim the same, at these hosts."""
    wanted = {meaning(match) for _, _, match in matches(route)}
    names = {name for host in hosts for name in covering(host)}
    return (_text(name, one) for name in names for one in wanted)


def _text(host: str, wanted: Meaning) -> str:
    return f"{host} {wanted}"


def own_hosts(route: HTTPRoute) -> set[str]:
    """The host names that a route names, "" for any."""
    return {one.lower() for one in route.spec.hostnames} or {""}


def covering(host: str) -> Iterator[str]:
    """The host name, and every wider one that covers it."""
    yield host
    labels = host.removeprefix("*.").split(".")
    for number in range(1, len(labels)):
        yield "*." + ".".join(labels[number:])
    if host:
        yield ""


# --- what is lost ---


class Loss(NamedTuple):
    """A match that gets no requests at a spot. `to`: who gets them, in words."""

    reason: str
    rule: int
    match: int
    where: str
    to: str

    def __str__(self) -> str:
        return f"match {self.match} of rule {self.rule} ({self.where}) gets no requests: {self.to}"


def lost(
    world: World, judgement: Judgement, route: HTTPRoute, rivals: Iterable[HTTPRoute], ingresses: Mapping[str, Held]
) -> dict[ParentRef, list[Loss]]:  # fmt: skip
    """What a route does not get, by parent. `rivals`: all that may claim the same, and all at hosts that Ingresses have
    too; `ingresses`: by host, what they have."""
    taken: dict[tuple[Spot, Meaning], str] = {}
    began: dict[Spot, str] = {}
    for rival in sorted((one for one in rivals if age(one) < age(route)), key=age):
        for spot in {spot for parent in parents(world, judgement, rival) for spot in spots(parent, judgement)}:
            began.setdefault(spot, rival.metadata.creation_timestamp or "")
            for rule, _, match in matches(rival):
                to = f"rule {rule} of the older HTTPRoute {key_of(rival)} has them"
                taken.setdefault((spot, meaning(match)), to)
    found: dict[ParentRef, list[Loss]] = {}
    for parent in parents(world, judgement, route):
        known = found.setdefault(parent.ref, [])
        for spot in dict.fromkeys(spots(parent, judgement)):
            there = None if spot.address else ingresses.get(spot.host)
            since = began.get(spot, route.metadata.creation_timestamp or "")
            known += _losses(route, spot, taken, there if there is not None and there.since <= since else None)
    return found


def _losses(
    route: HTTPRoute, spot: Spot, taken: Mapping[tuple[Spot, Meaning], str], ahead: Held | None
) -> Iterator[Loss]:  # fmt: skip
    """`ahead`: the Ingresses that are asked before routes."""
    own: dict[Meaning, int] = {}
    for rule, number, match in matches(route):
        where = f"{spot.host or '*'}:{spot.port}{match.path.value}"
        first = own.setdefault(meaning(match), rule * 1000 + number)
        owner = ahead and next((owner for place, owner in ahead.places.items() if takes(place, match)), None)
        to = taken.get((spot, meaning(match)), "")
        if owner:
            yield Loss("IngressConflict", rule, number, where, f"the Ingress {owner} has them, and had the host first")
        elif to:
            yield Loss("RouteConflict", rule, number, where, to)
        elif first != rule * 1000 + number:
            yield Loss("RouteConflict", rule, number, where, f"rule {first // 1000} of the same route has them")


def takes(place: Claimed, match: RouteMatch) -> bool:
    """Whether all requests of a match are for a place of an Ingress, where that is asked first."""
    path = match.path.value
    if place.match == "exact":
        return match.path.type == "Exact" and path == place.path
    if match.path.type == "RegularExpression":
        return place.path == "/"
    return (path.rstrip("/") + "/" if match.path.type == "PathPrefix" else path + "/").startswith(place.path)


def told(losses: Sequence[Loss]) -> Verdict | None:
    """The condition of ours; None where nothing is lost."""
    if not losses:
        return None
    more = len(losses) - _SHOWN
    shown = "; ".join(map(str, losses[:_SHOWN])) + (f"; and {more} more" if more > 0 else "")
    return Verdict("True", losses[0].reason, shown)

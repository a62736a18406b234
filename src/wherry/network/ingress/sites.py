"""Sites: what a host name of a Gateway's port does with requests, as the model behind HAProxy's configuration. Pure.

A site belongs to a port and a host ("" is any, `*.` a suffix of any number of labels). Its rules are in the order in
which they are tried. Where they are no more than Ingress has (a path and one backend), they are routes of the picture
like those of Ingress, under the site's name, and change while HAProxy runs; else they are conditions and actions in its
configuration, and a new worker takes over with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from wherry.api.gateway.hostnames import rank
from wherry.api.networking.ingress_claims import Place
from wherry.machinery.meta import Key
from wherry.network.ingress.backends import Backend

What = Literal["path", "prefix", "path-regex", "method", "header", "header-regex", "query", "query-regex"]


class Condition(NamedTuple):
    """What a request must have. `prefix` ends in a slash; `name` is of a header or query parameter."""

    what: What
    value: str
    name: str = ""


class Edit(NamedTuple):
    """What happens to a header."""

    how: Literal["set", "add", "del"]
    name: str
    value: str = ""


class NewPath(NamedTuple):
    """Another path. `whole`: instead of all of it; else instead of `length` characters that it begins with."""

    text: str
    whole: bool
    length: int = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """Where clients are sent instead: what is "" or 0 stays as they asked."""

    code: int
    scheme: str
    host: str
    port: int
    """0 where it goes without saying."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed in a request and its answer."""

    request: tuple[Edit, ...] = ()
    answer: tuple[Edit, ...] = ()
    host: str = ""
    path: NewPath | None = None


NOTHING = Changes()


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which scripts of other origins may ask and see answers (CORS). `*` alone is any; `seconds`: how long they may
    remember it."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    credentials: bool = False
    seconds: int = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers this share of the requests; nobody: 500."""

    weight: int
    backend: Backend | None
    changes: Changes = NOTHING


class Mirror(NamedTuple):
    """A backend that gets a copy of `part` in `whole` requests."""

    backend: Backend
    part: int = 1
    whole: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests that have all of this, and what is done with them. `wait`: milliseconds for the answer, 0 the usual."""

    conditions: tuple[Condition, ...]
    changes: Changes = NOTHING
    sending: Sending | None = None
    targets: tuple[Target, ...] = ()
    wait: int = 0
    sharing: Sharing | None = None
    mirrors: tuple[Mirror, ...] = ()

    @property
    def backends(self) -> Iterator[Backend]:
        """Everybody who gets requests."""
        yield from (one.backend for one in self.targets if one.backend is not None)
        yield from (one.backend for one in self.mirrors)


class Door(NamedTuple):
    """A port on which sites are: of the nodes, or of an `address` of a Gateway's own."""

    port: int
    secure: bool
    address: str = ""


@dataclass(frozen=True)
class Site:
    """One host of a port. What follows from it is worked out once: it is asked for with every change of any."""

    door: Door
    host: str
    rules: tuple[Rule, ...] = ()
    before: bool = False
    """Whether it is asked before Ingresses of the same host."""
    owners: tuple[Key, ...] = field(default=(), compare=False)
    """The route of each rule."""
    since: str = field(default="", compare=False)
    """When the oldest of them came."""

    @property
    def named(self) -> bool:
        """Whether its host is a name, no wildcard."""
        return bool(self.host) and not self.host.startswith("*.")

    @cached_property
    def name(self) -> str:
        """What it is called in maps: no host of an Ingress has a `|`."""
        at = f"{self.door.address}:" if self.door.address else ""
        return f"{at}{self.door.port}|{self.host or '_'}"

    @cached_property
    def order(self) -> tuple[Door, int, int, str]:
        """Sorts sites: of a port, more exact hosts come first."""
        exact, length = rank(self.host)
        return (self.door, -exact, -length, self.host)

    @property
    def exact(self) -> int:
        """How exact its host is, beside Ingresses': 6 a name, 4 a wildcard, 2 any; one more where it is `before`."""
        return 2 * rank(self.host)[0] + 2 + self.before

    def taker(self, place: Place) -> Key | None:
        """The route that has all requests of a place of an Ingress, where the site is asked before that."""
        exact = place.match == "exact"
        folder = place.path + "/" if exact else place.path
        for rule, owner in zip(self.rules, self.owners, strict=True):
            what, path, _ = rule.conditions[0]
            if len(rule.conditions) == 1 and (
                (what == "prefix" and folder.startswith(path)) or (what == "path" and exact and path == place.path)
            ):
                return owner
        return None

    @cached_property
    def backends(self) -> tuple[Backend, ...]:
        """Everybody who gets requests, each once."""
        return tuple(dict.fromkeys(backend for rule in self.rules for backend in rule.backends))

    @cached_property
    def plain(self) -> Mapping[Place, Backend] | None:
        """Its rules as routes like those of Ingress; None where they are more than that."""
        found: dict[Place, Backend] = {}
        for rule in self.rules:
            if rule != Rule(rule.conditions, targets=rule.targets) or len(rule.conditions) != 1:
                return None
            if len(rule.targets) != 1 or rule.targets[0].backend is None or rule.targets[0].changes != NOTHING:
                return None
            condition = rule.conditions[0]
            if condition.what not in ("path", "prefix") or not _in_maps(condition.value):
                return None
            match: Literal["exact", "prefix"] = "exact" if condition.what == "path" else "prefix"
            found.setdefault(Place(self.name, match, condition.value), rule.targets[0].backend)
        return found


def _in_maps(path: str) -> bool:
    return path.isascii() and path.isprintable() and not set(" \"'\\") & set(path)

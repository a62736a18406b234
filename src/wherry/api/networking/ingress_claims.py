"""What an Ingress claims: hosts and paths, each with its backend; and what of that somebody can answer. Pure.

https://kubernetes.io/docs/concepts/services-networking/ingress/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wherry.api.networking.site_certificates import age
from wherry.api.types.core import Service
from wherry.api.types.networking import Ingress, IngressBackend, ServiceBackendPort
from wherry.machinery.meta import Key, key_of

Match = Literal["exact", "prefix"]
HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.ASCII)
_PATH = re.compile(r"/[\x21\x23-\x26\x28-\x5b\x5d-\x7e]*", re.ASCII)  # printable, no space, quote or backslash


class Place(NamedTuple):
    """What is claimed: a host ("" is any), how the path is compared, and the path; that of a prefix ends in a slash."""

    host: str
    match: Match
    path: str

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.host or '*'}{self.path}"


@dataclass(slots=True)
class Held:
    """What Ingresses have of a host: `since` when, by the oldest of them, and whose each place is."""

    since: str
    places: dict[Place, Key]


def claims(ingress: Ingress, problems: list[str]) -> Iterator[tuple[Place, IngressBackend]]:
    """Each place; what cannot be one is added to `problems`."""
    for rule in ingress.spec.rules:
        host = rule.host.lower()
        if host and HOST.fullmatch(host) is None:
            problems.append(f"the host {rule.host!r} is not a DNS name")
            continue
        for path in rule.http.paths if rule.http is not None else ():
            text = path.path or "/"
            if _PATH.fullmatch(text) is None:
                problems.append(f"the path {path.path!r} holds what cannot be in a path")
                continue
            match: Match = "exact" if path.path_type == "Exact" else "prefix"
            yield Place(host, match, text if match == "exact" else text.rstrip("/") + "/"), path.backend
        if rule.http is None and ingress.spec.default_backend is not None:
            yield Place(host, "prefix", "/"), ingress.spec.default_backend
    if ingress.spec.default_backend is not None:
        yield Place("", "prefix", "/"), ingress.spec.default_backend


def backends_of(ingress: Ingress) -> set[Key]:
    """The Services that it leads to."""
    named = (backend.service for _, backend in claims(ingress, []) if backend.service is not None)
    return {Key(ingress.metadata.namespace, one.name) for one in named}


def port_of(service: Service, wanted: ServiceBackendPort) -> str | None:
    """The number of the Service's port, as text; None where it has no such port."""
    for port in service.spec.ports:
        if (wanted.name and port.name == wanted.name) or (not wanted.name and port.port == wanted.number):
            return str(port.port)
    return None


def held(ingresses: Iterable[Ingress], services: Mapping[Key, Service]) -> dict[str, Held]:
    """What these Ingresses have, by host: of several that claim the same, the older one; nothing that leads nowhere."""
    found: dict[str, Held] = {}
    for ingress in sorted(ingresses, key=age):
        for place, backend in claims(ingress, []):
            service = backend.service and services.get(Key(ingress.metadata.namespace, backend.service.name))
            if backend.service and service and port_of(service, backend.service.port) is not None:
                since = ingress.metadata.creation_timestamp or ""
                there = found.setdefault(place.host, Held(since, {}))
                there.places.setdefault(place, key_of(ingress))
    return found

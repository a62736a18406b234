"""v1 Endpoints: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.columns import AGE, first_few
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.core import Endpoints, EndpointSubset
from wherry.machinery.resource import Column


def _endpoints(endpoints: Endpoints, _: float) -> str:
    if not endpoints.subsets:
        return "<none>"
    found: list[str] = []
    for subset in endpoints.subsets:
        ips = [a.ip for a in subset.addresses]
        found += [_joined(ip, p.port) for p in subset.ports for ip in ips] if subset.ports else ips
    return first_few(found) if found else ""


def _joined(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


COLUMNS: tuple[Column[Endpoints], ...] = (
    Column("Endpoints", _endpoints),
    AGE,
)


def _default_subset(subset: EndpointSubset) -> EndpointSubset:
    return within(subset, ports=each(lambda port: fill(port, protocol="TCP")))


def default(endpoints: Endpoints) -> Endpoints:
    """Ports are TCP."""
    return within(endpoints, subsets=each(_default_subset))


ENDPOINTS = declare(Endpoints, columns=COLUMNS, default=default)

"""v1 Endpoints: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.checks import Errors, named, numbered, one_of
from wherry.api.columns import AGE, first_few
from wherry.api.core.service_validation import PROTOCOLS, usable_ip
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.core import EndpointAddress, EndpointPort, Endpoints, EndpointSubset
from wherry.machinery.names import dns_label, dns_subdomain, port_number, qualified_name
from wherry.machinery.resource import Column
from wherry.machinery.validation import required


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


def validate(new: Endpoints, old: Endpoints | None) -> Errors:
    """Addresses that can be reached, ports with names where there are several."""
    if old is not None and old.subsets == new.subsets:
        return
    for index, subset in enumerate(new.subsets):
        at = f"subsets[{index}]"
        if not subset.addresses and not subset.not_ready_addresses:
            yield required(at, "must specify `addresses` or `notReadyAddresses`")
        for place, address in enumerate(subset.addresses):
            yield from _address(f"{at}.addresses[{place}]", address)
        for place, address in enumerate(subset.not_ready_addresses):
            yield from _address(f"{at}.notReadyAddresses[{place}]", address)
        for place, port in enumerate(subset.ports):
            yield from _port(f"{at}.ports[{place}]", port, need_name=len(subset.ports) > 1)


def _address(path: str, address: EndpointAddress) -> Errors:
    yield from usable_ip(f"{path}.ip", address.ip)
    if address.hostname:
        yield from named(f"{path}.hostname", address.hostname, dns_label)
    if address.node_name is not None:
        yield from named(f"{path}.nodeName", address.node_name, dns_subdomain)


def _port(path: str, port: EndpointPort, *, need_name: bool) -> Errors:
    if port.name:
        yield from named(f"{path}.name", port.name, dns_label)
    elif need_name:
        yield required(f"{path}.name")
    yield from numbered(f"{path}.port", port.port, port_number)
    yield from one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
    if port.app_protocol is not None:
        yield from named(f"{path}.appProtocol", port.app_protocol, qualified_name)


ENDPOINTS = declare(
    Endpoints,
    deprecated="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    columns=COLUMNS,
    default=default,
    validate=validate,
)

"""discovery.k8s.io/v1 EndpointSlice: what the API adds to its schema (`wherry.api.types.discovery`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from wherry.api.checks import Errors, fixed, label_map, named, one_of, parsed_ip, unique, unsupported
from wherry.api.columns import AGE, first_few
from wherry.api.core.service_validation import PROTOCOLS, usable_ip
from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.types.discovery import Endpoint, EndpointPort, EndpointSlice
from wherry.machinery.names import dns_label, dns_subdomain, label_value, qualified_name
from wherry.machinery.resource import Column
from wherry.machinery.validation import duplicate, invalid, required, too_many


def _port(port: EndpointPort) -> str:
    if port.port is not None:
        return str(port.port)
    return "*" if port.name is None else port.name


COLUMNS: tuple[Column[EndpointSlice], ...] = (
    Column("AddressType", lambda s, _: s.address_type),
    Column("Ports", lambda s, _: first_few([_port(p) for p in s.ports])),
    Column("Endpoints", lambda s, _: first_few([a for e in s.endpoints for a in e.addresses])),
    AGE,
)


def _default_port(port: EndpointPort) -> EndpointPort:
    port = replace(port, protocol="TCP") if port.protocol is None else port
    return replace(port, name="") if port.name is None else port


def default(slice_: EndpointSlice) -> EndpointSlice:
    """Ports are TCP and have a name, if only an empty one."""
    return within(slice_, ports=each(_default_port))


def prepare(new: EndpointSlice, old: EndpointSlice | None) -> EndpointSlice:
    """Without what versions before v1 said of places."""
    if old is not None and old.endpoints == new.endpoints:
        return new
    if not any(endpoint.deprecated_topology for endpoint in new.endpoints):
        return new
    plain = tuple(replace(e, deprecated_topology={}) if e.deprecated_topology else e for e in new.endpoints)
    return replace(new, endpoints=plain)


MAX_ENDPOINTS = 1000
MAX_PORTS = 20000
MAX_ADDRESSES = 100
MAX_HINTS = 8


def validate(new: EndpointSlice, old: EndpointSlice | None) -> Errors:
    """Addresses of its type, ports with different names."""
    yield from one_of("addressType", new.address_type, ("FQDN", "IPv4", "IPv6"))
    if len(new.ports) > MAX_PORTS:
        yield too_many("ports", len(new.ports), MAX_PORTS)
    names: set[str] = set()
    for index, port in enumerate(new.ports):
        yield from _check_port(f"ports[{index}]", port, names)
    if old is None or old.endpoints != new.endpoints:
        if len(new.endpoints) > MAX_ENDPOINTS:
            yield too_many("endpoints", len(new.endpoints), MAX_ENDPOINTS)
        for index, endpoint in enumerate(new.endpoints):
            yield from _endpoint(f"endpoints[{index}]", endpoint, new.address_type)
    if old is not None:
        yield from fixed("addressType", new.address_type, old.address_type)


def _check_port(path: str, port: EndpointPort, names: set[str]) -> Errors:
    name = port.name or ""
    if name:
        yield from named(f"{path}.name", name, dns_label)
    if name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name)
    if port.protocol is None:
        yield required(f"{path}.protocol")
    elif port.protocol not in PROTOCOLS:
        yield unsupported(f"{path}.protocol", port.protocol, PROTOCOLS)
    if port.app_protocol is not None:
        yield from named(f"{path}.appProtocol", port.app_protocol, qualified_name)


def _endpoint(path: str, endpoint: Endpoint, kind: str) -> Errors:
    if not endpoint.addresses:
        yield required(f"{path}.addresses")
    elif len(endpoint.addresses) > MAX_ADDRESSES:
        yield too_many(f"{path}.addresses", len(endpoint.addresses), MAX_ADDRESSES)
    for index, address in enumerate(endpoint.addresses):
        yield from _address(f"{path}.addresses[{index}]", address, kind)
    if endpoint.node_name is not None:
        yield from named(f"{path}.nodeName", endpoint.node_name, dns_subdomain)
    yield from label_map(f"{path}.deprecatedTopology", endpoint.deprecated_topology)
    if endpoint.hostname is not None:
        yield from named(f"{path}.hostname", endpoint.hostname, dns_label)
    if endpoint.hints is not None:
        zones = [zone.name for zone in endpoint.hints.for_zones]
        nodes = [node.name for node in endpoint.hints.for_nodes]
        yield from _hints(f"{path}.hints.forZones", zones, label_value)
        yield from _hints(f"{path}.hints.forNodes", nodes, dns_subdomain)


def _hints(path: str, hints: Sequence[str], check: Callable[[str], list[str]]) -> Errors:
    if len(hints) > MAX_HINTS:
        yield too_many(path, len(hints), MAX_HINTS)
    yield from unique(path, hints, ".name")
    for index, name in enumerate(hints):
        yield from named(f"{path}[{index}].name", name, check)


def _address(path: str, address: str, kind: str) -> Errors:
    if kind == "FQDN":
        yield from named(path, address.removesuffix("."), dns_subdomain)
        return
    if kind not in ("IPv4", "IPv6"):
        return
    yield from usable_ip(path, address)
    found = parsed_ip(address)
    if found is not None and f"IPv{found.version}" != kind:
        yield invalid(path.rpartition("[")[0], address, f"must be an {kind} address")


ENDPOINTSLICE = declare(EndpointSlice, columns=COLUMNS, default=default, prepare=prepare, validate=validate)

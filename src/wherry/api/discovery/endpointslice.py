"""discovery.k8s.io/v1 EndpointSlice: what the API adds to its schema (`wherry.api.types.discovery`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, first_few
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.discovery import EndpointPort, EndpointSlice
from wherry.machinery.resource import Column


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
    port = fill(port, protocol="TCP")
    return replace(port, name="") if port.name is None else port


def default(slice_: EndpointSlice) -> EndpointSlice:
    """Ports are TCP and have a name, if only an empty one."""
    return within(slice_, ports=each(_default_port))


ENDPOINTSLICE = declare(EndpointSlice, columns=COLUMNS, default=default)

"""discovery.k8s.io/v1 EndpointSlice: what the API adds to its schema (`wherry.api.types.discovery`)."""

from __future__ import annotations

from wherry.api.columns import AGE, first_few
from wherry.api.declare import declare
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

ENDPOINTSLICE = declare(EndpointSlice, columns=COLUMNS)

"""From a Service and a port to the address of one ready endpoint: how the API server reaches what it is told to.

Webhooks, conversions and aggregated APIs name Services; the API server stands where pods' addresses are reachable, so
it dials an endpoint and leaves the service proxy out. The messages are upstream's.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Service, ServicePort
from wherry.api.types.discovery import EndpointSlice
from wherry.apiserver.api import Api
from wherry.machinery.errors import NotFound, ServiceUnavailable

_SERVICE = "kubernetes.io/service-name"


class Address(NamedTuple):
    """Where to dial; `host` is an IP address, or for an ExternalName Service a DNS name."""

    host: str
    port: int


def resolve(api: Api, namespace: str, name: str, port: int) -> Address:
    """One ready endpoint, by chance, of a Service's port. Raises NotFound, ServiceUnavailable."""
    entry = api.find(SERVICE, namespace, name)
    if entry is None:
        raise NotFound(f'service "{name}" not found', details={"name": name, "kind": "service"})
    service = entry.obj
    if service.spec.type == "ExternalName":
        return Address(service.spec.external_name, port)
    wanted = port_of(service, port)
    slices = [found.obj for found in api.window(ENDPOINTSLICE).list(namespace).items]
    addresses = ready(slices, name, wanted.name)
    family = service.spec.ip_families[0] if service.spec.ip_families else "IPv4"
    chosen = [address for kind, address in addresses if kind == family] or [address for _, address in addresses]
    if not chosen:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    by_text = {f"{address.host} {address.port}": address for address in chosen}
    return by_text[api.random.choice(tuple(by_text))]


def port_of(service: Service, port: int) -> ServicePort:
    """The Service's port with this number. Raises ServiceUnavailable."""
    for own in service.spec.ports:
        if own.port == port:
            return own
    raise ServiceUnavailable(f'no service port {port} found for service "{service.metadata.name}"')


def ready(slices: Iterable[EndpointSlice], service: str, port_name: str) -> list[tuple[str, Address]]:
    """(IPv4 or IPv6, address) of every ready endpoint of a Service that serves this port."""
    return [found for piece in slices if piece.metadata.labels.get(_SERVICE) == service
            for found in _of_slice(piece, port_name)]  # fmt: skip


def _of_slice(piece: EndpointSlice, port_name: str) -> Iterator[tuple[str, Address]]:
    number = next((p.port for p in piece.ports if (p.name or "") == port_name and p.port), None)
    if number is None:
        return
    for endpoint in piece.endpoints:
        if endpoint.conditions.ready is not False and endpoint.addresses:
            yield piece.address_type, Address(endpoint.addresses[0], number)

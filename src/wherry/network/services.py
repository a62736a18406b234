"""Services: what happens to a new connection, decided from a Service, its EndpointSlices and where the node stands.

Pure: no I/O, no clock. The result is flat data, one Entry per front (protocol, address, port), which
`wherry.network.rules.nft` turns into map elements. Rules that hold here:

- ready endpoints are used; only when none is ready, those that still serve while terminating (KEP-1669);
- of those, the ones on nodes that give no sign only when there are no others;
- internalTrafficPolicy Local limits the cluster IP to this node's endpoints, externalTrafficPolicy Local limits
  connections from outside on node ports, external and load balancer addresses; pods and the node still reach all;
- topology hints are followed only when every ready endpoint has them and at least one names this node or its zone;
- endpoints on loopback, link-local, multicast or unspecified addresses are never used (CVE-2021-25737);
- headless and ExternalName services, and those handed to another proxy by label, have no fronts.

https://kubernetes.io/docs/reference/networking/virtual-ips/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import NamedTuple

from wherry.api.types.core import Service, ServicePort
from wherry.api.types.discovery import Endpoint, EndpointPort, EndpointSlice

OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"
SERVICE_NAME = "kubernetes.io/service-name"
_AFFINITY_SECONDS = 10800
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp", "": "tcp"}


class Front(NamedTuple):
    """Where connections are sent to. `address` "" is every address of the node (node ports, host ports)."""

    protocol: str
    address: str
    port: int


class Target(NamedTuple):
    """Where connections end up."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The fate of new connections to one front.

    `inside`: targets for connections from pods and from the node. `outside`: targets for the others where they differ,
    else None. `affinity`: seconds a client keeps its target, 0 for none. `refuse`: with no target, whether the client
    is told (else the packet is dropped, the client tries again). `ranges`: the client networks allowed, all if empty.
    """

    inside: tuple[Target, ...]
    outside: tuple[Target, ...] | None = None
    affinity: int = 0
    refuse: bool = True
    ranges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """The node for which rules are made. `silent`: others that give no sign (`neighbours.py`)."""

    node: str
    zone: str = ""
    silent: frozenset[str] = frozenset()


class _Candidate(NamedTuple):
    target: Target
    endpoint: Endpoint


@lru_cache(65536)
def address(text: str) -> str:
    """`text` if it is a plain IPv4 address, else ""."""
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        return ""


@lru_cache(65536)
def _endpoint_address(text: str) -> str:
    valid = address(text)
    if not valid:
        return ""
    ip = IPv4Address(valid)
    forbidden = ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified
    return "" if forbidden else valid


def _network(text: str) -> str:
    try:
        return str(IPv4Network(text.strip(), strict=False))
    except (AddressValueError, NetmaskValueError, ValueError):
        return ""


def port_number(number: int | None) -> int:
    """`number` if it is a port, else 0."""
    return number if isinstance(number, int) and 0 < number < 65536 else 0


def handled(service: Service) -> bool:
    """Whether the service has addresses that this proxy serves."""
    spec = service.spec
    return (
        spec.type != "ExternalName"
        and spec.cluster_ip not in ("", "None")
        and OTHER_PROXY not in service.metadata.labels
    )


def ready(endpoint: Endpoint) -> bool:
    """Whether the endpoint takes new connections. Unset means yes."""
    return endpoint.conditions.ready is not False


def _closing(endpoint: Endpoint) -> bool:
    conditions = endpoint.conditions
    return conditions.serving is not False and conditions.terminating is True


def _matching(service_port: ServicePort, protocol: str, ports: Iterable[EndpointPort]) -> Iterator[int]:
    for port in ports:
        same = (port.name or "") == service_port.name and _PROTOCOLS.get(port.protocol or "") == protocol
        if same and port_number(port.port):
            yield port_number(port.port)


def _candidates(service_port: ServicePort, protocol: str, slices: Iterable[EndpointSlice]) -> list[_Candidate]:
    found: dict[Target, _Candidate] = {}
    for piece in slices:
        if piece.address_type != "IPv4":
            continue
        for number in _matching(service_port, protocol, piece.ports):
            for endpoint in piece.endpoints:
                ip = _endpoint_address(endpoint.addresses[0]) if endpoint.addresses else ""
                target = Target(ip, number)
                if ip and (target not in found or ready(endpoint)):
                    found[target] = _Candidate(target, endpoint)
    return list(found.values())


def _by_hints(candidates: list[_Candidate], place: Place) -> list[_Candidate]:
    """Those hinted for this node, else for its zone, else all (KEP-2433, KEP-3015)."""
    hints = [c.endpoint.hints for c in candidates]
    tests: list[Callable[[_Candidate], bool]] = []
    if all(h is not None and h.for_nodes for h in hints):
        tests.append(lambda c: any(n.name == place.node for n in c.endpoint.hints.for_nodes))  # type: ignore[union-attr]  # tested above
    if place.zone and all(h is not None and h.for_zones for h in hints):
        tests.append(lambda c: any(z.name == place.zone for z in c.endpoint.hints.for_zones))  # type: ignore[union-attr]  # tested above
    for test in tests:
        chosen = [c for c in candidates if test(c)]
        if chosen:
            return chosen
    return candidates


def _prefer_others(candidates: list[_Candidate], silent: frozenset[str]) -> list[_Candidate]:
    """Those on nodes that give a sign, if there is one, else all."""
    return [c for c in candidates if c.endpoint.node_name not in silent] or candidates


def _usable(candidates: list[_Candidate]) -> list[_Candidate]:
    return [c for c in candidates if ready(c.endpoint)] or [c for c in candidates if _closing(c.endpoint)]


def _targets(candidates: list[_Candidate]) -> tuple[Target, ...]:
    return tuple(sorted(c.target for c in candidates))


@dataclass(frozen=True, slots=True)
class _Choice:
    """The targets of one service port: all of the cluster's, and this node's."""

    cluster: tuple[Target, ...]
    local: tuple[Target, ...]


def _choose(candidates: list[_Candidate], place: Place) -> _Choice:
    usable = _usable(candidates)
    usable = _prefer_others(usable, place.silent) if place.silent else usable
    near = _by_hints(usable, place) if usable and ready(usable[0].endpoint) else usable
    local = _usable([c for c in candidates if c.endpoint.node_name == place.node])
    return _Choice(_targets(near), _targets(local))


def affinity_seconds(service: Service) -> int:
    """How long a client keeps its endpoint; 0 without session affinity."""
    if service.spec.session_affinity != "ClientIP":
        return 0
    config = service.spec.session_affinity_config
    client = config.client_ip if config else None
    return (client.timeout_seconds if client else None) or _AFFINITY_SECONDS


def _ingress_addresses(service: Service) -> Iterator[str]:
    for ingress in service.status.load_balancer.ingress:
        if ingress.ip_mode != "Proxy" and address(ingress.ip):
            yield address(ingress.ip)


def _source_ranges(service: Service) -> tuple[str, ...]:
    return tuple(filter(None, map(_network, service.spec.load_balancer_source_ranges)))


def _external(service: Service, choice: _Choice) -> Entry:
    local_only = service.spec.external_traffic_policy == "Local"
    return Entry(choice.cluster, choice.local if local_only else None, affinity_seconds(service))


def _fronts(service: Service, port: ServicePort, protocol: str, choice: _Choice) -> Iterator[tuple[Front, Entry]]:
    spec = service.spec
    local_only = spec.internal_traffic_policy == "Local"
    inside = choice.local if local_only else choice.cluster
    for ip in filter(None, map(address, spec.cluster_ips or (spec.cluster_ip,))):
        refuse = not choice.cluster
        yield Front(protocol, ip, port.port), Entry(inside, None, affinity_seconds(service), refuse)
    external = _external(service, choice)
    for ip in filter(None, map(address, spec.external_ips)):
        yield Front(protocol, ip, port.port), external
    ranges = _source_ranges(service)
    for ip in _ingress_addresses(service):
        entry = Entry(external.inside, external.outside, external.affinity, ranges=ranges) if ranges else external
        yield Front(protocol, ip, port.port), entry
    if port_number(port.node_port):
        yield Front(protocol, "", port.node_port), external


def entries(service: Service, slices: Iterable[EndpointSlice], place: Place) -> dict[Front, Entry]:
    """Every front of a service and what happens there, on this node. Empty for services without addresses."""
    result: dict[Front, Entry] = {}
    if not handled(service):
        return result
    pieces = [s for s in slices if HEADLESS not in s.metadata.labels]
    for port in service.spec.ports:
        protocol = _PROTOCOLS.get(port.protocol)
        if protocol is None or not port_number(port.port):
            continue
        choice = _choose(_candidates(port, protocol, pieces), place)
        for front, entry in _fronts(service, port, protocol, choice):
            result.setdefault(front, entry)
    return result


def local_endpoints(slices: Iterable[EndpointSlice], place: Place) -> int:
    """How many ready endpoints are on this node: what a health check node port tells load balancers."""
    seen = {
        endpoint.addresses[0]
        for piece in slices
        for endpoint in piece.endpoints
        if endpoint.addresses and endpoint.node_name == place.node and ready(endpoint)
    }
    return len(seen)

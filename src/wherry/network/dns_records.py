"""The zone cluster.local as data: which names exist and what they answer, from Services and EndpointSlices. Pure.

`Zone.put` and `Zone.drop` keep it; `find` answers. Names are lower-case text without the final dot. What is served:
SERVICE.NS.svc (A; CNAME for ExternalName), _PORT._PROTOCOL.SERVICE.NS.svc (SRV), HOST.SERVICE.NS.svc for endpoints of
headless services, A-B-C-D.NS.pod, PTR for cluster IPs and headless endpoints, dns-version (TXT), and the zone's own
SOA and NS. A name with children but no records exists and is empty (NODATA), others do not exist (NXDOMAIN).

https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from wherry.api.types.core import Service
from wherry.api.types.discovery import Endpoint, EndpointSlice
from wherry.machinery.meta import Key, key_of
from wherry.network.services import address, ready

VERSION = "1.1.0"
_REVERSE = ".in-addr.arpa"


@dataclass(frozen=True, slots=True)
class Record:
    """What one name answers: addresses, (port, target name) pairs, an alias, names for an address, texts."""

    a: tuple[str, ...] = ()
    srv: tuple[tuple[int, str], ...] = ()
    cname: str = ""
    ptr: tuple[str, ...] = ()
    txt: str = ""
    apex: bool = False


EMPTY = Record()


def _host(endpoint: Endpoint) -> str:
    """The label under which an endpoint of a headless service is found."""
    return (endpoint.hostname or "").lower() or endpoint.addresses[0].replace(".", "-")


def _endpoints(slices: Iterable[EndpointSlice]) -> Iterator[tuple[EndpointSlice, Endpoint]]:
    for piece in slices:
        if piece.address_type != "IPv4":
            continue
        for endpoint in piece.endpoints:
            if endpoint.addresses and address(endpoint.addresses[0]) and ready(endpoint):
                yield piece, endpoint


def _reverse(ip: str) -> str:
    return ".".join(reversed(ip.split("."))) + _REVERSE


def _merge(records: dict[str, Record], name: str, new: Record) -> None:
    old = records.get(name, EMPTY)
    a = tuple(dict.fromkeys((*old.a, *new.a)))
    srv = tuple(dict.fromkeys((*old.srv, *new.srv)))
    records[name] = Record(a, srv, new.cname, tuple(dict.fromkeys((*old.ptr, *new.ptr))))


def _headless(base: str, slices: Iterable[EndpointSlice]) -> dict[str, Record]:
    records: dict[str, Record] = {}
    for piece, endpoint in _endpoints(slices):
        ip, host = endpoint.addresses[0], f"{_host(endpoint)}.{base}"
        _merge(records, base, Record(a=(ip,)))
        _merge(records, host, Record(a=(ip,)))
        _merge(records, _reverse(ip), Record(ptr=(host,)))
        for port in piece.ports:
            if port.name and port.port:
                name = f"_{port.name}._{(port.protocol or 'TCP').lower()}.{base}"
                _merge(records, name, Record(srv=((port.port, host),)))
    return records


def records_of(service: Service, slices: Iterable[EndpointSlice], zone: str) -> dict[str, Record]:
    """Every name that exists because of one service."""
    base = f"{service.metadata.name}.{service.metadata.namespace}.svc.{zone}"
    spec = service.spec
    if spec.type == "ExternalName":
        return {base: Record(cname=spec.external_name.rstrip(".").lower())} if spec.external_name else {}
    if spec.cluster_ip == "None":
        # the service exists even while none of its endpoints does
        return {base: EMPTY, **_headless(base, slices)}
    records: dict[str, Record] = {}
    for ip in filter(None, map(address, spec.cluster_ips or (spec.cluster_ip,))):
        _merge(records, base, Record(a=(ip,)))
        _merge(records, _reverse(ip), Record(ptr=(base,)))
    for port in spec.ports if records else ():
        if port.name:
            name = f"_{port.name}._{(port.protocol or 'TCP').lower()}.{base}"
            records[name] = Record(srv=((port.port, base),))
    return records


class Zone:
    """All names of the cluster."""

    def __init__(
        self, name: str = "cluster.local", reverse: Iterable[IPv4Network] = (), dns: str = "10.96.0.10"
    ) -> None:
        self.name = name
        self.nameserver = f"ns.dns.{name}"
        self._reverse = tuple(reverse)
        self._fixed = {
            name: Record(apex=True),
            f"dns-version.{name}": Record(txt=VERSION),
            self.nameserver: Record(a=(dns,)),
            f"dns.{name}": EMPTY,
            f"svc.{name}": EMPTY,
            f"pod.{name}": EMPTY,
        }
        self._pods = f".pod.{name}"
        self._records: dict[str, dict[Key, Record]] = {}
        self._owned: dict[Key, dict[str, Record]] = {}
        self._parents: Counter[str] = Counter()

    def put(self, service: Service, slices: Iterable[EndpointSlice]) -> None:
        """Make the service's names what it says now."""
        key = key_of(service)
        old, new = self._owned.get(key, {}), records_of(service, slices, self.name)
        if old == new:
            return
        self._owned[key] = new
        for name in old.keys() - new.keys():
            self._remove(key, name)
        for name, record in new.items():
            owners = self._records.setdefault(name, {})
            if not owners:
                self._parents.update(self._above(name))
            owners[key] = record

    def drop(self, key: Key) -> None:
        """Forget a service."""
        for name in self._owned.pop(key, {}):
            self._remove(key, name)

    def _remove(self, key: Key, name: str) -> None:
        owners = self._records[name]
        del owners[key]
        if not owners:
            del self._records[name]
            for parent in self._above(name):
                self._parents[parent] -= 1
                if not self._parents[parent]:
                    del self._parents[parent]

    def _above(self, name: str) -> Iterator[str]:
        """The names between this one and `svc.ZONE`."""
        end = f".svc.{self.name}"
        while name.endswith(end):
            name = name.partition(".")[2]
            yield name

    def serves(self, name: str) -> bool:
        """Whether the answer, even "no such name", is this zone's to give."""
        if name == self.name or name.endswith("." + self.name):
            return True
        return name.endswith(_REVERSE) and self._serves_reverse(name)

    def _serves_reverse(self, name: str) -> bool:
        labels = name.removesuffix(_REVERSE).split(".")
        try:
            ip = IPv4Address(".".join(reversed(labels)))
        except AddressValueError:
            return False
        return any(ip in network for network in self._reverse)

    def find(self, name: str) -> Record | None:
        """The records of a name; EMPTY when it exists without any, None when it does not exist."""
        owners = self._records.get(name)
        if owners:
            if len(owners) == 1:
                return next(iter(owners.values()))
            merged: dict[str, Record] = {}
            for record in owners.values():
                _merge(merged, name, record)
            return merged[name]
        if name in self._fixed:
            return self._fixed[name]
        if name in self._parents:
            return EMPTY
        return self._pod(name) if name.endswith(self._pods) else None

    def _pod(self, name: str) -> Record | None:
        labels = name.removesuffix(self._pods).split(".")
        if len(labels) == 1:
            return EMPTY
        ip = address(labels[0].replace("-", ".")) if len(labels) == 2 else ""
        return Record(a=(ip,)) if ip else None

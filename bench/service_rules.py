"""Service rules: 10,000 services into the kernel, and one change with all of them there.

`python -m bench.service_rules [services] [endpoints each]` as root; works in a network namespace that it makes and
removes. "decide": API objects to fronts. "write": fronts to the transaction's text. "kernel": libnftables and the
kernel; a second time into the table that stands there, as a new process does. A change replaces one of a service's
endpoints, from the API object to the rule in force.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

from bench.rows import Row, table
from wherry.api.types.core import Service, ServicePort, ServiceSpec
from wherry.api.types.discovery import Endpoint, EndpointPort, EndpointSlice
from wherry.host import netns, nft
from wherry.machinery.meta import ObjectMeta
from wherry.network.rules.nft import TABLE, Networks, Ruleset
from wherry.network.rules.standing import listed
from wherry.network.services import Entry, Front, Place, entries

SPACE = "wherry-bench"
HERE = Place("n1")
CHANGES = 200


def service(number: int) -> Service:
    ip = str(IPv4Address("10.96.1.0") + number)
    ports = (ServicePort(name="http", port=80, protocol="TCP"),)
    return Service(
        metadata=ObjectMeta(name=f"s{number}", namespace="bench"),
        spec=ServiceSpec(cluster_ip=ip, cluster_ips=(ip,), ports=ports, type="ClusterIP"),
    )


def slice_of(number: int, count: int, turn: int = 0) -> EndpointSlice:
    first = IPv4Address("10.244.0.10") + number * count
    hosts = [first + n for n in range(count)]
    if turn:
        hosts[turn % count] = IPv4Address("10.250.0.1") + turn
    return EndpointSlice(
        metadata=ObjectMeta(name=f"s{number}-1", namespace="bench"),
        address_type="IPv4",
        endpoints=tuple(Endpoint(addresses=(str(host),), node_name=f"n{host.packed[2]}") for host in hosts),
        ports=(EndpointPort(name="http", port=8080, protocol="TCP"),),
    )


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(services: int, count: int) -> list[Row]:
    made = [(service(n), slice_of(n, count)) for n in range(services)]
    rules = Ruleset(Networks(subnet=IPv4Network("10.244.1.0/24")))
    fronts: list[dict[Front, Entry]] = []
    texts: list[str] = []

    def write() -> None:
        for number, wanted in enumerate(fronts):
            rules.set(f"bench/s{number}", wanted)
        texts.append(rules.whole())

    decide = timed(lambda: fronts.extend(entries(s, (p,), HERE) for s, p in made))
    written = timed(write)
    nft.run("list tables\n")
    kernel = min(timed(lambda: nft.run(texts[0])) for _ in range(3))
    stands = timed(lambda: nft.run(rules.refill(listed(nft.outline(TABLE)))))
    changes: list[float] = []
    for turn in range(1, CHANGES + 1):
        number = turn * 7 % services

        def change(number: int = number, turn: int = turn) -> None:
            rules.set(f"bench/s{number}", entries(made[number][0], (slice_of(number, count, turn),), HERE))
            nft.run(rules.take())

        changes.append(timed(change) * 1000)
    changes.sort()
    title = f"service rules: {services} services, {count} endpoints each"
    loaded = f"kernel {kernel:.2f} s; before it decide {decide:.2f} s, write {written:.2f} s"
    changed = f"p50 {statistics.median(changes):.2f} ms, p99 {changes[int(len(changes) * 0.99)]:.2f} ms"
    return [
        Row(f"{title}: load", loaded, "0.5 s"),
        Row("... into the table that stands there", f"{stands:.2f} s", ""),
        Row("... one change", changed, "5 ms"),
    ]


def rows(services: int = 10_000, count: int = 2) -> list[Row]:
    """The lines of the table; none without root."""
    if os.geteuid() != 0:
        return []
    netns.create(SPACE)
    try:
        with netns.entered(SPACE):
            return measure(services, count)
    finally:
        netns.delete(SPACE)


if __name__ == "__main__":
    print(table(rows(*map(int, sys.argv[1:]))))

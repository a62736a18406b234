"""Cluster DNS: answers per second over UDP on loopback, the server on one core, the asking process on another.

`python -m bench.dns [seconds]` as root, in a network namespace of its own. 2,000 services; each query asks for one of
them, as a pod's first search domain makes it. Beside it the share that asks for names which do not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from typing import Any, cast

import uvloop

from bench.rows import Row, table
from wherry.aio.clock import SystemClock
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Service, ServicePort, ServiceSpec
from wherry.client.interface import ALL, Client, Event, Select
from wherry.host import netns
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.resource import Resource
from wherry.network.dns import Server
from wherry.network.dns_forward import Forwarder
from wherry.network.dns_records import Zone
from wherry.network.dns_wire import encode_name
from wherry.reconcile.cache import Caches, Pace

SPACE = "wherry-bench"
AT = ("127.0.0.1", 5353)
NAMES = 2000
WINDOW = 64


class Fixed:
    """A client with services that never change."""

    async def watch(
        self, resource: Resource[Any], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[Any]]:
        for number in range(NAMES) if resource is SERVICE else ():
            ip = f"10.96.{number // 250 + 1}.{number % 250 + 1}"
            spec = ServiceSpec(cluster_ip=ip, cluster_ips=(ip,), ports=(ServicePort(name="http", port=80),))
            yield Event("ADDED", resource, Service(metadata=ObjectMeta(name=f"s{number}", namespace="d"), spec=spec), 1)
        yield Event("SYNCED", resource, None, 1)
        await asyncio.get_running_loop().create_future()


async def serve() -> None:
    caches, clock = Caches((SERVICE, ENDPOINTSLICE)), SystemClock()
    server = Server(caches, Zone(), Forwarder(tuple), AT)
    async with asyncio.TaskGroup() as group:
        group.create_task(caches.follow(cast(Client, Fixed()), clock, Pace(clock)))
        group.create_task(server.run())


def server_process() -> None:
    os.sched_setaffinity(0, {0})
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())


def queries() -> list[bytes]:
    """One query in eight asks for a name that is not there."""
    tail = struct.pack("!HH", 1, 1)
    head = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0)
    names = [f"s{n}.d.svc.cluster.local" if n % 8 else f"www{n}.example.d.svc.cluster.local" for n in range(NAMES)]
    return [head + encode_name(name) + tail for name in names]


def ask(seconds: float, pipe: Connection) -> None:
    """Keep a window of questions open; count the answers."""
    os.sched_setaffinity(0, {1})
    asked, rng = queries(), random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(AT)
        client.settimeout(0.2)
        answers, number, until = 0, 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            for _ in range(WINDOW):
                number += 1
                client.send(struct.pack("!H", number & 0xFFFF) + rng.choice(asked))
            with contextlib.suppress(TimeoutError):
                for _ in range(WINDOW):
                    client.recv(512)
                    answers += 1
    pipe.send(answers / seconds)


def measure(seconds: float) -> list[Row]:
    server = multiprocessing.Process(target=server_process, daemon=True)
    server.start()
    time.sleep(1.5)
    rates = []
    for _ in range(3):
        here, there = multiprocessing.Pipe()
        client = multiprocessing.Process(target=ask, args=(seconds, there))
        client.start()
        rates.append(here.recv())
        client.join()
    server.terminate()
    server.join()
    rates.sort()
    figure = f"{rates[1]:,.0f}/s (min {rates[0]:,.0f}, max {rates[2]:,.0f})"
    return [Row("cluster DNS, one core", figure, "30,000/s")]


def rows(seconds: float = 3.0) -> list[Row]:
    """The line of the table; none without root."""
    if os.geteuid() != 0:
        return []
    netns.create(SPACE)
    try:
        with netns.entered(SPACE):
            return measure(seconds)
    finally:
        netns.delete(SPACE)


if __name__ == "__main__":
    print(table(rows(*map(float, sys.argv[1:]))))

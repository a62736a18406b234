"""Ingress rows: a new route to its first 200, with more and more routes there; a whole cluster, so it needs root.

`python -m bench ingress`
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.node import PODS, access, pod, service
from bench.rows import Row, latencies
from bench.wire import Wire
from tests.support import image
from wherry.testing.cluster import Cluster

SIZES = (1, 100, 1000, 3000)
"""Routes that are there already."""
NEW = 10
PATIENCE = 60.0
SERVICES = "/api/v1/namespaces/default/services"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"


def route(name: str) -> bytes:
    """An Ingress of one host."""
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": host(name), "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}}
    return json.dumps({**body, "spec": {"rules": [rule]}}).encode()


def host(name: str) -> str:
    """The host of that route."""
    return f"{name}.example.org"


async def answers(address: str, name: str) -> float:
    """Ask on new connections until there is a 200; the moment."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, 80)
                writer.write(f"GET / HTTP/1.1\r\nHost: {host(name)}\r\nConnection: close\r\n\r\n".encode())
                line = await reader.readline()
                writer.close()
            except OSError:
                line = b""
            if line.startswith(b"HTTP/1.1 200"):
                return time.monotonic()
            await asyncio.sleep(0.002)


async def measure(cluster: Cluster) -> list[Row]:
    """Every size in turn."""
    way = access(cluster)
    wire = await Wire.dial(way, way.context())

    async def post(path: str, body: bytes) -> None:
        status, answer = await wire.ask("POST", path, body)
        assert status == 201, answer

    await post(PODS, pod("web", image.SERVE, app="web"))
    await post(SERVICES, service("web", "web"))
    rows: list[Row] = []
    there = 0
    for size in SIZES:
        for number in range(there, size):
            await post(INGRESSES, route(f"there-{number}"))
        there = size
        await answers(cluster.address, f"there-{size - 1}")
        await asyncio.sleep(1)
        took = []
        for number in range(NEW):
            name = f"new-{size}-{number}"
            begun = time.monotonic()
            await post(INGRESSES, route(name))
            took.append(await answers(cluster.address, name) - begun)
        rows.append(Row(f"new route to first 200, {size:,} there", latencies(took), "<= 30 ms"))
    wire.close()
    return rows


def rows() -> Iterator[Row]:
    """Every row of this file."""
    if os.geteuid():
        sys.stderr.write(" left out: needs root")
        return
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as folder:
        archive = image.archive(Path(folder))
        with Cluster(Path(folder) / "cluster") as cluster:
            cluster.load_image(archive)
            yield from uvloop.run(measure(cluster))

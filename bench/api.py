"""API rows: get, durable create, list of 5,000 pods, watch fan-out to 1,000 TLS watchers; server on one core, client on
the other, TLS with a client certificate, SQLite with synchronous=FULL.

`python -m bench api`
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvloop

from bench.rows import Row, latencies
from bench.server import Running, server
from bench.wire import Wire

SECONDS = 5.0
MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
WATCHERS, EVENTS, LISTED = 1000, 200, 5000


def config_map(name: str) -> bytes:
    """An object of 2.4 kB."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": "x" * 2300}}
    return json.dumps(body).encode()


def pod(name: str) -> bytes:
    """A pod that grows to some 5.5 kB with what is filled in."""
    env = [{"name": f"VARIABLE_{n}", "value": "value " * 8} for n in range(30)]
    container = {"name": "main", "image": "registry.example.com/team/app:1", "env": env}
    spec = {"containers": [container], "nodeName": "nowhere", "automountServiceAccountToken": False}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}).encode()


async def load(
    running: Running, connections: int, one: Callable[[Wire, int], Awaitable[None]]
) -> tuple[list[float], float]:
    """Repeat `one` on every connection for SECONDS; (latencies in seconds, CPU seconds of the server)."""
    context = running.access.context()
    wires = [await Wire.dial(running.access, context) for _ in range(connections)]
    numbers = itertools.count()
    took: list[float] = []

    async def repeat(wire: Wire, until: float) -> None:
        while (begun := time.perf_counter()) < until:
            await one(wire, next(numbers))
            took.append(time.perf_counter() - begun)

    before = running.cpu()
    until = time.perf_counter() + SECONDS
    await asyncio.gather(*(repeat(wire, until) for wire in wires))
    used = running.cpu() - before
    for wire in wires:
        wire.close()
    return took, used


async def get_one(wire: Wire, _: int) -> None:
    """GET of one object."""
    status, _body = await wire.ask("GET", f"{MAPS}/one")
    assert status == 200, status


def creator(label: str) -> Callable[[Wire, int], Awaitable[None]]:
    """POST of one object after the other."""

    async def create_one(wire: Wire, number: int) -> None:
        status, body = await wire.ask("POST", MAPS, config_map(f"{label}-{number}"))
        assert status == 201, body

    return create_one


REQUESTS: tuple[tuple[str, int, Callable[[Wire, int], Awaitable[None]], str], ...] = (
    ("get, 64 connections", 64, get_one, ">= 8,000/s, p99 <= 20 ms, <= 120 us"),
    ("get, 1 connection", 1, get_one, "p50 <= 0.25 ms, p99 <= 1 ms"),
    ("durable create, 64 connections", 64, creator("a"), ">= 3,000/s, p99 <= 50 ms, <= 350 us"),
    ("durable create, 1 connection", 1, creator("b"), "p50 <= 1 ms, p99 <= 4 ms"),
)
"""What, connections, the request, the goal."""


async def prepare(running: Running) -> None:
    """The object that is read."""
    wire = await Wire.dial(running.access, running.access.context())
    await wire.ask("POST", MAPS, config_map("one"))
    wire.close()


async def requests(running: Running) -> list[Row]:
    """Get and create."""
    await prepare(running)
    rows: list[Row] = []
    for what, connections, one, goal in REQUESTS:
        took, cpu = await load(running, connections, one)
        each = f"{cpu / len(took) * 1e6:.0f} us CPU each"
        rows.append(Row(what, f"{len(took) / SECONDS:,.0f}/s, {latencies(took)}, {each}", goal))
    return rows


async def listing(running: Running) -> Row:
    """List of 5,000 pods."""
    wire = await Wire.dial(running.access, running.access.context())
    account = b'{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}'
    await wire.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    for number in range(LISTED):
        status, body = await wire.ask("POST", PODS, pod(f"p-{number}"))
        assert status == 201, body
    wire.close()
    return read_lists(running)


def read_lists(running: Running) -> Row:
    """Read the list again and again, into one buffer: the client must not be what is slow."""
    client = http.client.HTTPSConnection(running.access.host, running.access.port, context=running.access.context())
    first, took, rounds, size = [], [], 15, 0
    buffer = memoryview(bytearray(1 << 26))
    before = running.cpu()
    for _ in range(rounds):
        begun, size = time.perf_counter(), 0
        client.request("GET", PODS)
        answer = client.getresponse()
        first.append(time.perf_counter() - begun)
        while got := answer.readinto(buffer[size : size + (1 << 20)]):
            size += got
        took.append(time.perf_counter() - begun)
    used = (running.cpu() - before) / rounds
    client.close()
    middle, head = (statistics.median(values) * 1000 for values in (took, first))
    return Row(
        f"list of {LISTED:,} pods",
        f"{size / 1e6:.1f} MB, {middle:.0f} ms, first byte {head:.0f} ms, {used * 1000:.0f} ms CPU",
        "<= 60 ms, first byte <= 10 ms, <= 40 ms CPU",
    )


class Follower(asyncio.Protocol):
    """A watcher that costs little: counts the events in what arrives and notes how late each was."""

    MARK = b'{"type":"ADDED"'

    def __init__(self, request: bytes, sent: dict[int, float], late: list[float], done: Callable[[], None]) -> None:
        self._request, self._sent, self._late, self._done = request, sent, late, done
        self._seen = 0

    def connection_made(self, transport: Any) -> None:
        """Ask at once."""
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Events, usually one at a time; TLS records are larger than an event."""
        found = data.count(self.MARK)
        if not found:
            return
        now = time.perf_counter()
        for number in range(self._seen, self._seen + found):
            self._late.append(now - self._sent[number])
        self._seen += found
        if self._seen == EVENTS:
            self._done()


async def watching(running: Running) -> list[Row]:
    """Delivery of events to many watchers, and what one of them costs in memory."""
    context = running.access.context()
    loop = asyncio.get_running_loop()
    writer = await Wire.dial(running.access, context)
    await writer.ask(
        "POST", "/api/v1/namespaces", b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"watched"}}'
    )
    await asyncio.sleep(1)
    path = "/api/v1/namespaces/watched/configmaps"
    _, body = await writer.ask("GET", path)
    revision = json.loads(body)["metadata"]["resourceVersion"]
    request = f"GET {path}?watch=1&resourceVersion={revision} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    sent: dict[int, float] = {}
    late: list[float] = []
    left, finished = WATCHERS, asyncio.Event()

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            finished.set()

    before = running.memory()
    followers = []
    for _ in range(WATCHERS):
        _, follower = await loop.create_connection(
            lambda: Follower(request, sent, late, done), running.access.host, running.access.port, ssl=context
        )
        followers.append(follower)
    await asyncio.sleep(0.5)
    each = (running.memory() - before) / WATCHERS / 1024
    cpu = running.cpu()
    for number in range(EVENTS):
        sent[number] = time.perf_counter()
        status, body = await writer.ask("POST", path, config_map(f"w-{number}"))
        assert status == 201, body
        await asyncio.sleep(0.1)
    await finished.wait()
    used = (running.cpu() - cpu) / (WATCHERS * EVENTS) * 1e6
    for follower in followers:
        follower.transport.close()
    writer.close()
    return [
        Row(
            f"watch: {EVENTS} events to {WATCHERS:,} TLS watchers",
            f"{latencies(late)}, {used:.1f} us CPU",
            "p50 <= 12 ms, p99 <= 25 ms, <= 15 us",
        ),
        Row("memory per TLS watcher", f"{each:.0f} KiB", "<= 56 KiB"),
    ]


def rows() -> Iterator[Row]:
    """Every row of this file."""
    with server() as running:
        yield Row("server process to answering", f"{running.started * 1000:.0f} ms", "< 2 s")
        yield Row("server memory, idle", f"{running.memory() / 2**20:.0f} MiB", "all of wherry <= 150 MB")
        yield from uvloop.run(requests(running))
    with server() as running:
        yield uvloop.run(listing(running))
    with server() as running:
        yield from uvloop.run(watching(running))

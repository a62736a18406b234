"""DNS of an agent that has just been started: what was last known answers until everything is known again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import closing
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.message
import pytest

from tests.support.cluster import Cluster
from tests.unit.network.objects import endpoint, service, slice_of
from wherry.aio.clock import SystemClock
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.host import files, sockets
from wherry.machinery import codec
from wherry.network.dns import Files, Server
from wherry.network.dns_forward import Forwarder
from wherry.network.dns_memory import _Known
from wherry.network.dns_records import Zone
from wherry.reconcile.cache import Caches, Pace

NAME = "db.d.svc.cluster.local."


def _port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def _ask(port: int) -> list[str]:
    """Asked again while the server has no socket yet: what is sent to nobody is lost."""
    question = dns.message.make_query(NAME, "A")
    for _ in range(300):
        with contextlib.suppress(dns.exception.Timeout):
            answer = await dns.asyncquery.udp(question, "127.0.0.1", port=port, timeout=0.2)
            break
    else:
        raise AssertionError("no answer for a minute")
    return sorted(str(record) for rrset in answer.answer for record in rrset)


@pytest.mark.looptime(False)
async def test_endpoints_not_seen_yet_are_not_gone(tmp_path: Path) -> None:
    """Services come before their EndpointSlices. (Seeded fault: believe each event at once: the answer is empty.)"""
    clock, port = SystemClock(), _port()
    cluster, caches = Cluster(clock), Caches((SERVICE, ENDPOINTSLICE))
    headless, pieces = service("db", "None"), slice_of(endpoint("10.244.0.3"), name="db")
    await cluster.create(SERVICE, headless)
    await cluster.create(ENDPOINTSLICE, slice_of(endpoint("10.244.0.4"), name="db"))
    kept = Files(tmp_path / "sockets.json", tmp_path / "memory.json")
    files.write_if_changed(kept.memory, codec.encode(_Known((headless,), (pieces,))))
    server = Server(caches, Zone(), Forwarder(lambda: ()), ("127.0.0.1", port), kept)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(server.run())]
            assert await _ask(port) == ["10.244.0.3"]  # remembered
            tasks.append(group.create_task(caches.of(SERVICE).follow(cluster, Pace(clock))))
            await caches.of(SERVICE).synced.wait()
            assert await _ask(port) == ["10.244.0.3"]
            tasks.append(group.create_task(caches.of(ENDPOINTSLICE).follow(cluster, Pace(clock))))
            await caches.of(ENDPOINTSLICE).synced.wait()
            await asyncio.sleep(0)
            assert await _ask(port) == ["10.244.0.4"]
            for task in tasks:
                task.cancel()
    finally:
        sockets.release(kept.sockets)

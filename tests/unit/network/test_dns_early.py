"""DNS before the agent is loaded: names that are known are answered at once, all others wait for the server, and no
query is lost between the two."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from tests.support.cluster import Cluster
from tests.unit.network.objects import VIP, endpoint, service, slice_of
from wherry.aio.clock import SystemClock
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.host import files, sockets
from wherry.machinery import codec
from wherry.network import dns_early
from wherry.network.dns import Files, Server
from wherry.network.dns_early import Early
from wherry.network.dns_forward import Forwarder
from wherry.network.dns_memory import _Known
from wherry.network.dns_records import Zone
from wherry.reconcile.cache import Caches, Pace

HOST = "127.0.0.1"
KNOWN, NEW = "web.d.svc.cluster.local.", "new.d.svc.cluster.local."


def query(name: str, kind: str = "A") -> bytes:
    return dns.message.make_query(name, kind).to_wire()


class Before:
    """What an agent has left: kept sockets, and what it knew."""

    def __init__(self, folder: Path) -> None:
        self.files = Files.below(folder)
        self.at = self._keep()
        known = _Known((service(),), (slice_of(endpoint("10.244.0.3")),))
        files.write_if_changed(self.files.memory, codec.encode(known))

    def _keep(self) -> tuple[str, int]:
        """Have sockets kept on a port that is free for both."""
        for _ in range(50):
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as found:
                found.bind((HOST, 0))
                port: int = found.getsockname()[1]
            with contextlib.suppress(OSError):
                for one in sockets.kept(self.files.sockets, HOST, port):
                    one.close()
                return HOST, port
        raise AssertionError("no port is free")

    def begin(self) -> Early:
        early = Early.begin(self.files, Zone(), self.at)
        assert early is not None
        return early

    def client(self, seconds: float) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.connect(self.at)
        made.settimeout(seconds)
        return made


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Before]:
    made = Before(tmp_path)
    yield made
    sockets.release(made.files.sockets)


def test_what_is_known_is_answered_and_the_rest_waits(before: Before) -> None:
    """(Seeded fault: answer whatever the zone says: a Service that was made a moment ago does not exist.)"""
    early = before.begin()
    with before.client(0.3) as client:
        for name, kind in ((NEW, "A"), ("example.org.", "A")):
            client.send(query(name, kind))
            with pytest.raises(TimeoutError):
                client.recv(4096)
        client.send(b"no query at all")
        for _ in range(2):
            client.send(query(KNOWN))
            answer = dns.message.from_wire(client.recv(4096))
            assert [str(one) for rrset in answer.answer for one in rrset] == [VIP]
        client.send(query(KNOWN, "AAAA"))
        assert dns.message.from_wire(client.recv(4096)).rcode() == dns.rcode.NOERROR
        here = client.getsockname()
    held = early.end()
    assert [address for _, address in held] == [here] * 3
    assert held[2][0] == b"no query at all"
    assert early.end() == []


def test_who_has_ended_reads_no_more(before: Before) -> None:
    """What comes later stays for the server. (Seeded fault: go on.)"""
    early = before.begin()
    early.end()
    with before.client(5) as client:
        client.send(query(KNOWN))
        time.sleep(0.2)  # time enough for who should not read
        kept = sockets.again(before.files.sockets, *before.at)
        assert kept is not None
        with kept[0] as udp, kept[1]:
            udp.settimeout(5)
            assert udp.recvfrom(4096)[1] == client.getsockname()
    assert early.end() == []


def test_what_is_held_is_bounded(before: Before, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_early, "MOST", 3)
    early = before.begin()
    asked = [query(f"n{number}.d.svc.cluster.local.") for number in range(5)]
    with before.client(5) as client:
        for message in (*asked, query(KNOWN)):
            client.send(message)
        client.recv(4096)
    assert [message for message, _ in early.end()] == asked[2:]


def test_nothing_is_answered_where_nothing_is_known(before: Before) -> None:
    assert Early.begin(before.files, Zone(), (HOST, 1)) is None
    before.files.memory.unlink()
    assert Early.begin(before.files, Zone(), before.at) is None
    sockets.release(before.files.sockets)
    assert Early.begin(before.files, Zone(), before.at) is None


@pytest.mark.looptime(False)
async def test_the_server_answers_what_was_held(before: Before) -> None:
    """(Seeded fault: forget what was held: those clients ask again after seconds.)"""
    clock = SystemClock()
    cluster, caches = Cluster(clock), Caches((SERVICE, ENDPOINTSLICE))
    for one in (service(), service("new", "10.96.0.51")):
        await cluster.create(SERVICE, one)
    early = before.begin()
    with before.client(10) as client:
        client.send(query(NEW))
        await asyncio.sleep(0.1)
        server = Server(caches, Zone(), Forwarder(lambda: ()), before.at, before.files, early.end)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(caches.follow(cluster, clock, Pace(clock)))]
            await caches.synced((SERVICE, ENDPOINTSLICE))
            tasks.append(group.create_task(server.run()))
            answer = dns.message.from_wire(await asyncio.to_thread(client.recv, 4096))
            assert [str(one) for rrset in answer.answer for one in rrset] == ["10.96.0.51"]
            for task in tasks:
                task.cancel()


def test_an_agent_need_not_be_loaded_for_it() -> None:
    """(Seeded fault: import the agent first: a second more without DNS.)"""
    code = "import sys, wherry.cli.main, wherry.cli.agent, wherry.app.early; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "wherry.network.dns_early" in loaded
    assert not {"aiohttp", "grpc", "uvloop", "cryptography", "google.protobuf"} & set(loaded)

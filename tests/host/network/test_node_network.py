"""All of a node's network as the agent runs it: DNS asked by dig from pods, host ports, drain, CNI configuration."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from msgspec.structs import replace

from tests.host.network.world import NODE_ADDRESS, OUTSIDE, Feed, World, node, service, slice_of, world
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Container, ContainerPort, Pod, PodSpec, PodStatus, ServicePort
from wherry.client.interface import ALL, Client, Event, Select
from wherry.host import netns
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.resource import Resource
from wherry.network.agent import NodeNetwork, Settings, remove
from wherry.network.dns_service import kube_dns
from wherry.network.drain import SETTLE

pytestmark = pytest.mark.host
DNS = "10.96.0.10"

UPSTREAM = """
import dns.message, dns.rrset, dns.flags, socket, socketserver, struct, threading
def answer(wire):
    query = dns.message.from_wire(wire)
    reply = dns.message.make_response(query)
    name = query.question[0].name
    count = 200 if str(name).startswith("big") else 1
    if str(name).startswith("no"):
        reply.set_rcode(3)
    else:
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *(f"192.0.2.{i + 1}" for i in range(count))))
    return reply
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 53))
class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        (length,) = struct.unpack("!H", self.request.recv(2))
        data = answer(self.request.recv(length)).to_wire(max_size=65535)
        self.request.sendall(struct.pack("!H", len(data)) + data)
threading.Thread(target=socketserver.ThreadingTCPServer(("0.0.0.0", 53), Tcp).serve_forever, daemon=True).start()
print("listening", flush=True)
while True:
    wire, sender = udp.recvfrom(4096)
    reply = answer(wire)
    if len(reply.answer) and len(reply.answer[0]) > 20:
        reply.answer.clear()
        reply.flags |= dns.flags.TC
    udp.sendto(reply.to_wire(), sender)
"""


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world("whn") as made:
        upstream = subprocess.Popen(
            netns.argv(made.outside, [sys.executable, "-c", UPSTREAM]), stdout=subprocess.PIPE, text=True
        )
        assert upstream.stdout is not None
        assert upstream.stdout.readline().strip() == "listening"
        try:
            yield made
        finally:
            upstream.kill()
            upstream.wait()
            upstream.stdout.close()


class Silent(Feed):
    """An API server that does not answer."""

    async def watch(
        self, resource: Resource[Any], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[Any]]:
        await asyncio.get_running_loop().create_future()
        yield Event("SYNCED", resource, None, 0)


@contextlib.asynccontextmanager
async def running(folder: Path, feed: Feed, *, keep: bool = False) -> AsyncIterator[NodeNetwork]:
    settings = Settings("n1", folder, upstream=(OUTSIDE,))
    network = NodeNetwork(cast(Client, feed), SystemClock(), settings)
    await asyncio.to_thread(network.prepare)
    task = asyncio.ensure_future(network.run())
    try:
        await asyncio.wait_for(network.ready.wait(), 5)
        yield network
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not keep:
            await asyncio.to_thread(remove, settings)


async def dig(place: World, *arguments: str) -> list[str]:
    """What dig +short prints in a pod, line by line."""
    command = netns.argv(place.pods[0].netns, ["dig", f"@{DNS}", "+short", "+tries=1", "+time=3", *arguments])
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return str(done.stdout).strip().splitlines()


async def status(place: World, *arguments: str) -> str:
    """The status dig reports."""
    command = netns.argv(place.pods[0].netns, ["dig", f"@{DNS}", "+noall", "+comments", *arguments])
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return str(done.stdout).partition("status: ")[2].partition(",")[0]


def cluster(place: World) -> Feed:
    feed = Feed()
    feed.put(NODE, node())
    feed.put(SERVICE, kube_dns())
    feed.put(SERVICE, service("web", "10.96.0.50", ports=(ServicePort(name="http", port=80, protocol="TCP"),)))
    feed.put(SERVICE, service("db", "None", ports=(ServicePort(name="http", port=8080, protocol="TCP"),)))
    feed.put(SERVICE, service("far", "", type="ExternalName", external_name="www.example.org"))
    feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
    stateful = slice_of("db", place.pods[:2])
    named = tuple(replace(e, hostname=f"db-{n}") for n, e in enumerate(stateful.endpoints))
    feed.put(ENDPOINTSLICE, replace(stateful, endpoints=named))
    return feed


def test_names(place: World, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, cluster(place)):
            first, second = place.pods[0].address, place.pods[1].address
            zone = "d.svc.cluster.local"
            for transport in ("+notcp", "+tcp"):
                assert await dig(place, transport, f"web.{zone}") == ["10.96.0.50"]
            assert sorted(await dig(place, f"db.{zone}")) == sorted([first, second])
            assert await dig(place, f"db-1.db.{zone}") == [second]
            assert await dig(place, "SRV", f"_http._tcp.web.{zone}") == [f"0 100 80 web.{zone}."]
            assert sorted(await dig(place, "SRV", f"_http._tcp.db.{zone}")) == [
                f"0 50 8080 db-0.db.{zone}.", f"0 50 8080 db-1.db.{zone}.",
            ]  # fmt: skip
            assert await dig(place, "-x", "10.96.0.50") == [f"web.{zone}."]
            assert await dig(place, "-x", first) == [f"db-0.db.{zone}."]
            assert await dig(place, f"far.{zone}") == ["www.example.org.", "192.0.2.1"]
            assert await dig(place, "10-244-9-9.d.pod.cluster.local") == ["10.244.9.9"]
            assert await dig(place, "TXT", "dns-version.cluster.local") == ['"1.1.0"']
            assert await dig(place, "kube-dns.kube-system.svc.cluster.local") == [DNS]

    place.run(main)


def test_no_such_name_and_upstream(place: World, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, cluster(place)):
            assert await status(place, "nothing.d.svc.cluster.local") == "NXDOMAIN"
            assert await status(place, "AAAA", "web.d.svc.cluster.local") == "NOERROR"
            assert await dig(place, "www.example.org") == ["192.0.2.1"]
            assert await status(place, "no.example.org") == "NXDOMAIN"
            assert len(await dig(place, "big.example.org")) == 200, "truncated, asked again over TCP"

    place.run(main)


def test_a_change_is_answered_at_once(place: World, tmp_path: Path) -> None:
    async def main() -> None:
        feed = cluster(place)
        async with running(tmp_path, feed):
            assert await status(place, "new.d.svc.cluster.local") == "NXDOMAIN"
            feed.put(SERVICE, service("new", "10.96.0.51"))
            await asyncio.sleep(0)
            assert await dig(place, "new.d.svc.cluster.local") == ["10.96.0.51"]

    place.run(main)


def test_queries_wait_while_the_agent_is_away(place: World, tmp_path: Path) -> None:
    async def main() -> None:
        settings = Settings("n1", tmp_path, upstream=(OUTSIDE,))
        async with running(tmp_path, cluster(place), keep=True):
            assert await dig(place, "web.d.svc.cluster.local") == ["10.96.0.50"]
            while not settings.dns_files.memory.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)
        waiting = asyncio.ensure_future(dig(place, "+tcp", "web.d.svc.cluster.local"))
        datagram = asyncio.ensure_future(dig(place, "web.d.svc.cluster.local"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        assert not datagram.done()
        silent = Silent()
        network = NodeNetwork(cast(Client, silent), SystemClock(), settings)
        task = asyncio.ensure_future(network.run())
        assert await datagram == ["10.96.0.50"], "from memory: the API server says nothing"
        assert await waiting == ["10.96.0.50"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(remove, settings)

    place.run(main)


def test_host_port_and_cni_configuration(place: World, tmp_path: Path) -> None:
    async def main() -> None:
        feed = cluster(place)
        target = place.pods[0]
        container = Container(name="c", ports=(ContainerPort(container_port=8080, host_port=8088, protocol="TCP"),))
        pod = Pod(
            metadata=ObjectMeta(name="p", namespace="d", uid="u"),
            spec=PodSpec(containers=(container,), node_name="n1"),
            status=PodStatus(phase="Running", pod_ip=target.address),
        )
        async with running(tmp_path, feed) as network:
            feed.put(POD, pod)
            feed.put(SERVICE, service("poke", "10.96.0.77"))
            answer = ""
            for _ in range(20):
                answer = await place.asked(place.outside, "tcp", NODE_ADDRESS, 8088)
                if answer == f"p0 {OUTSIDE}":
                    break
            assert answer == f"p0 {OUTSIDE}"
            assert (tmp_path / "cni" / "10-wherry.conflist").exists()
            assert network.search_domains("d")[:3] == ("d.svc.cluster.local", "svc.cluster.local", "cluster.local")

    place.run(main)


def test_drained_waits_for_slices_and_proxies(place: World, tmp_path: Path) -> None:
    async def main() -> None:
        feed = cluster(place)
        pod = Pod(metadata=ObjectMeta(name="p0", namespace="d", uid="p0"))
        loop = asyncio.get_running_loop()
        async with running(tmp_path, feed) as network:
            await network.drained(Pod(metadata=ObjectMeta(name="x", namespace="d", uid="x")))
            waiting = asyncio.ensure_future(network.drained(pod))
            await asyncio.sleep(0.05)
            assert not waiting.done(), "the slices still list it as ready"
            began = loop.time()
            for name in ("web", "db"):
                gone = slice_of(name, place.pods[:1], ready=False, serving=True, terminating=True)
                feed.put(
                    ENDPOINTSLICE,
                    replace(gone, metadata=replace(gone.metadata, resource_version=str(feed.revision + 1))),
                )
            await asyncio.wait_for(waiting, 1 + SETTLE)
            assert SETTLE <= loop.time() - began < 0.5 + SETTLE
            async with aiohttp.ClientSession() as session, session.get("http://127.0.0.1:10256/healthz") as answer:
                assert answer.status == 200

    place.run(main)

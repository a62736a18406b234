"""The API server towards nodes' agents and what pods serve: whom it trusts, what it follows, what pipes it leaves.

The agent here is a TLS server that answers whatever a test says, and notes who came and what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import Authority, Pair, Running, settings
from wherry.aio.clock import SystemClock
from wherry.aio.connection import Dialled
from wherry.apiserver.apiserver import ApiServer
from wherry.apiserver.http import Query, Request
from wherry.apiserver.subresources import proxy
from wherry.machinery.errors import BadRequest
from wherry.store.memory import MemoryLog

pytestmark = pytest.mark.looptime(False)

MERGE = "application/merge-patch+json"
PODS = "/api/v1/namespaces/demo/pods"
SECOND = b"POST /exec/kube-system/p/u/c?command=id HTTP/1.1\r\nHost: n1\r\nContent-Length: 0\r\n\r\n"
"""What somebody sends into a pipe that should be closed."""
REDIRECTED = b"the backend attempted to redirect this request, which is not permitted"
UPGRADES = ("SPDY/3.1", "websocket")


@dataclass
class Agent:
    """A TLS server that answers every connection with `answer`, and keeps it open."""

    port: int = 0
    answer: bytes = b""
    came: int = 0
    names: list[str] = field(default_factory=list)
    """Common names of those who finished the handshake and asked something."""
    received: bytearray = field(default_factory=bytearray)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := await reader.read(65536):
                if not self.received:
                    certificate = writer.get_extra_info("peercert") or {}
                    self.names += [v for part in certificate.get("subject", ()) for k, v in part if k == "commonName"]
                    writer.write(self.answer)
                self.received += piece
        self.closed.set()
        writer.close()


@asynccontextmanager
async def agent(authority: Authority, pair: Pair) -> AsyncIterator[Agent]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pair.certificate, pair.key)
    made = Agent()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


@dataclass
class World:
    """A server, its administrator, and the agent of node n1, which runs pod p."""

    http: Http
    agent: Agent
    authority: Authority

    async def at(self, port: int) -> None:
        """Say that the agent of n1 listens there."""
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        answer = await self.http("PATCH", "/api/v1/nodes/n1/status", {"status": status}, MERGE)
        assert answer.code == 200

    async def raw(self, *lines: str, then: bytes = b"") -> bytes:
        """What a client reads that sends this head and, in the same breath, something more, until it is cut off."""
        running = self.http.running
        reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=running.tls())
        writer.write("\r\n".join((*lines, "Host: x", "", "")).encode() + then)
        try:
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.transport.abort()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    config, authority = settings(tmp_path)
    own = authority.issue("wherry-apiserver")
    server = ApiServer(
        replace(config, agent_certificate=own.certificate, agent_key=own.key), MemoryLog(), SystemClock()
    )
    await server.start()
    running = Running(server, authority, tmp_path)
    try:
        async with (
            agent(authority, authority.issue("system:node:n1", server=True, hosts=("n1",))) as stub,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session,
        ):
            http = Http(running, session)
            made = World(http, stub, authority)
            await http("POST", "/api/v1/namespaces", {"metadata": {"name": "demo"}})
            await http("POST", "/api/v1/namespaces/demo/serviceaccounts", {"metadata": {"name": "default"}})
            await http("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
            await made.at(stub.port)
            pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
            assert (await http("POST", PODS, pod)).code == 201
            binding = {"metadata": {"name": "p"}, "target": {"name": "n1"}}
            assert (await http("POST", f"{PODS}/p/binding", binding)).code == 201
            yield made
    finally:
        await server.stop()


def upgrade(path: str, protocol: str) -> tuple[str, ...]:
    method = "POST" if protocol.startswith("SPDY") else "GET"
    return f"{method} {path} HTTP/1.1", "Connection: Upgrade", f"Upgrade: {protocol}"


DOORS = (f"{PODS}/p/exec?command=id&stdout=1", f"{PODS}/p/attach?stdout=1", f"{PODS}/p/portforward?ports=80")


@pytest.mark.parametrize("protocol", UPGRADES)
@pytest.mark.parametrize("path", [*DOORS, "/api/v1/nodes/n1/proxy/exec/demo/p/u/c"])
async def test_a_refused_upgrade_leaves_no_pipe_to_the_agent(world: World, path: str, protocol: str) -> None:
    """CVE-2018-1002105: what a client sends after the refusal must not reach the agent under the server's identity."""
    world.agent.answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"
    found = await world.raw(*upgrade(path, protocol), then=SECOND)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.endswith(b"no")
    async with asyncio.timeout(5):
        await world.agent.closed.wait()
    assert world.agent.names == ["wherry-apiserver"]
    assert world.agent.received.count(b"HTTP/1.1") == 1
    assert b"kube-system" not in world.agent.received


@pytest.mark.parametrize("protocol", UPGRADES)
@pytest.mark.parametrize("path", DOORS)
async def test_an_agents_redirect_of_an_upgrade_is_passed_to_nobody(world: World, path: str, protocol: str) -> None:
    """CVE-2018-1002102, CVE-2020-8559."""
    async with agent(world.authority, world.authority.issue("n2", server=True, hosts=("n1",))) as elsewhere:
        place = f"https://127.0.0.1:{elsewhere.port}/exec"
        world.agent.answer = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % place.encode()
        found = await world.raw(*upgrade(path, protocol))
        assert found.startswith(b"HTTP/1.1 502 ")
        assert found.endswith(REDIRECTED)
        assert b"ocation" not in found
        assert elsewhere.came == 0


@pytest.mark.parametrize("path", [f"{PODS}/p/log", "/api/v1/nodes/n1/proxy/metrics"])
@pytest.mark.parametrize("status", [b"301", b"302", b"303", b"307", b"308"])
async def test_an_agents_redirect_of_a_request_is_passed_to_nobody(world: World, path: str, status: bytes) -> None:
    async with agent(world.authority, world.authority.issue("n2", server=True, hosts=("n1",))) as elsewhere:
        place = b"https://127.0.0.1:%d/logs" % elsewhere.port
        world.agent.answer = b"HTTP/1.1 %b Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, place)
        answer = await world.http("GET", path)
        assert (answer.code, answer.message) == (500, REDIRECTED.decode())
        assert "Location" not in answer.headers
        assert elsewhere.came == 0


@pytest.mark.parametrize("what", ["another node", "another authority"])
async def test_who_is_not_the_node_gets_neither_request_nor_credentials(
    world: World, tmp_path: Path, what: str
) -> None:
    """KEP-4872: an agent is known by its node's name. (Fails when the certificate or its name is not looked at.)"""
    if what == "another node":
        pair = world.authority.issue("system:node:n2", server=True, hosts=("n2",))
    else:
        pair = Authority(tmp_path / "other").issue("system:node:n1", server=True, hosts=("n1",))
    async with agent(world.authority, pair) as stranger:
        stranger.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        await world.at(stranger.port)
        async with asyncio.timeout(5):
            log = await world.http("GET", f"{PODS}/p/log")
        assert (log.code, "certificate verify failed" in log.message) == (503, True)
        assert (await world.raw(*upgrade(DOORS[0], "SPDY/3.1"))).startswith(b"HTTP/1.1 503 ")
        assert (stranger.names, bytes(stranger.received)) == ([], b"")


async def test_a_node_that_says_it_is_the_api_server_is_not_asked(world: World) -> None:
    """A node's address leads back here (NCC's "redirect API traffic to kubelet"): the name does not fit."""
    await world.at(world.http.running.server.port)
    for path in ("/api/v1/nodes/n1/proxy/api/v1/namespaces/kube-system/secrets", f"{PODS}/p/log"):
        answer = await world.http("GET", path)
        assert (answer.code, "certificate verify failed" in answer.message) == (503, True)


# --- What pods serve ---


LOCAL = (
    "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "0:0:0:0:0:ffff:7f00:1", "localhost", "metadata.internal", "", "1",
)  # fmt: skip


@pytest.mark.parametrize("address", LOCAL)
def test_no_address_of_this_machine_is_dialled(address: str) -> None:
    """CVE-2020-8562: only addresses are dialled, never names, so nobody can answer twice; and none of this machine."""
    with pytest.raises(BadRequest, match="address not allowed"):
        proxy.Backend(address, 80)


def test_other_addresses_are() -> None:
    for address in ("10.244.0.7", "fd00::7", "::ffff:10.244.0.7"):
        assert proxy.Backend(address, 80).host == address


async def test_a_pod_cannot_name_the_servers_neighbours(world: World) -> None:
    """Whatever a node reports as its pod's address."""
    mapped = {"status": {"podIP": "::ffff:127.0.0.1", "podIPs": None}}
    assert (await world.http("PATCH", f"{PODS}/p/status", mapped, MERGE)).code == 422
    for address in ("127.0.0.1", "::1", "169.254.169.254"):
        reported = {"status": {"podIP": address, "podIPs": None}}
        assert (await world.http("PATCH", f"{PODS}/p/status", reported, MERGE)).code == 200
        answer = await world.http("GET", f"{PODS}/p:{world.http.running.server.port}/proxy/")
        assert (answer.code, answer.message) == (400, "address not allowed")


async def test_names_of_a_service_are_not_resolved(world: World) -> None:
    """Endpoints that are names could lead anywhere by the time they are dialled."""
    services, slices = "/api/v1/namespaces/demo/services", "/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices"
    assert (
        await world.http("POST", services, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    ).code == 201
    named: dict[str, Any] = {
        "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "s"}}, "addressType": "FQDN",
        "endpoints": [{"addresses": ["localhost"]}], "ports": [{"port": world.agent.port}],
    }  # fmt: skip
    made = await world.http("POST", slices, named)
    assert made.code in (201, 422)
    named["endpoints"] = [{"addresses": ["localhost.localdomain"]}]
    assert (await world.http("POST", slices, {**named, "metadata": {**named["metadata"], "name": "t"}})).code == 201
    answer = await world.http("GET", f"{services}/s/proxy/")
    assert (answer.code, answer.message) == (503, 'no endpoints available for service "s"')
    assert world.agent.came == 0


class Peer:
    """A client's raw connection: reads what a test says, notes what is written."""

    def __init__(self, *reads: bytes) -> None:
        self.reads = list(reads)
        self.written = bytearray()
        self.closed = asyncio.Event()

    async def read(self) -> bytes:
        if self.reads:
            return self.reads.pop(0)
        await self.closed.wait()
        return b""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass

    def close_write(self) -> None:
        pass

    def close(self) -> None:
        self.closed.set()


@pytest.mark.parametrize("answer", [b"400 Bad Request", b"302 Found\r\nLocation: http://x/", b"200 OK"])
async def test_a_refused_upgrade_leaves_no_pipe_to_a_pod(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    received = bytearray()
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % answer)
        while piece := await reader.read(65536):
            received.extend(piece)
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def dialled(_: proxy.Backend) -> Dialled:  # no address of this machine is one otherwise
        return Dialled(*await asyncio.open_connection("127.0.0.1", port))

    monkeypatch.setattr(proxy, "_dial", dialled)
    peer = Peer(SECOND)
    headers: Any = {"Upgrade": "websocket"}

    async def nothing() -> bytes:
        return b""

    request = Request("GET", "/x", Query(""), headers, "1.2.3.4", {}, lambda: None, nothing)
    refused = asyncio.create_task(proxy._upgrade(peer, request, "/x", proxy.Backend("192.0.2.1", 80)))
    done, _ = await asyncio.wait({refused}, timeout=3)
    refused.cancel()
    await asyncio.gather(refused, return_exceptions=True)
    async with asyncio.timeout(5):
        await ended.wait()
    server.close()
    assert done
    assert b"kube-system" not in received
    assert bytes(peer.written).startswith(b"HTTP/1.1 " + answer.split(b"\r\n")[0].split(b" ")[0])
    assert peer.closed.is_set()

"""Real requests through a real HAProxy, as Ingresses ask: hosts and paths, limits, upgrades, streams, the client."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.host.network.gateway_entry import Entry, backends
from wherry.api.types.core import Service, ServicePort, ServiceSpec
from wherry.api.types.discovery import Endpoint, EndpointPort, EndpointSlice
from wherry.api.types.networking import Ingress
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, ObjectMeta
from wherry.network.ingress.routes import Picture, picture

__all__ = ("backends",)
pytestmark = [pytest.mark.host, pytest.mark.looptime(False)]
Json = dict[str, Any]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Site(Entry):
    """HAProxy with what Ingresses ask."""

    async def serve(self, *ingresses: Json) -> Picture:
        services = {
            Key("d", name): Service(
                metadata=ObjectMeta(name=name, namespace="d"), spec=ServiceSpec(ports=(ServicePort(port=80),))
            )
            for name in (*self.ports, "empty")
        }
        slices = {
            Key("d", name): [
                EndpointSlice(
                    address_type="IPv4",
                    endpoints=(Endpoint(addresses=("127.0.0.1",)),),
                    ports=(EndpointPort(name="", port=number, protocol="TCP"),),
                )
            ]
            for name, number in self.ports.items()
        }
        found = picture([from_dict(Ingress, one) for one in ingresses], services, slices)
        await self.begin(self.desk.wanted(found, {}))
        return found

    async def talk(self, sent: str, *, until: bytes = b"", port: int = 0) -> bytes:
        """What comes back, up to and with `until`; all of it without."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.shape.http)
        try:
            writer.write(sent.encode())
            async with asyncio.timeout(10):
                return await (reader.readuntil(until) if until else reader.read(-1))
        finally:
            writer.close()


@pytest.fixture
async def site(tmp_path: Path, backends: dict[str, int]) -> AsyncIterator[Site]:
    made = Site(tmp_path, dict(backends))
    yield made
    await made.haproxy.stop()


@asynccontextmanager
async def server(answer: Serve) -> AsyncIterator[int]:
    """A server of a test's own; its port."""
    running = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]


def to(name: str) -> Json:
    return {"service": {"name": name, "port": {"number": 80}}}


def ingress(name: str, host: str, *paths: tuple[str, str, str], **notes: str) -> Json:
    listed = [{"path": path, "pathType": kind, "backend": to(backend)} for path, kind, backend in paths]
    meta = {"name": name, "namespace": "d", "uid": name}
    annotations = {f"wherry.dev/{key.replace('_', '-')}": value for key, value in notes.items()}
    rule = {"host": host, "http": {"paths": listed}} if host else {"http": {"paths": listed}}
    return {"metadata": {**meta, "annotations": annotations}, "spec": {"rules": [rule]}}


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def test_hosts_paths_and_who_gets_the_rest(site: Site) -> None:
    rest = {"metadata": {"name": "rest", "namespace": "d", "uid": "rest"}, "spec": {"defaultBackend": to("three")}}
    await site.serve(
        ingress("a", "a.test", ("/", "Prefix", "one"), ("/x", "Exact", "two"), ("/x", "Prefix", "three"),
                ("/y", "ImplementationSpecific", "two")),
        ingress("w", "*.w.test", ("/", "Prefix", "two")),
        rest,
    )  # fmt: skip
    table = {
        ("/", "a.test"): "one", ("/x", "a.test"): "two", ("/x/", "a.test"): "three", ("/xy", "a.test"): "one",
        ("/y/z", "a.test"): "two", ("/", "q.w.test"): "two", ("/", "q.q.w.test"): "three", ("/", "w.test"): "three",
        ("/any", "other.test"): "three", ("/", "A.test:80"): "one",
    }  # fmt: skip
    assert {asked: await asyncio.to_thread(site.who, *asked) for asked in table} == table


async def test_the_client_is_told_and_cannot_lie(site: Site) -> None:
    await site.serve(ingress("a", "a.test", ("/", "Prefix", "one")))
    lies = {"X-Forwarded-For": "9.9.9.9", "X-Real-IP": "9.9.9.9", "X-Forwarded-Proto": "https", "Forwarded": "for=9"}
    _, echoed, _ = await asyncio.to_thread(site.ask, "/", "a.test", **lies)
    got = echoed["headers"]
    assert (got["x-forwarded-for"], got["x-real-ip"], got["x-forwarded-proto"], got["x-forwarded-host"]) == (
        "127.0.0.1", "127.0.0.1", "http", "a.test"
    )  # fmt: skip
    assert "forwarded" not in got
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def secure() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", site.shape.https), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="a.test") as wrapped,
        ):
            wrapped.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: wrapped.recv(4096), b""))

    assert b'"x-forwarded-proto": "https"' in await asyncio.to_thread(secure)


async def test_limits(site: Site) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        await reader.read(-1)  # until nobody waits any more
        writer.close()

    async with server(slow) as number:
        site.ports["slow"] = number
        await site.serve(
            ingress("s", "s.test", ("/", "Prefix", "slow"), timeout_seconds="1"),
            ingress("b", "b.test", ("/", "Prefix", "one"), body_limit="1k"),
        )
        assert (await site.talk("GET / HTTP/1.0\r\nHost: s.test\r\n\r\n")).startswith(b"HTTP/1.1 504")
        statuses = [
            (await asyncio.to_thread(site.ask, "/", "b.test", "POST", "127.0.0.1", "x" * size))[0]
            for size in (1024, 1025)
        ]
        assert statuses == [200, 413]
        chunked = "POST / HTTP/1.1\r\nHost: b.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await site.talk(chunked, until=b"\r\n")).startswith(b"HTTP/1.1 411")


async def test_what_cannot_be_is_told_and_the_rest_is_served(site: Site) -> None:
    found = await site.serve(
        ingress("a", "a.test", ("/", "Prefix", "one"), ("/m", "Prefix", "missing"), timeout_seconds="soon"),
        ingress("b", "a.test", ("/", "Prefix", "two"), ("/b", "Prefix", "two")),
    )
    assert found.problems == {
        Key("d", "a"): [
            "wherry.dev/timeout-seconds is 'soon', not a number of seconds up to 86400", "there is no Service 'missing'"
        ],
        Key("d", "b"): ["a.test/ is served by d/one:80 already: the Ingress d/a is older"],
    }  # fmt: skip
    assert [await asyncio.to_thread(site.who, path, "a.test") for path in ("/", "/m", "/b")] == ["one", "one", "two"]


async def test_a_websocket(site: Site) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await head(reader)
        key = next(line for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")).split()[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    async with server(echo) as number:
        site.ports["ws"] = number
        await site.serve(ingress("w", "w.test", ("/", "Prefix", "ws")))
        reader, writer = await asyncio.open_connection("127.0.0.1", site.shape.http)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: w.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(10):
            assert (await head(reader)).startswith(b"HTTP/1.1 101")
            for said in (b"one", b"two"):
                writer.write(said)
                assert await reader.readexactly(3) == said.upper()
        writer.close()


async def test_a_stream_comes_as_it_is_sent(site: Site) -> None:
    go_on = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await writer.drain()
        await go_on.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with server(stream) as number:
        site.ports["stream"] = number
        await site.serve(ingress("s", "s.test", ("/", "Prefix", "stream")))
        reader, writer = await asyncio.open_connection("127.0.0.1", site.shape.http)
        writer.write(b"GET / HTTP/1.1\r\nHost: s.test\r\n\r\n")
        async with asyncio.timeout(10):
            await reader.readuntil(b"first")
            go_on.set()
            await reader.readuntil(b"last")
        writer.close()


async def test_the_proxy_protocol(site: Site) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start = await reader.readexactly(16)
        addresses = await reader.readexactly(int.from_bytes(start[14:16], "big"))
        await head(reader)
        heard.set_result(start[:12] + addresses[:4])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with server(listen) as number:
        site.ports["proxy"] = number
        await site.serve(ingress("p", "p.test", ("/", "Prefix", "proxy"), backend_protocol="proxy"))
        assert (await site.talk("GET / HTTP/1.0\r\nHost: p.test\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await heard == b"\r\n\r\n\x00\r\nQUIT\n" + socket.inet_aton("127.0.0.1")

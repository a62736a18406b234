"""Clients that do not read are cut off; the others do not notice."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from tests.integration.apiserver.conftest import Http
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.apiserver import server
from wherry.machinery.meta import ObjectMeta

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"


async def test_a_watcher_that_never_reads_is_cut_off(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STREAM_BACKLOG", 256 * 1024)
    running = http.running
    api = running.server.api
    window = api.window(api.served.get("", "v1", "configmaps"))
    own = window.watchers
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=running.tls(), limit=1024)
    writer.write(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readline()
    for _ in range(1000):
        if window.watchers > own:
            break
        await asyncio.sleep(0)
    async with http.session.get(f"{running.url}{MAPS}?watch=1") as other:
        for number in range(60):
            body = {"metadata": {"name": f"a{number}"}, "data": {"x": "y" * 300_000}}
            assert (await http("POST", MAPS, body)).code == 201
            seen = 0
            while seen < 300_000:
                seen += len(await other.content.readany())
            if window.watchers == own + 1:
                break
        assert window.watchers == own + 1
    writer.transport.abort()


async def test_many_that_never_read_hold_a_bounded_share_together(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each could hold a quarter of a megabyte if it were alone; together they may hold one."""
    readers, together = 20, 1024 * 1024
    monkeypatch.setattr(server, "STREAM_BACKLOG", 256 * 1024)
    monkeypatch.setattr(server, "STREAMS_BACKLOG", together)
    monkeypatch.setattr(server, "BEHIND", 16 * 1024)
    running = http.running
    window = running.server.api.window(running.server.api.served.get("", "v1", "configmaps"))
    own, tls = window.watchers, running.tls()
    connections = [_small_connection(running.server.port, tls) for _ in range(readers)]
    streams = [await connection for connection in connections]
    for reader, writer in streams:
        writer.write(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readline()
    while window.watchers < own + readers:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)
    most, client = 0, running.client()
    async with http.session.get(f"{running.url}{MAPS}?watch=1") as other:
        for number in range(120):
            name, data = f"a{number}", {"x": "y" * 60_000}
            await client.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name=name, namespace="demo"), data=data))
            most = max(most, running.server.held)
            seen = 0
            while seen < 60_000:
                seen += len(await other.content.readany())
    for _, writer in streams:
        writer.transport.abort()
    assert together / 2 < most < together + readers * (server.BEHIND + 70_000)


async def _small_connection(port: int, tls: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection for which the kernel keeps little."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=raw, ssl=tls, server_hostname="127.0.0.1", limit=1024)


async def test_a_head_has_no_body(http: Http) -> None:
    for path, code in (("/version", 200), (MAPS, 405), (f"{MAPS}/none", 405)):
        async with http.session.head(f"{http.running.url}{path}") as response:
            assert response.status == code
            assert await response.read() == b""

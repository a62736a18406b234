"""Clients that do not read are cut off; the others do not notice."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.apiserver.conftest import Http
from wherry.apiserver import server

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


async def test_a_head_has_no_body(http: Http) -> None:
    async with http.session.head(f"{http.running.url}{MAPS}") as response:
        assert response.status == 200
        assert await response.read() == b""

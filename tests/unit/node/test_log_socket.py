"""Logs over WebSocket, with a real client."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from wherry.aio.clock import LoopClock
from wherry.node.runtime.simulated import Simulated
from wherry.node.streaming.logs import LogOptions
from wherry.node.streaming.sessions import Sessions

pytestmark = pytest.mark.looptime(False)


@pytest.mark.parametrize("protocol", ["binary.k8s.io", "base64.binary.k8s.io", ""])
async def test_a_log_comes_as_messages_and_ends(tmp_path: Path, protocol: str) -> None:
    log = tmp_path / "0.log"
    log.write_text("2026-01-01T00:00:00Z stdout F alive\n")

    async def logs(request: web.Request) -> web.StreamResponse:
        return await Sessions(Simulated(LoopClock())).logs(request, log, LogOptions(), lambda: True)

    app = web.Application()
    app.router.add_get("/", logs)
    server = TestServer(app)
    await server.start_server()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(server.make_url("/"), protocols=[protocol] if protocol else []) as socket,
        ):
            assert (socket.protocol or "") == protocol
            found = [message.data async for message in socket]
        assert found == (["", "YWxpdmUK"] if protocol.startswith("base64") else [b"", b"alive\n"])
    finally:
        await server.close()

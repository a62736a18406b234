"""Looks at containers: HTTP with redirects, against a real server; lengths in the gRPC request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.unit.node.pods import pod
from wherry.api.types.core import HTTPGetAction
from wherry.node import checks

pytestmark = pytest.mark.looptime(False)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Answers what the path says: /200, /500, /to?where=..."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/circle":
            return web.Response(status=301, headers={"Location": "/circle"})
        if request.path == "/to":
            return web.Response(status=302, headers={"Location": request.query["where"]})
        return web.Response(status=int(request.path[1:]))

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    it = TestServer(app)
    await it.start_server()
    yield it
    await it.close()


@pytest.mark.parametrize(
    ("path", "healthy", "text"),
    [
        ("/200", True, ""), ("/399", True, ""), ("/500", False, "HTTP probe failed with statuscode: 500"),
        ("/to?where=/500", False, "HTTP probe failed with statuscode: 500"), ("/to?where=/204", True, ""),
        ("/to?where=http://elsewhere.example/500", True, ""),
        ("/to?where=/to?where=/404", False, "HTTP probe failed with statuscode: 404"),
    ],
)  # fmt: skip
async def test_redirects_are_followed_on_the_same_host_only(
    server: TestServer, path: str, healthy: bool, text: str
) -> None:
    target = checks.Target("c", str(server.host), pod().spec.containers[0])
    async with aiohttp.ClientSession() as session:
        action = HTTPGetAction(path=path, port=server.port)
        assert await checks.http_get(session, target, action, 5.0) == (healthy, text)


async def test_a_circle_of_redirects_is_a_failure(server: TestServer) -> None:
    target = checks.Target("c", str(server.host), pod().spec.containers[0])
    action = HTTPGetAction(path="/circle", port=server.port)
    async with aiohttp.ClientSession() as session:
        healthy, text = await checks.http_get(session, target, action, 5.0)
        assert not healthy
        assert text.endswith("stopped after 10 redirects")


def test_lengths_are_varints() -> None:
    assert checks._varint(5) == b"\x05"
    assert checks._varint(300) == b"\xac\x02"

"""The agent's own port, with a real API server behind it: who gets what, and that reading is not running.

https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/ ; kubernetes #78741, #136550
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.test_access import RBAC, token_of
from tests.support.apiserver import Authority
from wherry.aio.clock import SystemClock
from wherry.apiserver.authn.user import known
from wherry.node.agent import Agent
from wherry.node.api import ROUTES
from wherry.node.config import AgentConfig
from wherry.node.runtime.simulated import Simulated
from wherry.node.streaming.routes import STREAMING_ROUTES

pytestmark = pytest.mark.looptime(False)

EVERY = (*ROUTES, *STREAMING_ROUTES)
DOORS = ("/exec/demo/p/u/c?command=id", "/attach/demo/p/u/c", "/portForward/demo/p/u?port=80")
UPGRADES = (("GET", "websocket"), ("POST", "SPDY/3.1"), ("GET", "SPDY/3.1"), ("GET", ""))


@dataclass
class World:
    """An agent that serves, and the API server that it asks."""

    http: Http
    port: int
    authority: Authority

    async def ask(
        self, method: str, path: str, token: str = "", user: tuple[str, str] | None = None, upgrade: str = ""
    ) -> int:
        """The status of an answer, asked for with a token or a certificate."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if user is not None:
            pair = self.authority.issue(user[0], (user[1],) if user[1] else ())
            context.load_cert_chain(pair.certificate, pair.key)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Connection": "Upgrade", "Upgrade": upgrade} if upgrade else {}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.request(method, f"https://localhost:{self.port}{path}", headers=headers) as answer,
        ):
            return answer.status

    async def account(self, name: str, *verbs: str) -> str:
        """The token of an account that may do this to all parts of nodes."""
        resources = [f"nodes/{part}" for part in ("proxy", "metrics", "stats", "log", "pods", "healthz", "configz")]
        rules = [{"apiGroups": [""], "resources": resources, "verbs": list(verbs)}]
        await self.http("POST", "/api/v1/namespaces/demo/serviceaccounts", {"metadata": {"name": name}})
        await self.http("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        subject = {"kind": "ServiceAccount", "namespace": "demo", "name": name}
        body = {"metadata": {"name": name}, "roleRef": ref, "subjects": [subject]}
        assert (await self.http("POST", f"{RBAC}/clusterrolebindings", body)).code == 201
        return str((await token_of(self.http, name)).body["status"]["token"])


@pytest.fixture
async def world(http: Http, tmp_path: Path) -> AsyncIterator[World]:
    authority = http.running.authority
    pair = authority.issue("system:node:n1", server=True, hosts=("n1",))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = AgentConfig(
        name="n1", root=tmp_path / "agent", run=tmp_path / "agent", port=port, addresses=("127.0.0.1",),
        tls_cert=pair.certificate, tls_key=pair.key, client_ca=authority.certificate,
    )  # fmt: skip
    config.root.mkdir()
    client = http.running.client(known("system:node:n1", "system:nodes"))
    clock = SystemClock()
    agent = Agent(config, client, Simulated(clock), clock, routes=EVERY)
    task = asyncio.create_task(agent.server.run())
    made = World(http, port, authority)
    async with asyncio.timeout(10):
        while not await _listens(port):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.02)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True


def filled(path: str) -> str:
    """A route's path with something in every place."""
    return path.replace("{namespace}", "demo").replace("{pod}", "p").replace("{uid}", "u").replace("{container}", "c")


async def test_nothing_but_health_is_for_everybody(world: World) -> None:
    """Every route that there is: without credentials, with a stranger's token, with another user's certificate."""
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for route in EVERY:
        path = filled(route.path)
        found[route.method, path] = (
            await world.ask(route.method, path),
            await world.ask(route.method, path, token="stranger"),
            await world.ask(route.method, path, user=("bob", "dev")),
            await world.ask(route.method, path, user=("system:node:n2", "system:nodes")),
        )
    assert found.pop(("GET", "/healthz")) == (200, 200, 200, 200)
    assert found.pop(("GET", "/away")) == (401, 401, 403, 200)  # nodes ask each other who is cut off
    assert {key: codes for key, codes in found.items() if codes != (401, 401, 403, 403)} == {}
    for path in ("/run/demo/p/c", "/debug/pprof/", "/logs/", "/checkpoint/demo/p/c", "/spec", "/nothing"):
        assert await world.ask("GET", path) == 401


async def test_the_api_server_and_administrators_are_let_in(world: World) -> None:
    for user in (("wherry-apiserver", ""), ("root", "system:masters")):
        assert await world.ask("GET", "/pods", user=user) == 200
        assert await world.ask("GET", DOORS[0], user=user, upgrade="websocket") == 404


@pytest.mark.parametrize(("method", "upgrade"), UPGRADES)
async def test_reading_is_not_running(world: World, method: str, upgrade: str) -> None:
    """`get` on nodes/proxy opens no container, whatever the method of the request; `create` does."""
    reader = await world.account("reader", "get", "list", "watch")
    assert await world.ask("GET", "/pods", token=reader) == 200
    assert await world.ask("GET", "/configz", token=reader) == 200
    for door in DOORS:
        assert await world.ask(method, door, token=reader, upgrade=upgrade) == 403
    runner = await world.account("runner", "create")
    for door in DOORS:
        assert await world.ask(method, door, token=runner, upgrade=upgrade) == 404

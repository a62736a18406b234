"""A server that starts again over its log: nothing is older than what it had answered, watches go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import Running, settings
from wherry.aio.clock import SystemClock
from wherry.apiserver.apiserver import ApiServer
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"


def _plain(key: str, value: bytes) -> bytes:
    return value


async def test_what_a_client_sees_over_a_restart(tmp_path: Path) -> None:
    config, authority = settings(tmp_path)
    service = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    token = since = address = ""
    node_port = answered = 0
    for life in range(3):
        log = await SqliteLog.open(tmp_path / "state.db", seal=_plain, unseal=_plain)
        server = ApiServer(config, log, SystemClock())
        await server.start()
        running = Running(server, authority, tmp_path)
        connector = aiohttp.TCPConnector(ssl=running.tls())
        async with aiohttp.ClientSession(connector=connector) as session:
            http = Http(running, session)
            assert int((await http("GET", MAPS)).body["metadata"]["resourceVersion"]) >= answered
            assert (await http("GET", f"{MAPS}?resourceVersion={answered}")).code == 200, "it has been reached"
            if life == 0:
                account = {"metadata": {"name": "default"}}
                await http("POST", "/api/v1/namespaces/default/serviceaccounts", account)
                issued = await http("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})
                token = issued.body["status"]["token"]
                made = (await http("POST", SERVICES, service)).body["spec"]
                address, node_port = made["clusterIP"], made["ports"][0]["nodePort"]
                since = (await http("GET", MAPS)).body["metadata"]["resourceVersion"]
            else:
                watch = f"{running.url}{MAPS}?watch=1&resourceVersion={since}"
                async with asyncio.timeout(10), session.get(watch) as response:
                    seen = [msgspec.json.decode(await response.content.readline()) for _ in range(life)]
                assert [e["object"]["metadata"]["name"] for e in seen] == [f"a{n}" for n in range(life)]
                taken = {"metadata": {"name": "t"}, "spec": {"clusterIP": address, "ports": [{"port": 1}]}}
                assert "already allocated" in (await http("POST", SERVICES, taken)).message
                ports = [{"port": 1, "nodePort": node_port}]
                taken = {"metadata": {"name": "t"}, "spec": {"type": "NodePort", "ports": ports}}
                assert "already allocated" in (await http("POST", SERVICES, taken)).message
            made = (await http("POST", MAPS, {"metadata": {"name": f"a{life}"}})).body
            answered = int(made["metadata"]["resourceVersion"])
            plain = aiohttp.TCPConnector(ssl=running.tls(""))
            async with aiohttp.ClientSession(connector=plain) as other:
                bearer = {"Authorization": f"Bearer {token}"}
                async with other.get(f"{running.url}/api", headers=bearer) as response:
                    assert response.status == 200
        await server.stop()
        await log.close()

"""Controllers and custom kinds that come and go: owners, namespaces, quotas, on a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import running_apiserver
from tests.support.definitions import PATH, defined, definition, eventually, foo, foos, version
from wherry.aio.clock import SystemClock
from wherry.apiserver.authn.user import known
from wherry.controllers import garbagecollector, namespace, resourcequota
from wherry.controllers.settings import Settings
from wherry.reconcile.runner import run_controllers

pytestmark = pytest.mark.looptime(False)
MAPS = "/api/v1/namespaces/default/configmaps"


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Http]:
    """An API server with the controllers that look after every kind."""
    async with running_apiserver(folder) as running, asyncio.TaskGroup() as group:
        client = running.client(known("system:kube-controller-manager"))
        made = [
            make(Settings()) for make in (garbagecollector.controller, namespace.controller, resourcequota.controller)
        ]
        work = group.create_task(run_controllers(client, SystemClock(), made))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session:
            yield Http(running, session)
        work.cancel()


def owned(name: str, owner: dict[str, Any], *, block: bool = False) -> dict[str, Any]:
    """Metadata of what belongs to an object."""
    meta = owner["metadata"]
    ref = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {"name": name, "ownerReferences": [{**ref, "blockOwnerDeletion": block}]}


async def gone(http: Http, path: str) -> None:
    """Wait until nothing is there."""

    async def is_gone() -> bool:
        return (await http("GET", path)).code == 404

    await eventually(is_gone)


async def test_custom_owners_and_custom_dependents(tmp_path: Path) -> None:
    async with cluster(tmp_path) as http:
        await defined(http, definition())
        parent = (await http("POST", foos(), foo("parent"))).body
        child = await http("POST", foos(), {**foo(), "metadata": owned("child", parent)})
        assert child.code == 201, child.body
        await http("POST", MAPS, {"metadata": owned("grandchild", child.body)})
        await http("DELETE", foos("parent") + "?propagationPolicy=Background")
        await gone(http, foos("child"))
        await gone(http, f"{MAPS}/grandchild")


async def test_foreground_and_orphans(tmp_path: Path) -> None:
    async with cluster(tmp_path) as http:
        await defined(http, definition())
        parent = (await http("POST", foos(), foo("parent", keep={"me": 1}))).body
        held = {**foo(), "metadata": {**owned("child", parent, block=True), "finalizers": ["example.com/hold"]}}
        await http("POST", foos(), held)
        await http("DELETE", foos("parent") + "?propagationPolicy=Foreground")

        async def waits() -> bool:
            return "deletionTimestamp" in (await http("GET", foos("child"))).body["metadata"]

        await eventually(waits)
        assert (await http("GET", foos("parent"))).body["keep"] == {"me": 1}
        await http("PATCH", foos("child"), {"metadata": {"finalizers": None}}, "application/merge-patch+json")
        await gone(http, foos("parent"))
        other = (await http("POST", foos(), foo("other"))).body
        await http("POST", foos(), {**foo(spec={"a": 1}), "metadata": owned("left", other)})
        await http("DELETE", foos("other") + "?propagationPolicy=Orphan")
        await gone(http, foos("other"))
        left = (await http("GET", foos("left"))).body
        assert "ownerReferences" not in left["metadata"]
        assert left["spec"] == {"a": 1}


async def test_a_namespace_takes_custom_objects_with_it(tmp_path: Path) -> None:
    async with cluster(tmp_path) as http:
        await defined(http, definition(version("v1"), version("v2", storage=False)))
        await http("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        made = await http("POST", foos(namespace="shop"), foo())
        assert made.code == 201, made.body
        await http("DELETE", "/api/v1/namespaces/shop")
        await gone(http, "/api/v1/namespaces/shop")
        assert (await http("GET", "/apis/example.com/v1/foos")).body["items"] == []


async def test_a_quota_counts_custom_objects(tmp_path: Path) -> None:
    async with cluster(tmp_path) as http:
        quotas = "/api/v1/namespaces/default/resourcequotas"
        await http("POST", quotas, {"metadata": {"name": "q"}, "spec": {"hard": {"count/foos.example.com": "1"}}})
        await defined(http, definition())
        assert (await http("POST", foos(), foo("a"))).code == 201

        async def counted() -> bool:
            status = (await http("GET", f"{quotas}/q")).body.get("status", {})
            return bool(status.get("used") == {"count/foos.example.com": "1"})

        await eventually(counted)
        refused = await http("POST", foos(), foo("b"))
        assert refused.code == 403
        assert "exceeded quota: q, requested: count/foos.example.com=1" in refused.message
        await http("DELETE", f"{PATH}/foos.example.com")
        await gone(http, f"{PATH}/foos.example.com")
        await defined(http, definition())
        assert (await http("POST", foos(), foo("c"))).code == 201
        await eventually(counted)

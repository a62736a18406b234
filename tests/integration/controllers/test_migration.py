"""Storage version migrations: every object is written again, once; unknown resources are waited for, then given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.storagemigration.storageversionmigration import STORAGEVERSIONMIGRATION
from wherry.api.types.core import ConfigMap
from wherry.api.types.meta import GroupResource
from wherry.api.types.storagemigration import StorageVersionMigration, StorageVersionMigrationSpec
from wherry.controllers import storageversionmigration
from wherry.controllers.settings import Settings
from wherry.machinery.errors import APIError, Forbidden
from wherry.machinery.meta import Key, Object, ObjectMeta
from wherry.machinery.resource import Resource
from wherry.reconcile.runner import run_controllers

CONTROLLER = storageversionmigration.controller(Settings())
KEY = Key("", "m")


@asynccontextmanager
async def running(resource: str) -> AsyncIterator[Cluster]:
    cluster = Cluster(LoopClock())
    for name in ("a", "b"):
        await cluster.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name=name, namespace="default")))
    spec = StorageVersionMigrationSpec(resource=GroupResource(resource=resource))
    await cluster.create(STORAGEVERSIONMIGRATION, StorageVersionMigration(metadata=ObjectMeta(name="m"), spec=spec))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, (CONTROLLER,)))
        yield cluster
        task.cancel()


async def ends(cluster: Cluster) -> dict[str, str]:
    found = await cluster.get(STORAGEVERSIONMIGRATION, KEY)
    return {c.type: c.message for c in found.status.conditions}


async def test_every_object_is_written() -> None:
    patched = 0

    def seen(verb: str, resource: Resource[object], obj: Object | None) -> APIError | None:  # type: ignore[type-var]
        nonlocal patched
        patched += verb == "patch" and resource is CONFIGMAP
        return None

    async with running("configmaps") as cluster:
        cluster.refuse = seen
        await asyncio.sleep(1)
        assert await ends(cluster) == {"Running": "Migration is running", "Succeeded": "Migration completed"}
        assert (await cluster.get(STORAGEVERSIONMIGRATION, KEY)).status.resource_version == "2"
        assert patched == 2


async def test_a_refusal_ends_it() -> None:
    async with running("configmaps") as cluster:
        cluster.refuse = lambda verb, resource, obj: Forbidden("no") if verb == "patch" else None
        await asyncio.sleep(1)
        assert (await ends(cluster))["Failed"] == "no"


async def test_an_unknown_resource_is_given_a_minute() -> None:
    async with running("things") as cluster:
        await asyncio.sleep(55)
        assert await ends(cluster) == {}
        await asyncio.sleep(10)
        assert await ends(cluster) == {"Failed": "resource does not exist in discovery"}

"""Owners, finalizers and deletions at random, on a real API server with a real garbage collector, in virtual time.

In each round two users make objects that own each other (in circles too, across namespaces, with owners that never
were), put finalizers on them and take them off, and delete them by every policy, once or several times. Meanwhile the
collector works, and is restarted now and then. See tests/support/lineage.py for what has to hold.
WHERRY_ROUNDS says how many rounds (200), WHERRY_FIRST_ROUND with which of them to begin, to see one again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.support.apiserver import running_apiserver
from tests.support.lagging import Lagging
from tests.support.lineage import Lineage
from wherry.aio.clock import LoopClock
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.event import EVENT
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.secret import SECRET
from wherry.api.scheduling.priorityclass import PRIORITYCLASS
from wherry.api.types.core import ConfigMap, Namespace, Secret
from wherry.api.types.scheduling import PriorityClass
from wherry.client.interface import Client, Select
from wherry.controllers import garbagecollector
from wherry.controllers.settings import Settings
from wherry.machinery.errors import AlreadyExists, APIError, NotFound
from wherry.machinery.meta import Key, Object, ObjectMeta, OwnerReference, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.ownership import reference
from wherry.reconcile.runner import run_controllers

ROUNDS = int(os.environ.get("WHERRY_ROUNDS", "200"))
FIRST = int(os.environ.get("WHERRY_FIRST_ROUND", "0"))
TOGETHER = 20
STEPS = 8
SPACES = ("one", "two")
KINDS: tuple[Resource[Any], ...] = (CONFIGMAP, SECRET, PRIORITYCLASS)
OWNERS = {(kind.group, kind.kind): kind for kind in (*KINDS, REPLICASET)}
POLICIES = ("Background", "Foreground", "Orphan", "")
HOLD = "example.com/hold"


class Round:
    """A handful of objects, and what two users do to them."""

    def __init__(self, client: Client, lineage: Lineage, number: int) -> None:
        self._client = client
        self._lineage = lineage
        self._random = random.Random(number)
        self._name = f"r{number}"
        self._known: list[tuple[Resource[Any], Object]] = []

    async def run(self) -> None:
        """Both users, at once; then nobody holds anything any more, but for one object in ten rounds."""
        for _ in range(3):
            with suppress(AlreadyExists):
                await self._create()
        await asyncio.gather(self._user(), self._user())

    async def release(self) -> None:
        """Take every finalizer off."""
        for resource, obj in self._known:
            await self._free(resource, obj)

    async def _user(self) -> None:
        doing = (self._create, self._create, self._delete, self._delete, self._hold, self._let, self._disown)
        for _ in range(STEPS):
            with suppress(APIError):  # somebody else was there first
                await self._random.choice(doing)()
            if self._random.random() < 0.3:
                await asyncio.sleep(self._random.choice((0, 0.001, 0.1)))

    def _refs(self, namespace: str) -> tuple[OwnerReference, ...]:
        """Owners for a new object, or for one that has others."""
        choice = self._random.random
        some = self._random.sample(self._known, k=min(len(self._known), self._random.choice((0, 1, 1, 2))))
        found = [replace(reference(kind, obj), controller=None, block_owner_deletion=choice() < 0.7)
                 for kind, obj in some]  # fmt: skip
        if choice() < 0.05:
            found.append(OwnerReference(api_version="example.com/v1", kind="Unknown", name="x", uid=self._name))
        if choice() < 0.05:
            found.append(OwnerReference(api_version="apps/v1", kind="ReplicaSet", name="never", uid=self._name + "r"))
        return tuple({ref.uid: ref for ref in found}.values())

    async def _create(self) -> None:
        resource = self._random.choice(KINDS)
        namespace = self._random.choice((SPACES[0], SPACES[0], SPACES[0], SPACES[1])) if resource.namespaced else ""
        name = f"{self._name}-{self._random.randrange(4)}"
        held = self._random.choice(((), (), (), (), (HOLD,), (HOLD,), ("orphan",), ("foregroundDeletion", HOLD)))
        meta = ObjectMeta(name=name, namespace=namespace, owner_references=self._refs(namespace), finalizers=held)
        types: dict[Resource[Any], Object] = {
            CONFIGMAP: ConfigMap(metadata=meta), SECRET: Secret(metadata=meta),
            PRIORITYCLASS: PriorityClass(metadata=meta, value=1),
        }  # fmt: skip
        made = await self._client.create(resource, types[resource])
        self._lineage.holds(made, HOLD)
        self._known.append((resource, made))

    async def _delete(self) -> None:
        resource, obj = self._random.choice(self._known)
        uid = obj.metadata.uid
        policy = self._random.choice(POLICIES)
        for _ in range(self._random.choice((1, 1, 2, 3))):
            self._lineage.dooms(uid, policy)
            await self._client.delete(resource, key_of(obj), uid=uid, propagation=policy)
            if self._random.random() < 0.5:
                policy = self._random.choice(POLICIES)

    async def _change(self, resource: Resource[Any], obj: Object, **meta: Any) -> Object:
        """Over whatever it is now, of this very object."""
        patch = {"metadata": {"uid": obj.metadata.uid, **meta}}
        changed: Object = await self._client.patch(resource, key_of(obj), patch)
        return changed

    async def _hold(self) -> None:
        resource, obj = self._random.choice(self._known)
        live = await self._live(resource, obj)
        if live is not None and HOLD not in live.metadata.finalizers:
            now = [*live.metadata.finalizers, HOLD]
            same = live.metadata.resource_version
            self._lineage.holds(await self._change(resource, live, finalizers=now, resourceVersion=same), HOLD)

    async def _let(self) -> None:
        await self._free(*self._random.choice(self._known))

    async def _free(self, resource: Resource[Any], obj: Object) -> None:
        while (live := await self._live(resource, obj)) is not None and HOLD in live.metadata.finalizers:
            self._lineage.frees(live.metadata.uid, HOLD)
            kept = [name for name in live.metadata.finalizers if name != HOLD]
            with suppress(APIError):
                await self._change(resource, live, finalizers=kept, resourceVersion=live.metadata.resource_version)

    async def _live(self, resource: Resource[Any], obj: Object) -> Object | None:
        with suppress(NotFound):
            live: Object = await self._client.get(resource, key_of(obj))
            return live if live.metadata.uid == obj.metadata.uid else None
        return None

    async def _disown(self) -> None:
        """Give an object other owners."""
        resource, obj = self._random.choice(self._known)
        refs = [
            {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name, "uid": ref.uid,
             "blockOwnerDeletion": ref.block_owner_deletion}
            for ref in self._refs(obj.metadata.namespace) if ref.uid != obj.metadata.uid
        ]  # fmt: skip
        self._lineage.adopts(obj.metadata.uid)
        await self._change(resource, obj, ownerReferences=refs)


class Collector:
    """The garbage collector, which may be restarted, and whose caches are late in every other run."""

    def __init__(self, client: Client, run: int = 0) -> None:
        self._client = client
        self._run = run
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run a new one."""
        made = garbagecollector.controller(Settings(resources=(*KINDS, REPLICASET)))
        self._run += 1
        chance, late = random.Random(self._run), (0.0, 0.001, 0.05, 1.0)
        lagging = Lagging(self._client, lambda resource: chance.choice(late))
        client = cast("Client", lagging) if self._run % 2 else self._client
        self._task = asyncio.create_task(run_controllers(client, LoopClock(), (made,)))

    async def stop(self) -> None:
        """End it, in the middle of whatever it does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def watched(client: Client) -> AsyncIterator[Lineage]:
    """Everything that happens to KINDS, judged."""
    lineage = Lineage(OWNERS)

    async def follow(kind: Resource[Any]) -> None:
        async for event in client.watch(kind):
            lineage.see(event)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(kind)) for kind in KINDS]
        await asyncio.sleep(1)
        yield lineage
        for task in tasks:
            task.cancel()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_rounds(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path, clock=LoopClock()) as running:
        client = running.client()
        for space in SPACES:
            await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name=space)))
        collector = Collector(client, FIRST // TOGETHER)
        async with watched(client) as lineage:
            for first in range(FIRST, ROUNDS, TOGETHER):
                numbers = range(first, min(first + TOGETHER, ROUNDS))
                rounds = [Round(client, lineage, number) for number in numbers]
                await collector.stop()
                collector.start()
                await asyncio.gather(*(one.run() for one in rounds))
                await asyncio.sleep(120)
                assert list(lineage.broken()) == [], f"rounds {numbers}"
                for one in rounds:
                    await one.release()
                await asyncio.sleep(120)
                assert list(lineage.broken()) == [], f"rounds {numbers}, released"
            await collector.stop()


async def test_dependents_that_the_cache_has_not_seen_are_let_go(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path, clock=LoopClock()) as running:
        client = running.client()
        await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="one")))
        late = cast("Client", Lagging(client, lambda resource: 5.0 if resource is SECRET else 0.0))
        made = garbagecollector.controller(Settings(resources=KINDS))
        task = asyncio.create_task(run_controllers(late, LoopClock(), (made,)))
        await asyncio.sleep(60)
        owner = await client.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="a", namespace="one")))
        refs = (reference(CONFIGMAP, owner),)
        await client.create(SECRET, Secret(metadata=ObjectMeta(name="b", namespace="one", owner_references=refs)))
        await client.delete(CONFIGMAP, key_of(owner), propagation="Orphan")
        await asyncio.sleep(60)
        left = await client.get(SECRET, Key("one", "b"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert left.metadata.owner_references == ()


async def test_an_owner_that_the_cache_has_not_seen_is_asked_for(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path, clock=LoopClock()) as running:
        client = running.client()
        await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="one")))
        late = cast("Client", Lagging(client, lambda resource: 5.0 if resource is CONFIGMAP else 0.0))
        made = garbagecollector.controller(Settings(resources=KINDS))
        task = asyncio.create_task(run_controllers(late, LoopClock(), (made,)))
        await asyncio.sleep(60)
        owner = await client.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="a", namespace="one")))
        refs = (reference(CONFIGMAP, owner),)
        await client.create(SECRET, Secret(metadata=ObjectMeta(name="b", namespace="one", owner_references=refs)))
        await asyncio.sleep(60)
        left = [one.metadata.name for one in (await client.list(SECRET, Select(namespace="one"))).items]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert left == ["b"]


async def test_an_owner_that_nothing_without_namespace_can_have(tmp_path: Path) -> None:
    """Nothing is deleted, and whoever looks is told why."""
    async with running_apiserver(tmp_path, clock=LoopClock()) as running:
        client = running.client()
        collector = Collector(client)
        collector.start()
        ref = OwnerReference(api_version="v1", kind="ConfigMap", name="a", uid="u")
        meta = ObjectMeta(name="c", owner_references=(ref,))
        await client.create(PRIORITYCLASS, PriorityClass(metadata=meta, value=1))
        await asyncio.sleep(60)
        assert (await client.get(PRIORITYCLASS, Key("", "c"))).metadata.deletion_timestamp is None
        (told,) = (await client.list(EVENT)).items
        await collector.stop()
    assert (told.reason, told.type) == ("OwnerRefInvalidNamespace", "Warning")
    assert told.message == 'ownerRef [v1/ConfigMap, namespace: , name: a, uid: u] does not exist in namespace ""'

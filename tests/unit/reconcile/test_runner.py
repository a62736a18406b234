"""The runner's promises: own writes are read, errors back off, restarts and lost watches do no harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import cast

import pytest
from msgspec.structs import replace

from tests.support.cluster import Cluster
from tests.support.lagging import Lagging
from wherry.aio.clock import LoopClock
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.event import EVENT
from wherry.api.types.apps import ReplicaSet
from wherry.api.types.core import ConfigMap
from wherry.client.interface import Client, Event
from wherry.machinery.errors import APIError, Conflict, Forbidden, InternalError
from wherry.machinery.meta import Key, Object, ObjectMeta
from wherry.machinery.resource import Resource
from wherry.reconcile.actions import Action, Adopt, Create, Delete, Emit, Replace, Requeue
from wherry.reconcile.cache import Informer
from wherry.reconcile.context import Tracked
from wherry.reconcile.controller import Controller
from wherry.reconcile.executor import execute
from wherry.reconcile.runner import run_controllers
from wherry.reconcile.view import Index, View

A = Key("default", "a")


def config(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}"), data=data)


@asynccontextmanager
async def running(cluster: Cluster, controller: Controller) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, [controller]))
        yield
        task.cancel()


# --- Informer ---


def test_what_vanished_while_nobody_watched_is_dropped() -> None:
    informer = Informer(CONFIGMAP)
    heard: list[tuple[bool, bool]] = []
    informer.listen(lambda old, new: heard.append((old is not None, new is not None)))
    informer._fresh = set()
    informer._take(Event("ADDED", CONFIGMAP, config("a"), 1))
    informer._take(Event("ADDED", CONFIGMAP, config("b"), 2))
    assert informer.revision == 0, "not before the initial state is complete"
    informer._take(Event("SYNCED", CONFIGMAP, None, 5))
    assert informer.revision == 5
    informer._fresh = set()  # the watch starts over
    informer._take(Event("ADDED", CONFIGMAP, config("b"), 9))
    informer._take(Event("SYNCED", CONFIGMAP, None, 9))
    assert [o.metadata.name for o in informer.list("default")] == ["b"]
    assert heard[-1] == (True, False)


def test_indexes_follow_changes() -> None:
    index: Index[ConfigMap] = Index(CONFIGMAP, lambda o: o.data.values())
    informer = Informer(CONFIGMAP)
    informer._take(Event("ADDED", CONFIGMAP, config("a", k="x"), 1))
    assert [o.metadata.name for o in informer.indexed(index, "x")] == ["a"]
    informer._take(Event("MODIFIED", CONFIGMAP, config("a", k="y"), 2))
    assert informer.indexed(index, "x") == ()
    assert [o.metadata.name for o in informer.indexed(index, "y")] == ["a"]
    informer._take(Event("DELETED", CONFIGMAP, config("a", k="y"), 3))
    assert informer.indexed(index, "y") == ()


# --- Executor ---


async def test_creates_start_slowly() -> None:
    cluster = Cluster(LoopClock())
    asked: list[str] = []

    def refuse(verb: str, resource: Resource[Object], obj: Object | None) -> APIError | None:
        asked.append(verb)
        return Forbidden("quota")

    cluster.refuse = refuse
    said: list[Emit] = []
    failed = Emit(config("o"), "Warning", "FailedCreate", "Error creating: {error}")
    with pytest.raises(Forbidden):
        await execute(
            Tracked(cluster), [Create(CONFIGMAP, config(f"c{n}"), failed=failed) for n in range(50)], said.append
        )
    assert asked == ["create"]
    assert [emit.message for emit in said] == ["Error creating: quota"]


async def test_adoption_asks_the_api_whether_the_owner_still_stands() -> None:
    cluster = Cluster(LoopClock())
    stray = await cluster.create(CONFIGMAP, config("a"))
    owner = await cluster.create(REPLICASET, ReplicaSet(metadata=ObjectMeta(name="web", namespace="default")))
    namesake = replace(owner, metadata=replace(owner.metadata, uid="another"))
    await execute(Tracked(cluster), [Adopt(CONFIGMAP, stray, REPLICASET, namesake)], lambda emit: None)
    assert (await cluster.get(CONFIGMAP, A)).metadata.owner_references == ()
    await execute(Tracked(cluster), [Adopt(CONFIGMAP, stray, REPLICASET, owner)], lambda emit: None)
    assert [r.uid for r in (await cluster.get(CONFIGMAP, A)).metadata.owner_references] == [owner.metadata.uid]


async def test_deleting_what_is_gone_or_was_replaced_is_no_error() -> None:
    cluster = Cluster(LoopClock())
    await cluster.create(CONFIGMAP, config("a"))
    await execute(Tracked(cluster), [Delete(CONFIGMAP, A, "old"), Delete(CONFIGMAP, Key("default", "b"), "x")], print)
    assert len(cluster.all(CONFIGMAP)) == 1


# --- Runner ---


def counter(limit: int) -> Controller:
    """Counts up in its own object until `limit`."""

    def plan(view: View, key: Key) -> Iterator[Action]:
        found = view.get(CONFIGMAP, key)
        if found is not None and int(found.data.get("n", "0")) < limit:
            yield Replace(CONFIGMAP, replace(found, data={"n": str(int(found.data.get("n", "0")) + 1)}))

    return Controller("counter", CONFIGMAP, plan)


@pytest.mark.parametrize("lag", [0.0, 2.0])
async def test_own_writes_are_read_before_the_next_plan(lag: float) -> None:
    cluster = Cluster(LoopClock(), lag)
    conflicts = 0
    honest = cluster.replace

    async def watched(resource: Resource[ConfigMap], obj: ConfigMap, subresource: str = "") -> ConfigMap:
        nonlocal conflicts
        try:
            return await honest(resource, obj, subresource)
        except Conflict:
            conflicts += 1
            raise

    cluster.replace = watched  # type: ignore[method-assign, assignment]  # counts on the way
    async with running(cluster, counter(5)):
        await cluster.create(CONFIGMAP, config("a"))
        await asyncio.sleep(100)
    assert (await cluster.get(CONFIGMAP, A)).data == {"n": "5"}
    assert conflicts == 0


async def test_a_key_that_is_woken_meanwhile_waits_for_its_own_write() -> None:
    """What was made is seen late; a change of its owner in between must not make a second one."""
    cluster = Cluster(LoopClock())
    late = cast("Client", Lagging(cluster, lambda resource: 5.0 if resource is REPLICASET else 0.0))

    def plan(view: View, key: Key) -> Iterator[Action]:
        if not view.list(REPLICASET):
            yield Create(REPLICASET, ReplicaSet(metadata=ObjectMeta(generate_name="x-", namespace="default")))

    controllers = [Controller("maker", CONFIGMAP, plan, reads=(REPLICASET,))]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(late, cluster.clock, controllers))
        await asyncio.sleep(10)
        made = await cluster.create(CONFIGMAP, config("a"))
        for number in range(8):
            await asyncio.sleep(1)
            made = await cluster.replace(CONFIGMAP, replace(made, data={"n": str(number)}))
        await asyncio.sleep(20)
        task.cancel()
    assert len(cluster.all(REPLICASET)) == 1


async def test_errors_back_off_and_one_key_does_not_stop_another() -> None:
    cluster = Cluster(LoopClock())
    tries: list[float] = []

    def plan(view: View, key: Key) -> Iterator[Action]:
        if key == A:
            tries.append(view.now)
            raise RuntimeError("a bug")
        yield Delete(CONFIGMAP, key, f"{view.get(CONFIGMAP, key)}")

    async with running(cluster, Controller("bad", CONFIGMAP, plan)):
        await cluster.create(CONFIGMAP, config("a"))
        await cluster.create(CONFIGMAP, config("b"))
        await asyncio.sleep(600)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps[0] < 0.2
    assert max(gaps) == pytest.approx(60, abs=1)
    assert len(tries) < 30


async def test_an_unclear_failure_makes_no_second_object() -> None:
    cluster = Cluster(LoopClock(), 1.0)
    honest = cluster.create

    async def lossy(resource: Resource[ConfigMap], obj: ConfigMap) -> ConfigMap:
        made = await honest(resource, obj)
        if resource is CONFIGMAP and made.metadata.generate_name:
            raise InternalError("the answer was lost")
        return made

    def plan(view: View, key: Key) -> Iterator[Action]:
        if len(view.list(CONFIGMAP)) < 2:
            yield Create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(generate_name="x-", namespace="default")))

    await cluster.create(CONFIGMAP, config("a"))
    cluster.create = lossy  # type: ignore[method-assign, assignment]  # loses answers
    async with running(cluster, Controller("maker", CONFIGMAP, plan)):
        await asyncio.sleep(100)
    assert len(cluster.all(CONFIGMAP)) == 2


async def test_requeue_comes_back_and_events_are_counted() -> None:
    cluster = Cluster(LoopClock())

    def plan(view: View, key: Key) -> Iterator[Action]:
        found = view.get(CONFIGMAP, key)
        if found is not None:
            yield Emit(found, "Normal", "Tick", "tick")
            yield Requeue(10, "the next one")

    async with running(cluster, Controller("ticker", CONFIGMAP, plan)):
        await cluster.create(CONFIGMAP, config("a"))
        await asyncio.sleep(55)
    (said,) = [event for event in cluster.all(EVENT) if event.reason == "Tick"]
    assert (said.count, said.source.component, said.involved_object.name) == (6, "ticker-controller", "a")

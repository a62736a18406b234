"""The scheduler in virtual time against a fake API: what happens between a decision and its binding."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from tests.support.cluster import Cluster
from tests.support.nodes import node, pod
from wherry.aio.clock import LoopClock
from wherry.api.core.event import EVENT
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, condition
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import PersistentVolumeClaim, Pod
from wherry.api.types.storage import StorageClass
from wherry.machinery.codec import from_dict
from wherry.machinery.errors import Conflict
from wherry.machinery.meta import Key, Object, T
from wherry.machinery.metrics import render
from wherry.machinery.resource import Resource
from wherry.scheduler.counts import SchedulerCounts
from wherry.scheduler.loop import Scheduler

P = Key("default", "p")
SELECTED = "volume.kubernetes.io/selected-node"


async def _nothing(pod: Pod, target: str) -> None:
    """Nobody interferes."""


@dataclass
class Api(Cluster):
    """The fake, with bindings; `before(pod, node)` runs before each one is looked at."""

    before: Callable[[Pod, str], Awaitable[None]] = _nothing
    bindings: list[tuple[str, str]] = field(default_factory=list)

    async def call(
        self, resource: Resource[Any], key: Key, subresource: str, body: Object | Mapping[str, Any]
    ) -> dict[str, Any]:
        assert subresource == "binding"
        assert isinstance(body, Mapping)
        target = body["target"]["name"]
        await self.before(await self.get(POD, key), target)
        found = await self.get(POD, key)
        if found.spec.node_name:
            raise Conflict(f'pod {key.name} is already assigned to node "{found.spec.node_name}"')
        if found.metadata.deletion_timestamp is not None or found.metadata.uid != body["metadata"]["uid"]:
            raise Conflict(f"pod {key.name} is being deleted, cannot be assigned to a host")
        self.bindings.append((key.name, target))
        await self.set(POD, replace(found, spec=replace(found.spec, node_name=target)))
        return {}

    async def patch(
        self, resource: Resource[T], key: Key, patch: Mapping[str, Any] | Sequence[Any], *,
        kind: Literal["merge", "json", "strategic", "apply"] = "merge", subresource: str = "",
    ) -> T:  # fmt: skip
        assert isinstance(patch, Mapping)
        return await super().patch(resource, key, patch, subresource=subresource)  # its lists have one entry here

    def told(self, reason: str) -> list[str]:
        """The texts of events, with their counts."""
        return [event.message for event in self.all(EVENT) if event.reason == reason]

    def where(self, name: str = "p") -> str:
        """The node of a pod."""
        return next(p.spec.node_name for p in self.all(POD) if p.metadata.name == name)


@asynccontextmanager
async def running(
    *nodes: str, lag: float = 0.0, counts: SchedulerCounts | None = None
) -> AsyncIterator[tuple[Api, Scheduler]]:
    api = Api(LoopClock(), lag)
    for name in nodes:
        await api.create(NODE, node(name, cpu="1"))
    scheduler = Scheduler(api, api.clock, random.Random(1), counts)
    task = asyncio.create_task(scheduler.run())
    await asyncio.sleep(lag + 1)
    yield api, scheduler
    scheduler.world.snapshot.check()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("lag", [0.0, 3.0])
async def test_late_watches_never_overfill_a_node(lag: float) -> None:
    async with running("a", "b", lag=lag) as (api, _):
        for n in range(5):
            await api.create(POD, pod(f"p{n}", cpu="500m"))
        await asyncio.sleep(60)
        places = sorted(p.spec.node_name for p in api.all(POD))
        assert places == ["", "a", "a", "b", "b"]
        assert len(api.bindings) == 4


async def test_a_pod_that_somebody_else_binds_meanwhile_is_left_there() -> None:
    async with running("a", "b") as (api, scheduler):

        async def bind_elsewhere(found: Pod, target: str) -> None:
            other = "b" if target == "a" else "a"
            await api.set(POD, replace(found, spec=replace(found.spec, node_name=other)))

        api.before = bind_elsewhere
        await api.create(POD, pod("p", cpu="1"))
        await asyncio.sleep(30)
        assert api.bindings == []
        assert len(scheduler.world.queue) == 0
        assert scheduler.world.snapshot.node_of(api.all(POD)[0].metadata.uid) == api.where()


async def test_a_pod_that_is_deleted_meanwhile_leaves_its_room() -> None:
    async with running("a") as (api, scheduler):

        async def delete(found: Pod, target: str) -> None:
            if found.metadata.name == "p":
                await api.delete(POD, P)

        api.before = delete
        await api.create(POD, pod("p", cpu="1"))
        await asyncio.sleep(30)
        await api.create(POD, pod("q", cpu="1"))
        await asyncio.sleep(30)
        assert api.bindings == [("q", "a")]
        assert scheduler.world.assumed == {}
        assert api.told("FailedScheduling") == []


async def test_another_pod_of_the_same_name_is_not_mistaken_for_the_first() -> None:
    async with running("a") as (api, _):

        async def swap(found: Pod, target: str) -> None:
            if found.metadata.uid == "uid-2":
                await api.delete(POD, P)
                await api.create(POD, pod("p", cpu="1"))

        api.before = swap
        await api.create(POD, pod("p", cpu="1"))
        await asyncio.sleep(60)
        assert api.bindings == [("p", "a")]


async def test_a_binding_that_fails_is_tried_again() -> None:
    async with running("a") as (api, _):
        tries: list[float] = []

        async def fail_twice(found: Pod, target: str) -> None:
            tries.append(api.clock.monotonic())
            if len(tries) < 3:
                raise Conflict("not now")

        api.before = fail_twice
        await api.create(POD, pod("p", cpu="1"))
        await asyncio.sleep(30)
        assert [round(later - earlier) for earlier, later in itertools.pairwise(tries)] == [1, 2]
        assert api.where() == "a"
        assert api.told("FailedScheduling") == ["binding rejected: not now"]


def claim() -> PersistentVolumeClaim:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "made", "resources": {"requests": {"storage": "1Gi"}}}
    return from_dict(PersistentVolumeClaim, {"metadata": {"name": "data", "namespace": "default"}, "spec": spec})


async def with_claim(api: Api) -> None:
    kind = {"metadata": {"name": "made"}, "provisioner": "x/y", "volumeBindingMode": "WaitForFirstConsumer"}
    await api.create(STORAGECLASS, from_dict(StorageClass, kind))
    await api.create(PERSISTENTVOLUMECLAIM, claim())
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    await api.create(POD, pod("p", cpu="1", volumes=volumes))
    await asyncio.sleep(5)


def selected(api: Api) -> str:
    return api.all(PERSISTENTVOLUMECLAIM)[0].metadata.annotations.get(SELECTED, "")


async def test_a_node_that_is_gone_between_decision_and_binding_gets_no_pod() -> None:
    async with running("a") as (api, scheduler):
        await with_claim(api)
        assert selected(api) == "a"
        await api.delete(NODE, Key("", "a"))
        await api.create(NODE, node("b", cpu="1"))
        await asyncio.sleep(5)
        assert api.bindings == []
        assert scheduler.world.assumed == {}
        assert 'binding rejected: node "a" not found' in api.told("FailedScheduling")


async def test_a_provisioner_that_gives_up_sends_the_pod_back() -> None:
    async with running("a") as (api, _):
        await with_claim(api)
        await api.patch(PERSISTENTVOLUMECLAIM, Key("default", "data"), {"metadata": {"annotations": {SELECTED: None}}})
        await asyncio.sleep(0.1)
        assert api.told("FailedScheduling") == ['binding rejected: provisioning failed for PVC "data"']
        await asyncio.sleep(5)
        assert selected(api) == "a"


async def test_a_pod_waits_for_its_volumes_ten_minutes_at_a_time() -> None:
    async with running("a") as (api, _):
        await with_claim(api)
        await asyncio.sleep(590)
        assert api.told("FailedScheduling") == []
        await asyncio.sleep(20)
        assert api.told("FailedScheduling") == ["binding rejected: timed out waiting for volumes to be bound"]


async def test_a_pod_deleted_while_its_volumes_are_made_frees_its_place() -> None:
    async with running("a") as (api, scheduler):
        await with_claim(api)
        assert scheduler.world.assumed
        await api.delete(POD, P)
        await api.create(POD, pod("q", cpu="1"))
        await asyncio.sleep(5)
        assert api.bindings == [("q", "a")]
        assert scheduler.world.assumed == {}


async def test_the_condition_is_written_once_and_keeps_its_time() -> None:
    async with running("a") as (api, _):
        await api.create(POD, pod("p", cpu="2"))
        await asyncio.sleep(1)
        first = condition(api.all(POD)[0], "PodScheduled")
        assert first is not None
        assert (first.status, first.reason) == ("False", "Unschedulable")
        writes = len(list(api.events(POD, "MODIFIED")))
        await asyncio.sleep(700)  # tried again every five minutes
        assert len(list(api.events(POD, "MODIFIED"))) == writes
        await api.create(NODE, node("b", cpu="1"))
        await asyncio.sleep(15)
        second = condition(api.all(POD)[0], "PodScheduled")
        assert second is not None
        assert second.message.startswith("0/2 nodes")
        assert second.last_transition_time == first.last_transition_time


async def test_heartbeats_of_nodes_wake_nobody() -> None:
    async with running("a") as (api, scheduler):
        await api.create(POD, pod("p", cpu="2"))
        await asyncio.sleep(20)
        due = scheduler.world.queue.wait(api.clock.monotonic())
        assert due is not None
        assert due > 200
        beat = await api.get(NODE, Key("", "a"))
        await api.set(NODE, replace(beat, metadata=replace(beat.metadata, annotations={"beat": "1"})))
        await asyncio.sleep(1)
        assert scheduler.world.queue.wait(api.clock.monotonic()) == pytest.approx(due - 1)


async def test_attempts_and_what_waits_are_counted() -> None:
    counts = SchedulerCounts()
    async with running("a", counts=counts) as (api, _):
        await api.create(POD, pod("p", cpu="1"))
        await asyncio.sleep(10)
        await api.create(POD, pod("q", cpu="1"))
        await asyncio.sleep(20)
        lines = render(counts.families()).splitlines()
        scheduled = 'result="scheduled",profile="default-scheduler"'
        assert f"scheduler_schedule_attempts_total{{{scheduled}}} 1" in lines
        assert f"scheduler_scheduling_attempt_duration_seconds_count{{{scheduled}}} 1" in lines
        assert 'scheduler_schedule_attempts_total{result="unschedulable",profile="default-scheduler"} 1' in lines
        assert 'scheduler_pod_scheduling_attempts_bucket{le="1"} 1' in lines
        assert "scheduler_preemption_attempts_total 1" in lines
        assert 'scheduler_pending_pods{queue="unschedulable"} 1' in lines
        assert 'scheduler_pending_pods{queue="active"} 0' in lines

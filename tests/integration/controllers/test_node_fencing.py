"""Stateful pods of a lost node: replaced once its agent's promise has lapsed, and never before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.coordination.lease import LEASE
from wherry.api.core import fencing
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.types.coordination import Lease, LeaseSpec
from wherry.api.types.core import Node, NodeCondition, NodeStatus, PersistentVolumeClaim, Pod, Taint
from wherry.controllers import nodelifecycle, podgc, tainteviction
from wherry.controllers.nodes import OUT_OF_SERVICE
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.codec import from_dict
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import micro_time_at, time_at
from wherry.reconcile.runner import run_controllers

NAMES = ("n1", "n2", "n3")
WAIT = fencing.SECONDS + fencing.MARGIN


class SetClock(LoopClock):
    """`ahead`: by how much somebody has set it."""

    ahead = 0.0

    def now(self) -> float:
        """The time of day."""
        return super().now() + self.ahead


class World:
    """Nodes that renew their leases while they are in `alive`, with a promise while they are in `promising`."""

    def __init__(self, names: Sequence[str]) -> None:
        self.clock = SetClock()
        self.cluster = Cluster(self.clock, 0.05, graceful=True)
        self.names = names
        self.alive, self.promising = set(names), set(names)

    async def renew(self, name: str, offset: float) -> None:
        await asyncio.sleep(offset)
        while True:
            if name in self.alive:
                now = micro_time_at(self.cluster.clock.now())
                text = fencing.Promise(fencing.SECONDS, tuple(self.names)).text(now)
                notes = {fencing.ANNOTATION: text} if name in self.promising else {}
                meta = ObjectMeta(name=name, namespace="kube-node-lease", annotations=notes)
                await self.cluster.set(LEASE, Lease(metadata=meta, spec=LeaseSpec(renew_time=now)))
            await asyncio.sleep(10)

    async def pod(
        self, name: str, owner: str = "", claim: str = "", toleration: int = 300, finalizer: str = ""
    ) -> None:
        """A running pod on n1."""
        owners = [{"apiVersion": "v1", "kind": owner, "name": "o", "uid": "1", "controller": True}] if owner else []
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
        tolerations = [
            {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute",
             "tolerationSeconds": toleration}
            for what in ("not-ready", "unreachable")
        ]  # fmt: skip
        body: dict[str, Any] = {
            "metadata": {
                "name": name,
                "namespace": "default",
                "ownerReferences": owners,
                "finalizers": [finalizer] if finalizer else [],
            },
            "spec": {"nodeName": "n1", "containers": [], "volumes": volumes, "tolerations": tolerations},
            "status": {"phase": "Running"},
        }
        await self.cluster.set(POD, from_dict(Pod, body))

    async def claim(self, name: str, mode: str) -> None:
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"accessModes": [mode]}}
        await self.cluster.set(PERSISTENTVOLUMECLAIM, from_dict(PersistentVolumeClaim, body))

    async def state(self, name: str) -> str:
        """gone, ending or there."""
        try:
            one = await self.cluster.get(POD, Key("default", name))
        except NotFound:
            return "gone"
        return "ending" if one.metadata.deletion_timestamp else "there"

    async def states(self, *names: str) -> list[str]:
        return [await self.state(name) for name in names]

    async def fenced(self, name: str = "n1") -> bool:
        node = await self.cluster.get(NODE, Key("", name))
        return conditions.is_true(node.status.conditions, fencing.CONDITION)

    async def off(self, name: str, *, off: bool = True) -> None:
        """A person says that a node is out of service, or takes it back."""
        node = await self.cluster.get(NODE, Key("", name))
        taints = tuple(taint for taint in node.spec.taints if taint.key != OUT_OF_SERVICE)
        said = (Taint(key=OUT_OF_SERVICE, effect="NoExecute"),) if off else ()
        await self.cluster.set(NODE, replace(node, spec=replace(node.spec, taints=(*taints, *said))))

    async def come_back(self, name: str) -> None:
        """Its agent reports again."""
        self.alive.add(name)
        node = await self.cluster.get(NODE, Key("", name))
        ready = NodeCondition(type="Ready", status="True", last_heartbeat_time=time_at(self.cluster.clock.now()))
        found = conditions.put(node.status.conditions, ready, time_at(self.cluster.clock.now()))
        await self.cluster.set(NODE, replace(node, status=replace(node.status, conditions=found)))


@asynccontextmanager
async def nodes(*names: str) -> AsyncIterator[World]:
    world = World(names)
    for name in names:
        ready = NodeCondition(type="Ready", status="True", reason="KubeletReady")
        await world.cluster.set(NODE, Node(metadata=ObjectMeta(name=name), status=NodeStatus(conditions=(ready,))))
    settings = Settings(monotonic=world.cluster.clock.monotonic)
    controllers = (nodelifecycle.controller(settings), podgc.controller(settings), tainteviction.CONTROLLER)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_controllers(world.cluster, world.cluster.clock, controllers))]
        tasks += [group.create_task(world.renew(name, 9.9 * n / len(names))) for n, name in enumerate(names)]
        await asyncio.sleep(100)
        yield world
        for task in tasks:
            task.cancel()


async def test_stateful_pods_are_replaced_when_their_node_is_fenced() -> None:
    async with nodes(*NAMES) as world:
        await world.claim("single", "ReadWriteOnce")
        await world.claim("many", "ReadWriteMany")
        await world.pod("set", "StatefulSet")
        await world.pod("web", "ReplicaSet")
        await world.pod("data", "ReplicaSet", "single")
        await world.pod("shared", "ReplicaSet", "many")
        await world.pod("patient", "StatefulSet", toleration=120)
        await world.pod("bare", "", "single")
        world.alive.discard("n1")
        await asyncio.sleep(30)
        assert await world.states("web", "shared") == ["ending", "ending"], "stateless ones at once"
        await asyncio.sleep(WAIT - 10 - 30 - 1)
        assert not await world.fenced()
        assert await world.states("set", "data") == ["there", "there"]
        await asyncio.sleep(13)
        assert await world.fenced()
        assert await world.states("set", "data") == ["gone", "gone"], "nobody would confirm their end"
        assert await world.states("patient", "bare") == ["there", "there"]
        await asyncio.sleep(120)
        assert await world.states("patient", "bare") == ["gone", "there"], "what they tolerate is obeyed"
        await world.come_back("n1")
        await asyncio.sleep(11)
        assert not await world.fenced()
        assert (await world.cluster.get(NODE, Key("", "n1"))).spec.taints == ()


async def test_without_a_promise_they_hold_their_place() -> None:
    async with nodes(*NAMES) as world:
        await world.pod("set", "StatefulSet")
        world.promising.discard("n1")
        await asyncio.sleep(11)  # it has renewed without
        world.alive.discard("n1")
        await asyncio.sleep(285)
        assert await world.state("set") == "there"
        await asyncio.sleep(1000)
        assert await world.state("set") == "ending", "its name and its volumes stay taken until the node is back"
        assert not await world.fenced()


@pytest.mark.parametrize("lost", [("n1", "n2"), NAMES])
async def test_nothing_is_fenced_while_most_witnesses_are_silent(lost: tuple[str, ...]) -> None:
    async with nodes(*NAMES) as world:
        await world.pod("set", "StatefulSet")
        world.alive -= set(lost)
        await asyncio.sleep(200)
        assert not await world.fenced()
        assert await world.state("set") == "there"
        world.alive |= set(lost) - {"n1"}
        await asyncio.sleep(WAIT - 10)
        assert not await world.fenced(), "n1 may have had its word from the others until a moment ago"
        await asyncio.sleep(25)
        assert await world.fenced()


async def test_one_of_two_nodes_is_never_fenced() -> None:
    async with nodes("n1", "n2") as world:
        await world.pod("set", "StatefulSet")
        world.alive.discard("n1")
        await asyncio.sleep(1000)
        assert not await world.fenced()
        assert await world.state("set") == "ending"


@pytest.mark.parametrize("after", [30, 400])
async def test_a_person_says_that_a_lost_node_is_off(after: float) -> None:
    """Before its pods are asked to go, or after; what holds them for a controller is marked Failed.

    (Seeded faults: only every 20 seconds; not marked Failed.)
    """
    async with nodes("n1", "n2") as world:
        await world.pod("set", "StatefulSet")
        await world.pod("held", "Job", finalizer="batch.kubernetes.io/job-tracking")
        await world.off("n1")
        await asyncio.sleep(60)
        assert await world.states("set", "held") == ["ending", "ending"], "a node that lives ends them itself"
        await world.pod("other", "StatefulSet")
        await world.off("n1", off=False)
        world.alive.discard("n1")
        await asyncio.sleep(after)
        assert "gone" not in await world.states("set", "held", "other")
        await world.off("n1")
        await asyncio.sleep(1)
        assert await world.states("set", "held", "other") == ["gone", "ending", "gone"]
        assert (await world.cluster.get(POD, Key("default", "held"))).status.phase == "Failed"


async def test_a_lost_node_that_is_removed_lets_its_pods_go() -> None:
    async with nodes("n1", "n2") as world:
        await world.pod("set", "StatefulSet")
        world.alive.discard("n1")
        await asyncio.sleep(30)
        await world.cluster.delete(NODE, Key("", "n1"))
        await asyncio.sleep(podgc.QUARANTINE - 1)
        assert await world.state("set") == "there", "it may be registering again"
        await asyncio.sleep(podgc.AGAIN + 2)
        assert await world.state("set") == "gone"


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
async def test_a_clock_that_is_put_right_makes_nobody_lost_or_found(ahead: float) -> None:
    """(Seeded fault: ages by the time of day. Then all are late at once, and the last ones while others are back.)"""
    async with nodes(*NAMES) as world:
        await world.pod("web", "ReplicaSet")
        await world.pod("set", "StatefulSet")
        world.clock.ahead = ahead
        await asyncio.sleep(30)
        assert await world.states("web", "set") == ["there", "there"]
        world.alive.discard("n1")
        await asyncio.sleep(30)
        assert await world.states("web", "set") == ["ending", "there"]
        await asyncio.sleep(WAIT - 30 + 5)
        assert await world.states("web", "set") == ["ending", "gone"]

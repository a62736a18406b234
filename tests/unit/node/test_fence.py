"""The agent keeps its promise: stateful pods end when it has had no API for too long, and only then."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.fakeapi import FakeAPI
from tests.unit.node.pods import container, pod
from wherry.aio.clock import LoopClock
from wherry.api.coordination.lease import LEASE
from wherry.api.core import fencing
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.types.coordination import Lease
from wherry.api.types.core import Node, PersistentVolumeClaim, Pod
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key
from wherry.node.agent import Agent
from wherry.node.config import AgentConfig
from wherry.node.fence import Fence, Verdict
from wherry.node.hooks.identity import Identity
from wherry.node.peers import Place
from wherry.node.runtime.interface import State
from wherry.node.runtime.simulated import Simulated

BUSYBOX = "docker.io/library/busybox:1"
END = fencing.SECONDS - 2


class World:
    """One agent of three nodes. `away`: what the other two say when they are asked; None: they do not answer."""

    def __init__(self, folder: Path) -> None:
        self.api, self.clock = FakeAPI(), LoopClock()
        self.runtime = Simulated(self.clock, images=(BUSYBOX,), delays={"sandbox": 0.1, "create": 0.01, "start": 0.05})
        self.config = AgentConfig(name="n1", root=folder, run=folder, addresses=("192.0.2.1",))
        self.watchdog = folder / "watchdog.beat"
        self.watchdog.write_text("1e12")  # always a moment ago
        self.away: frozenset[str] = frozenset()
        self.asked: list[Mapping[str, Place]] = []
        self.nodes = tuple(_node(f"n{n}") for n in (1, 2, 3))
        self.task: asyncio.Task[None] | None = None
        self.up()

    async def _ask(self, places: Mapping[str, Place], /) -> frozenset[str]:
        self.asked.append(places)
        return self.away

    def up(self) -> None:
        fence = Fence(
            self.config, self.api, self.clock.monotonic, nodes=lambda: self.nodes, ask=self._ask, watchdog=self.watchdog
        )
        self.agent = Agent(self.config, self.api, self.runtime, self.clock, hooks=(Identity(),), fence=fence)
        self.task = asyncio.get_running_loop().create_task(self.agent.run())

    async def down(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def create(self, name: str = "p", owner: str = "StatefulSet", claim: str = "") -> None:
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
        one = pod(containers=[container("c")], volumes=volumes)
        owners = [{"apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": "1", "controller": True}]
        meta = {"name": name, "namespace": "default", "uid": f"u-{name}", "generation": 1, "ownerReferences": owners}
        body = msgspec.to_builtins(one) | {"metadata": meta}
        await self.api.create(POD, from_dict(Pod, body))

    def running(self, name: str = "p") -> bool:
        """Whether its container runs, whatever anybody says."""
        found = self.runtime._containers.values()
        return any(one.state is State.RUNNING and one.labels["io.kubernetes.pod.name"] == name for one in found)

    async def status(self, name: str = "p") -> tuple[str, str]:
        one = await self.api.get(POD, Key("default", name))
        return one.status.phase, one.status.reason

    async def lease(self) -> Lease:
        return await self.api.get(LEASE, Key("kube-node-lease", "n1"))

    async def named(self) -> tuple[str, ...]:
        """The witnesses in its Lease."""
        found = fencing.promise(await self.lease())
        return found.witnesses if found is not None else ()

    def file(self) -> dict[str, Any]:
        """What the watchdog reads."""
        found: dict[str, Any] = json.loads((self.config.run / "fence.json").read_text())
        return found


def _node(name: str) -> Node:
    status = {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.9"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return from_dict(Node, {"metadata": {"name": name}, "status": status})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.down()


async def test_the_lease_carries_the_promise_and_the_watchdog_knows_first(world: World) -> None:
    await world.create()
    await asyncio.sleep(5)
    lease = await world.api.get(LEASE, Key("kube-node-lease", "n1"))
    assert fencing.promise(lease) == fencing.Promise(fencing.SECONDS, ("n1", "n2", "n3"))
    assert list(world.file()["pods"]) == ["u-p"]
    assert world.file()["pods"]["u-p"].endswith(("podu-p", "podu_p.slice"))
    before = world.file()["deadline"]
    await asyncio.sleep(10)
    assert world.file()["deadline"] == before + 10
    assert world.asked == []


async def test_the_promise_names_others_as_soon_as_others_are_ready(world: World) -> None:
    everyone = world.nodes
    world.nodes = everyone[:2]
    await asyncio.sleep(12)
    assert await world.named() == ("n1", "n2")
    world.nodes = everyone
    await asyncio.sleep(1.5)
    assert await world.named() == ("n1", "n2", "n3"), "a third that is lost within a heartbeat must not go unreplaced"
    renewed = (await world.lease()).spec.renew_time
    await asyncio.sleep(5)
    assert (await world.lease()).spec.renew_time == renewed, "and no oftener than that"


async def test_no_promise_without_a_watchdog_or_alone(world: World) -> None:
    world.watchdog.unlink()
    await asyncio.sleep(10)
    lease = await world.api.get(LEASE, Key("kube-node-lease", "n1"))
    assert fencing.promise(lease) is None
    world.watchdog.write_text("1e12")
    await asyncio.sleep(10)
    assert fencing.promise(await world.api.get(LEASE, Key("kube-node-lease", "n1"))) is not None
    world.nodes = world.nodes[:1]
    await asyncio.sleep(10)
    lease = await world.api.get(LEASE, Key("kube-node-lease", "n1"))
    assert fencing.promise(lease) is None
    assert world.file()["deadline"] is None


async def test_a_node_that_is_cut_off_ends_its_stateful_pods_and_no_others(world: World) -> None:
    await world.create("p")
    await world.create("web", "ReplicaSet")
    await world.create("each", "DaemonSet")
    await asyncio.sleep(20)
    world.api.down = True
    await asyncio.sleep(END - 10.5)
    assert world.running("p")
    await asyncio.sleep(13)
    assert not world.running("p")
    assert world.running("web")
    assert world.running("each")
    assert {"n2", "n3"} == set(world.asked[0])
    world.api.down = False
    await asyncio.sleep(30)
    assert await world.status("p") == ("Failed", "Fenced")
    assert not world.running("p"), "it never runs again: its controller makes another"
    assert (await world.status("web"))[0] == "Running"


async def test_stateful_pods_go_on_where_the_api_is_gone_for_most(world: World) -> None:
    await world.create()
    await asyncio.sleep(20)
    world.api.down, world.away = True, frozenset({"n3"})
    await asyncio.sleep(3600)
    assert world.running()
    assert len(world.asked) < 3600 / fencing.AWAY + 5, "rounds are rare once one has gone well"
    world.away = frozenset()
    await asyncio.sleep(END + 2)
    assert not world.running()


async def test_claims_of_many_nodes_need_no_fence(world: World) -> None:
    for name, mode in (("many", "ReadWriteMany"), ("single", "ReadWriteOnce")):
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"accessModes": [mode]}}
        await world.api.create(PERSISTENTVOLUMECLAIM, from_dict(PersistentVolumeClaim, body))
    await world.create("shared", "ReplicaSet", "many")
    await world.create("data", "ReplicaSet", "single")
    await world.create("unknown", "ReplicaSet", "missing")
    await asyncio.sleep(20)
    assert sorted(world.file()["pods"]) == ["u-data", "u-unknown"]


async def test_what_the_watchdog_had_to_kill_is_not_started_again(world: World) -> None:
    await world.create()
    await asyncio.sleep(20)
    await world.down()  # the agent is dead
    await asyncio.sleep(fencing.SECONDS)
    for one in list(world.runtime._containers.values()):
        world.runtime.end(one.id, 137)  # as the watchdog does
    world.up()
    await asyncio.sleep(20)
    assert await world.status() == ("Failed", "Fenced")
    assert len(world.runtime.starts) == 1


async def test_an_agent_that_comes_back_in_time_changes_nothing(world: World) -> None:
    await world.create()
    await asyncio.sleep(20)
    await world.down()
    await asyncio.sleep(30)
    deadline = world.file()["deadline"]
    world.api.down = True
    world.up()
    await asyncio.sleep(5)
    assert world.file()["deadline"] == deadline, "starting anew does not put the end off"
    assert world.running()
    world.api.down = False
    await asyncio.sleep(60)
    assert world.running()
    assert len(world.runtime.starts) == 1


async def test_after_a_reboot_nothing_begins_until_the_api_or_the_others_allow_it(world: World) -> None:
    await world.create()
    await world.create("web", "ReplicaSet")
    await asyncio.sleep(20)

    async def reboot() -> None:
        await world.down()
        for one in list(world.runtime._containers.values()):
            world.runtime.end(one.id, 255)
        body = world.file() | {"boot": "another"}
        (world.config.run / "fence.json").write_text(json.dumps(body))
        world.up()

    world.api.down = True
    await reboot()
    await asyncio.sleep(200)
    assert not world.running("p"), "a server may have replaced it"
    assert world.running("web")
    world.away = frozenset({"n2"})
    await asyncio.sleep(10)
    assert world.running("p"), "the control plane is gone for most: nobody replaces anything"
    world.away = frozenset()
    await reboot()
    await asyncio.sleep(100)
    assert not world.running("p")
    world.api.down = False
    await asyncio.sleep(30)
    assert world.running("p")


async def test_a_pod_that_was_replaced_meanwhile_is_not_begun_from_memory(world: World) -> None:
    await world.create()
    await asyncio.sleep(20)
    await world.down()
    for one in list(world.runtime._containers.values()):
        world.runtime.end(one.id, 255)
    (world.config.run / "fence.json").write_text(json.dumps(world.file() | {"boot": "another"}))
    await world.api.delete(POD, Key("default", "p"), grace=0)
    world.api.down = True
    world.up()
    await asyncio.sleep(10)
    world.api.down = False
    await asyncio.sleep(30)
    assert len(world.runtime.starts) == 1
    assert await world.api.list(NODE) is not None


async def test_to_know_a_claim_is_not_to_have_heard_of_the_pod(world: World) -> None:
    """The server answers, but the agent's list of pods has not come yet."""
    claim = from_dict(PersistentVolumeClaim, {"metadata": {"name": "data", "namespace": "default"}})
    await world.api.create(PERSISTENTVOLUMECLAIM, claim)
    await world.create(claim="data")
    one = await world.api.get(POD, Key("default", "p"))
    (other := world.config.root / "other").mkdir()
    config = dataclasses.replace(world.config, root=other, run=other)
    fence = Fence(config, world.api, world.clock.monotonic, nodes=lambda: world.nodes, watchdog=world.watchdog)
    fence.take(one, remembered=True)
    fence.answered(fence.promise(), world.clock.monotonic())
    await asyncio.sleep(10)
    assert fence.verdict(one) is Verdict.HOLD
    fence.take(one)
    assert fence.verdict(one) is Verdict.GO


async def test_what_the_watchdog_cannot_be_told_is_not_begun_while_a_promise_stands(world: World) -> None:
    await asyncio.sleep(20)
    (world.config.run / ".fence.json.new").mkdir()
    await world.create()
    await asyncio.sleep(1)
    assert not world.running(), "the watchdog does not know of it"
    await asyncio.sleep(20)
    lease = await world.api.get(LEASE, Key("kube-node-lease", "n1"))
    assert fencing.promise(lease) is None
    assert world.running(), "nobody relies on its end any more"
    (world.config.run / ".fence.json.new").rmdir()
    await asyncio.sleep(25)
    assert fencing.promise(await world.api.get(LEASE, Key("kube-node-lease", "n1"))) is not None

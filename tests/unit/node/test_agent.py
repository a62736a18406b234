"""The agent on a simulated runtime, in virtual time: restarts, back-off, ends, and restarts of the agent itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.fakeapi import FakeAPI
from tests.unit.node.pods import container, pod
from wherry.aio.clock import LoopClock
from wherry.api.coordination.lease import LEASE
from wherry.api.core.event import EVENT
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.types.core import Pod
from wherry.machinery.meta import Key
from wherry.machinery.time import time_at
from wherry.node import admission
from wherry.node.agent import Agent
from wherry.node.config import AgentConfig
from wherry.node.facts import Problem
from wherry.node.hooks.hook import Hook, Scope
from wherry.node.hooks.identity import Identity
from wherry.node.runtime.simulated import Simulated

BUSYBOX = "docker.io/library/busybox:1"
BUSYBOX_2 = "docker.io/library/busybox:2"


@dataclass
class Slow(Hook):
    """Takes a while to bring things up to date, and says what it does."""

    did: list[str] = field(default_factory=list)

    async def refresh(self, scope: Scope) -> None:
        self.did.append("begin")
        await asyncio.sleep(20)
        self.did.append("end")

    async def clear(self, scope: Scope) -> None:
        self.did.append("clear")


@dataclass
class World:
    """One node, its API and its runtime."""

    folder: Path
    api: FakeAPI = field(default_factory=FakeAPI)
    clock: LoopClock = field(default_factory=LoopClock)
    drains: list[str] = field(default_factory=list)
    slow: Slow = field(default_factory=Slow)
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        delays = {"sandbox": 0.118, "create": 0.011, "start": 0.069}
        self.runtime = Simulated(self.clock, images=(BUSYBOX, BUSYBOX_2), delays=delays)
        self.config = AgentConfig(name="n1", root=self.folder, run=self.folder, addresses=("192.0.2.1",))
        self.agent = self._agent()

    def _agent(self) -> Agent:
        return Agent(
            self.config, self.api, self.runtime, self.clock, drained=self._drained, hooks=(Identity(), self.slow)
        )

    async def _drained(self, one: Pod) -> None:
        await asyncio.sleep(0.5)
        self.drains.append(one.metadata.name)

    def up(self) -> None:
        """Start an agent."""
        self.agent = self._agent()
        self.task = asyncio.get_running_loop().create_task(self.agent.run())

    async def down(self) -> None:
        """End it."""
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def create(self, *containers: dict[str, Any], **spec: Any) -> None:
        """Create pod p."""
        await self.api.create(POD, pod(containers=list(containers), **spec))

    async def pod(self) -> Pod:
        """Pod p as the API has it."""
        return await self.api.get(POD, Key("default", "p"))

    async def delete(self, grace: int) -> None:
        """Ask for its end."""
        one = await self.pod()
        meta = msgspec.structs.replace(
            one.metadata, deletion_timestamp=time_at(self.clock.now() + grace), deletion_grace_period_seconds=grace
        )
        await self.api.replace(POD, msgspec.structs.replace(one, metadata=meta))

    async def events(self) -> list[tuple[str, str]]:
        """(reason, message) about the pod."""
        return [(one.reason, one.message) for one in (await self.api.list(EVENT)).items
                if one.involved_object.name == "p"]  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    made.up()
    yield made
    await made.down()


async def test_a_pod_runs_as_fast_as_the_runtime_allows(world: World) -> None:
    await asyncio.sleep(1)
    before = world.clock.now()
    await world.create(container("c"))
    while (await world.pod()).status.phase != "Running":  # noqa: ASYNC110 - virtual time
        await asyncio.sleep(0.001)
    assert world.clock.now() - before <= 0.118 + 0.011 + 0.069 + 0.005
    status = (await world.pod()).status
    assert [one.type for one in status.conditions if one.status == "True"] == [
        "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    ]  # fmt: skip
    await asyncio.sleep(1)
    assert await world.events() == [
        ("Pulled", 'Container image "busybox:1" already present on machine and can be accessed by the pod'),
        ("Created", "Container created"),
        ("Started", "Container started"),
    ]


async def test_restarts_come_at_once_then_with_patience(world: World) -> None:
    await world.create(container("c", command=["sh", "-c", "exit 1"]))
    starts: list[float] = []
    while len(starts) < 4:
        if len(world.runtime.starts) > len(starts):
            starts.append(world.clock.now())
        await asyncio.sleep(0.01)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps[0] < 1
    assert 10 <= gaps[1] < 11
    assert 20 <= gaps[2] < 21
    assert world.runtime.starts == [("c", 0), ("c", 1), ("c", 2), ("c", 3)]


async def test_an_agent_that_comes_back_changes_nothing(world: World) -> None:
    await world.create(container("c"), container("crash", command=["false"]))
    await asyncio.sleep(15)
    writes, starts = len(world.api.writes), list(world.runtime.starts)
    await world.down()
    world.up()
    await asyncio.sleep(5)
    assert [one for one in world.api.writes[writes:] if one[1] == "Pod"] == []
    assert world.runtime.starts == starts
    await asyncio.sleep(15)
    assert world.runtime.starts == [*starts, ("crash", 3)]


async def test_ready_does_not_flap_when_the_agent_comes_back(world: World) -> None:
    """Not even for pods whose probes take their time."""
    probe = {"exec": {"command": ["check"]}, "periodSeconds": 60, "initialDelaySeconds": 5}
    await world.create(container("c", readinessProbe=probe, startupProbe=probe, livenessProbe=probe))
    await asyncio.sleep(30)
    status = (await world.pod()).status
    assert status.container_statuses[0].ready
    await world.down()
    writes = len(world.api.writes)
    world.up()
    await asyncio.sleep(30)
    assert [one for one in world.api.writes[writes:] if one[1] == "Pod"] == []
    assert (await world.pod()).status == status


async def test_a_liveness_probe_that_fails_restarts_the_container(world: World) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 2, "failureThreshold": 3}
    await world.create(container("c", livenessProbe=probe))
    await asyncio.sleep(4)
    assert world.runtime.starts == [("c", 0)]
    await asyncio.sleep(2)
    assert world.runtime.starts == [("c", 0), ("c", 1)]
    assert ("Unhealthy", "Liveness probe failed: ") in await world.events()
    assert ("Killing", "Container c failed liveness probe, will be restarted") in await world.events()


async def readiness(world: World, length: float) -> list[str]:
    """What clients see of Ready for so many seconds: each value that differs from the one before."""
    seen: list[str] = []
    until = world.clock.now() + length
    while world.clock.now() < until:
        ready = next(one.status for one in (await world.pod()).status.conditions if one.type == "Ready")
        if seen[-1:] != [ready]:
            seen.append(ready)
        await asyncio.sleep(0.005)
    return seen


async def change_image(world: World, image: str) -> None:
    one = await world.pod()
    spec = msgspec.structs.replace(one.spec.containers[0], image=image)
    await world.api.replace(
        POD, msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, containers=(spec,)))
    )


async def test_ready_does_not_flap_while_a_new_image_takes_over(world: World) -> None:
    await world.create(container("c"))
    await asyncio.sleep(5)
    before = (await world.pod()).status
    await change_image(world, "busybox:2")
    assert await readiness(world, 5.0) == ["True"]
    after = (await world.pod()).status
    assert world.runtime.starts == [("c", 0), ("c", 1)]
    assert after.container_statuses[0].restart_count == 1
    assert after.conditions == before.conditions


async def test_a_new_image_that_cannot_be_had_is_shown(world: World) -> None:
    await world.create(container("c"))
    await asyncio.sleep(5)
    await change_image(world, "missing:1")
    assert await readiness(world, 5.0) == ["True", "False"]
    waiting = (await world.pod()).status.container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.reason in ("ErrImagePull", "ImagePullBackOff")


async def test_the_end_of_a_pod(world: World) -> None:
    """First nobody sends to it any more, then it is told to end, then it is gone."""
    await world.create(container("c", command=["stubborn"]))
    await asyncio.sleep(2)
    before = world.clock.now()
    await world.delete(5)
    await asyncio.sleep(0.4)
    assert world.drains == []
    while (await world.api.list(POD)).items:  # noqa: ASYNC110 - virtual time
        await asyncio.sleep(0.01)
    assert 4.9 < world.clock.now() - before < 5.6
    assert world.drains == ["p"]
    await asyncio.sleep(1)
    assert await world.runtime.sandboxes() == ()
    assert list(world.config.pods.iterdir()) == []
    assert world.agent.pods() == []


async def test_a_pod_that_waits_for_room_looks_now_and_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also once its volumes would be due for a refresh."""
    port = {"ports": [{"containerPort": 80, "hostPort": 80}]}
    await world.create(container("c", command=["stubborn"], **port))
    await asyncio.sleep(2)
    await world.delete(100)
    looks, refusal = 0, admission.refusal

    def counted(*arguments: Any) -> Problem | None:
        nonlocal looks
        looks += 1
        assert looks < 2000, "it spins"
        return refusal(*arguments)

    monkeypatch.setattr(admission, "refusal", counted)
    other = pod(containers=[container("c", **port)])
    meta = msgspec.structs.replace(other.metadata, name="q", uid="v")
    await world.api.create(POD, msgspec.structs.replace(other, metadata=meta))
    await asyncio.sleep(90)
    assert looks > 200
    assert (await world.api.get(POD, Key("default", "q"))).status.phase != "Running"
    await asyncio.sleep(20)
    assert (await world.api.get(POD, Key("default", "q"))).status.phase == "Running"


async def test_a_finished_pod_stays_finished(world: World) -> None:
    await world.create(container("c", command=["sleep", "3"]), restartPolicy="OnFailure")
    await asyncio.sleep(5)
    status = (await world.pod()).status
    assert status.phase == "Succeeded"
    assert [one.reason for one in status.conditions if one.type == "Ready"] == ["PodCompleted"]
    assert not any(one.ready for one in await world.runtime.sandboxes())
    await world.down()
    world.up()
    await asyncio.sleep(5)
    assert (await world.pod()).status == status
    assert world.runtime.starts == [("c", 0)]


async def test_nothing_is_brought_up_to_date_for_a_pod_that_is_over(world: World) -> None:
    await world.create(container("c", command=["sleep", "33"]), restartPolicy="Never")
    await asyncio.sleep(200)
    assert (await world.pod()).status.phase == "Succeeded"
    assert world.slow.did == ["begin", "end", "clear"], "what was taken away is not made again"
    await world.delete(0)
    await asyncio.sleep(5)
    assert world.slow.did == ["begin", "end", "clear", "clear"]


async def test_a_forced_deletion_ends_the_containers_too(world: World) -> None:
    await world.create(container("c"), terminationGracePeriodSeconds=1)
    await asyncio.sleep(2)
    await world.api.delete(POD, Key("default", "p"), grace=0)
    await asyncio.sleep(3)
    assert await world.runtime.sandboxes() == ()


async def test_images_that_cannot_be_pulled(world: World) -> None:
    await world.create(container("c", image="missing:1"))
    reasons: list[str] = []
    for _ in range(300):
        await asyncio.sleep(0.1)
        waiting = (await world.pod()).status.container_statuses[0].state.waiting
        if waiting and waiting.reason not in reasons[-1:]:
            reasons.append(waiting.reason)
    assert reasons[-4:] == ["ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"]
    assert ("BackOff", 'Back-off pulling image "missing:1"') in await world.events()


async def test_work_goes_on_while_the_api_is_away(world: World) -> None:
    await world.create(container("c", command=["sleep", "30"]))
    await asyncio.sleep(5)
    world.api.down = True
    await asyncio.sleep(40)
    assert world.runtime.starts == [("c", 0), ("c", 1)]
    await world.down()
    world.up()
    await asyncio.sleep(60)
    assert len(world.runtime.starts) == 3
    world.api.down = False
    await asyncio.sleep(20)
    assert (await world.pod()).status.container_statuses[0].restart_count == len(world.runtime.starts) - 1


async def test_pods_that_were_deleted_while_the_agent_was_away_are_ended(world: World) -> None:
    await world.create(container("c"))
    await asyncio.sleep(2)
    await world.down()
    await world.api.delete(POD, Key("default", "p"), grace=0)
    world.up()
    await asyncio.sleep(5)
    assert await world.runtime.sandboxes() == ()
    assert list(world.config.pods.iterdir()) == []


async def test_the_node_registers_and_beats(world: World) -> None:
    await asyncio.sleep(60)
    node = await world.api.get(NODE, Key("", "n1"))
    assert {one.type: one.status for one in node.status.conditions}["Ready"] == "True"
    assert node.metadata.labels["kubernetes.io/hostname"] == "n1"
    assert node.status.node_info.kubelet_version == "v1.37.2+wherry"
    assert node.status.allocatable["pods"] == "110"
    lease = await world.api.get(LEASE, Key("kube-node-lease", "n1"))
    assert lease.spec.holder_identity == "n1"
    beats = [one for one in world.api.writes if one[1] == "Lease"]
    assert 6 <= len(beats) <= 8
    assert len([one for one in world.api.writes if one[1] == "Node"]) <= 4


async def test_a_node_that_is_deleted_is_made_again(world: World) -> None:
    """(Seeded fault: only its next whole report, after minutes, notices.)"""
    lease = Key("kube-node-lease", "n1")
    await asyncio.sleep(60)
    old = await world.api.get(NODE, Key("", "n1"))
    assert (await world.api.get(LEASE, lease)).metadata.owner_references[0].uid == old.metadata.uid
    await world.api.delete(NODE, Key("", "n1"))
    await world.api.delete(LEASE, lease)  # by the garbage collector, as its owner is gone
    await asyncio.sleep(12)
    new = await world.api.get(NODE, Key("", "n1"))
    assert new.metadata.uid != old.metadata.uid
    assert {one.type: one.status for one in new.status.conditions}["Ready"] == "True"
    assert (await world.api.get(LEASE, lease)).metadata.owner_references[0].uid == new.metadata.uid

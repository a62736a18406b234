"""A node is lost: who notices, who is told, and how long it takes; with leases renewed by a stand-in for the agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.coordination.lease import LEASE
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD, is_ready
from wherry.api.types.apps import ReplicaSet, ReplicaSetSpec
from wherry.api.types.coordination import Lease, LeaseSpec
from wherry.api.types.core import (
    Node,
    NodeCondition,
    NodeStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodTemplateSpec,
    Toleration,
)
from wherry.controllers import nodelifecycle, podgc, replicaset, tainteviction
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.machinery.time import micro_time_at, time_at
from wherry.reconcile.runner import run_controllers

LABELS = {"app": "web"}
DEFAULTS = tuple(
    Toleration(key=f"node.kubernetes.io/{what}", operator="Exists", effect="NoExecute", toleration_seconds=300)
    for what in ("not-ready", "unreachable")
)


@asynccontextmanager
async def nodes(*names: str) -> AsyncIterator[tuple[Cluster, set[str]]]:
    """A cluster whose nodes renew their leases as long as they are in the set."""
    cluster = Cluster(LoopClock(), 0.05, graceful=True)
    alive = set(names)
    for name in names:
        ready = NodeCondition(type="Ready", status="True", reason="KubeletReady")
        await cluster.set(NODE, Node(metadata=ObjectMeta(name=name), status=NodeStatus(conditions=(ready,))))

    async with running_nodes(cluster, names, alive):
        yield cluster, alive


@asynccontextmanager
async def running_nodes(
    cluster: Cluster, names: Sequence[str], alive: Container[str] | None = None
) -> AsyncIterator[None]:
    """Controllers, and leases that are renewed one after the other; `alive`: only of these nodes (default: all)."""

    async def renew(name: str, offset: float) -> None:
        await asyncio.sleep(offset)
        while True:
            if alive is None or name in alive:
                spec = LeaseSpec(renew_time=micro_time_at(cluster.clock.now()))
                await cluster.set(LEASE, Lease(metadata=ObjectMeta(name=name, namespace="kube-node-lease"), spec=spec))
            await asyncio.sleep(10)

    settings = Settings()
    controllers = (
        nodelifecycle.controller(settings),
        podgc.controller(settings),
        tainteviction.CONTROLLER,
        replicaset.CONTROLLER,
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_controllers(cluster, cluster.clock, controllers))]
        tasks += [group.create_task(renew(name, 9.9 * n / len(names))) for n, name in enumerate(names)]
        yield
        for task in tasks:
            task.cancel()


async def place(cluster: Cluster, node: str) -> None:
    """What scheduler and agent do."""
    for pod in cluster.all(POD):
        if not pod.spec.node_name:
            ready = PodCondition(type="Ready", status="True", last_transition_time=time_at(cluster.clock.now()))
            spec = replace(pod.spec, node_name=node, tolerations=(*pod.spec.tolerations, *DEFAULTS))
            status = replace(pod.status, phase="Running", conditions=(ready,))
            await cluster.set(POD, replace(pod, spec=spec, status=status))


async def web(cluster: Cluster, node: str) -> None:
    await cluster.create(
        REPLICASET,
        ReplicaSet(
            metadata=ObjectMeta(name="web", namespace="default"),
            spec=ReplicaSetSpec(
                replicas=2,
                selector=LabelSelector(match_labels=LABELS),
                template=PodTemplateSpec(metadata=ObjectMeta(labels=LABELS)),
            ),
        ),
    )
    bare = Pod(metadata=ObjectMeta(name="bare", namespace="default"), spec=PodSpec())
    await cluster.create(POD, bare)
    await asyncio.sleep(5)
    await place(cluster, node)


async def test_stateless_pods_of_a_lost_node_are_replaced_in_time() -> None:
    async with nodes("n1", "n2", "n3") as (cluster, alive):
        await web(cluster, "n1")
        await asyncio.sleep(100)
        before = {pod.metadata.name for pod in cluster.all(POD)}
        assert (await cluster.get(NODE, Key("", "n1"))).spec.taints == ()

        alive.discard("n1")
        await asyncio.sleep(24)
        node = await cluster.get(NODE, Key("", "n1"))
        ready = conditions.get(node.status.conditions, "Ready")
        assert ready is not None
        assert (ready.status, ready.reason) == ("Unknown", "NodeStatusUnknown")
        assert {(t.key, t.effect) for t in node.spec.taints} == {
            ("node.kubernetes.io/unreachable", "NoSchedule"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
        }
        new = [pod for pod in cluster.all(POD) if pod.metadata.name not in before]
        assert len(new) == 2
        assert not any(is_ready(pod) for pod in cluster.all(POD) if pod.spec.node_name == "n1")
        bare = await cluster.get(POD, Key("default", "bare"))
        assert bare.metadata.deletion_timestamp is None, "nobody would replace it: its 300 seconds count"
        await asyncio.sleep(300)
        bare = await cluster.get(POD, Key("default", "bare"))
        assert bare.metadata.deletion_timestamp is not None
        assert conditions.is_true(bare.status.conditions, "DisruptionTarget")


async def test_a_node_that_comes_back_loses_its_taints() -> None:
    async with nodes("n1", "n2") as (cluster, alive):
        alive.discard("n1")
        await asyncio.sleep(40)
        node = await cluster.get(NODE, Key("", "n1"))
        assert node.spec.taints
        alive.add("n1")
        ready = NodeCondition(type="Ready", status="True", last_heartbeat_time=time_at(cluster.clock.now()))
        await cluster.set(NODE, replace(node, status=replace(node.status, conditions=(ready,))))
        await asyncio.sleep(25)
        assert (await cluster.get(NODE, Key("", "n1"))).spec.taints == ()


@pytest.mark.parametrize("names", [("n1",), ("n1", "n2", "n3")])
async def test_when_all_nodes_are_lost_nothing_is_evicted(names: tuple[str, ...]) -> None:
    async with nodes(*names) as (cluster, alive):
        await web(cluster, "n1")
        alive.clear()
        await asyncio.sleep(1000)
        assert [pod for pod in cluster.all(POD) if pod.metadata.deletion_timestamp] == []
        assert all(is_ready(pod) for pod in cluster.all(POD)), "services keep what they have"


async def test_nodes_fall_silent_together_that_renewed_for_the_last_time_one_after_the_other() -> None:
    """On a busy machine renewals come late. (Seeded fault: expect them within 10.5 seconds. Then n1's pods go.)"""
    async with nodes() as (cluster, _):
        for name in ("n1", "n2", "n3"):
            ready = NodeCondition(type="Ready", status="True", reason="KubeletReady")
            await cluster.set(NODE, Node(metadata=ObjectMeta(name=name), status=NodeStatus(conditions=(ready,))))
        await web(cluster, "n1")
        for name, later in (("n1", 7.0), ("n2", 4.9), ("n3", 0.0)):
            spec = LeaseSpec(renew_time=micro_time_at(cluster.clock.now()))
            await cluster.set(LEASE, Lease(metadata=ObjectMeta(name=name, namespace="kube-node-lease"), spec=spec))
            await asyncio.sleep(later)
        await asyncio.sleep(1000)
        assert [pod for pod in cluster.all(POD) if pod.metadata.deletion_timestamp] == []


async def renew(cluster: Cluster, name: str) -> None:
    """Its agent is there, and says that it is Ready."""
    now = cluster.clock.now()
    spec = LeaseSpec(renew_time=micro_time_at(now))
    await cluster.set(LEASE, Lease(metadata=ObjectMeta(name=name, namespace="kube-node-lease"), spec=spec))
    node = await cluster.get(NODE, Key("", name))
    if not conditions.is_true(node.status.conditions, "Ready"):
        ready = NodeCondition(type="Ready", status="True", last_heartbeat_time=time_at(now))
        await cluster.set(NODE, replace(node, status=replace(node.status, conditions=(ready,))))


@pytest.mark.parametrize("away", [11.0, 13.0, 15.0, 17.0, 20.0, 25.0, 80.0])
async def test_nodes_come_back_one_after_the_other_and_the_last_has_time(away: float) -> None:
    """(Seeded fault: their grace goes on where it was. Then n1's pods go as soon as n2 is back.)"""
    async with nodes("n1", "n2", "n3") as (cluster, alive):
        await web(cluster, "n1")
        await asyncio.sleep(100 - 5)
        alive.clear()
        await asyncio.sleep(away)
        for name in ("n2", "n3", "n1"):
            await renew(cluster, name)
            alive.add(name)
            await asyncio.sleep(4)
        await asyncio.sleep(100)
        assert [pod for pod in cluster.all(POD) if pod.metadata.deletion_timestamp] == []
        assert all(node.spec.taints == () for node in cluster.all(NODE))
        alive.discard("n1")
        await asyncio.sleep(24)
        assert len([pod for pod in cluster.all(POD) if pod.metadata.deletion_timestamp]) == 2


async def test_one_that_does_not_come_back_is_lost_a_grace_later() -> None:
    async with nodes("n1", "n2", "n3") as (cluster, alive):
        await web(cluster, "n1")
        await asyncio.sleep(95)
        alive.clear()
        await asyncio.sleep(80)
        alive |= {"n2", "n3"}
        for name in ("n2", "n3"):
            await renew(cluster, name)
        await asyncio.sleep(18)
        assert [pod for pod in cluster.all(POD) if pod.metadata.deletion_timestamp] == []
        await asyncio.sleep(6)
        assert len([pod for pod in cluster.all(POD) if pod.metadata.deletion_timestamp]) == 2


async def test_nodes_have_time_to_report_to_a_server_that_was_away() -> None:
    """Controllers that start anew have no idea how long the API was away; no node is called lost for that."""
    async with nodes("n1", "n2", "n3") as (cluster, alive):
        await web(cluster, "n1")
        await asyncio.sleep(100)
    await asyncio.sleep(300)
    began = len(cluster.log)
    async with running_nodes(cluster, sorted(alive)):
        await asyncio.sleep(100)
    changed = [event.obj for event in cluster.log[began:] if event.resource is NODE]
    assert changed == []
    assert [pod for pod in cluster.all(POD) if pod.metadata.deletion_timestamp] == []


async def test_pods_of_a_node_that_is_no_more_are_removed() -> None:
    async with nodes("n1", "n2") as (cluster, alive):
        await web(cluster, "n1")
        alive.discard("n1")
        await cluster.delete(NODE, Key("", "n1"))
        await asyncio.sleep(100)
        assert [pod for pod in cluster.all(POD) if pod.spec.node_name == "n1"] == []
        assert len(cluster.all(POD)) == 2

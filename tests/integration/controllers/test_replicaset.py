"""One controller against the in-memory cluster, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD
from wherry.api.types.apps import ReplicaSet, ReplicaSetSpec
from wherry.api.types.core import PodTemplateSpec
from wherry.controllers.replicaset import CONTROLLER
from wherry.machinery.errors import APIError, Forbidden
from wherry.machinery.meta import Key, LabelSelector, Object, ObjectMeta
from wherry.machinery.resource import Resource
from wherry.reconcile.runner import run_controllers

LABELS = {"app": "web"}
WEB = ReplicaSet(
    metadata=ObjectMeta(name="web", namespace="default"),
    spec=ReplicaSetSpec(
        replicas=5,
        selector=LabelSelector(match_labels=LABELS),
        template=PodTemplateSpec(metadata=ObjectMeta(labels=LABELS)),
    ),
)


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, [CONTROLLER]))
        yield
        task.cancel()


@pytest.mark.parametrize("lag", [0.0, 0.5, 3.0])
async def test_makes_exactly_enough_pods_however_stale_the_cache(lag: float) -> None:
    cluster = Cluster(LoopClock(), lag)
    async with running(cluster):
        await cluster.create(REPLICASET, WEB)
        await asyncio.sleep(60)
    assert len(cluster.all(POD)) == 5
    assert len(list(cluster.events(POD, "ADDED"))) == 5
    rs = await cluster.get(REPLICASET, Key("default", "web"))
    assert rs.status.replicas == 5


async def test_recovers_from_refusal() -> None:
    cluster = Cluster(LoopClock())
    cluster.refuse = _refuse_pods
    async with running(cluster):
        await cluster.create(REPLICASET, WEB)
        await asyncio.sleep(10)
        assert cluster.all(POD) == ()
        rs = await cluster.get(REPLICASET, Key("default", "web"))
        assert [(c.type, c.reason, c.message) for c in rs.status.conditions] == [
            ("ReplicaFailure", "FailedCreate", "quota")
        ]
        cluster.refuse = lambda verb, resource, obj: None
        await asyncio.sleep(60)
    assert len(cluster.all(POD)) == 5
    assert (await cluster.get(REPLICASET, Key("default", "web"))).status.conditions == ()


def _refuse_pods(verb: str, resource: Resource[object], obj: Object | None) -> APIError | None:  # type: ignore[type-var]
    return Forbidden("quota") if verb == "create" and resource is POD else None


@pytest.mark.parametrize("lag", [0.0, 5.0])
async def test_partial_failure_makes_no_extra_pods(lag: float) -> None:
    cluster = Cluster(LoopClock(), lag)
    quota = 3
    cluster.refuse = lambda verb, resource, obj: (
        Forbidden("quota") if verb == "create" and resource is POD and len(cluster.all(POD)) >= quota else None
    )
    async with running(cluster):
        await cluster.create(REPLICASET, WEB)
        await asyncio.sleep(200)
        assert len(cluster.all(POD)) == 3
        quota = 1000
        await asyncio.sleep(400)
    assert len(list(cluster.events(POD, "ADDED"))) == 5


@pytest.mark.parametrize("cut", [0.001, 1.0, 2.5, 4.0, 7.0])
async def test_restart_in_the_middle_makes_no_extra_pods(cut: float) -> None:
    cluster = Cluster(LoopClock(), 2.0)
    await cluster.create(REPLICASET, WEB)
    async with running(cluster):
        await asyncio.sleep(cut)
    async with running(cluster):
        await asyncio.sleep(60)
    assert len(list(cluster.events(POD, "ADDED"))) == 5

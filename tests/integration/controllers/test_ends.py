"""How things end: garbage collection in its three ways, and namespaces, with caches that lag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.apiregistration.apiservice import APISERVICE
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.pod import POD
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.networking.networkpolicy import NETWORKPOLICY
from wherry.api.types.apiregistration import (
    APIService,
    APIServiceCondition,
    APIServiceSpec,
    APIServiceStatus,
    ServiceReference,
)
from wherry.api.types.apps import ReplicaSet
from wherry.api.types.core import ConfigMap, Namespace, NamespaceSpec, Pod, PodSpec
from wherry.api.types.networking import NetworkPolicy
from wherry.controllers import garbagecollector, namespace, rootca, serviceaccount
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.controller import AnyController
from wherry.reconcile.ownership import reference
from wherry.reconcile.runner import run_controllers

SETTINGS = Settings(ca="PEM")
COLLECTOR = garbagecollector.controller(SETTINGS)


@asynccontextmanager
async def running(cluster: Cluster, *controllers: AnyController) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, controllers))
        yield
        task.cancel()


async def family(cluster: Cluster) -> tuple[ReplicaSet, Pod, ConfigMap]:
    """A ReplicaSet that owns a Pod that owns a ConfigMap."""
    rs = await cluster.create(REPLICASET, ReplicaSet(metadata=ObjectMeta(name="web", namespace="default")))
    meta = ObjectMeta(name="p", namespace="default", owner_references=(reference(REPLICASET, rs),))
    pod = await cluster.create(POD, Pod(metadata=meta))
    meta = ObjectMeta(name="c", namespace="default", owner_references=(reference(POD, pod),))
    return rs, pod, await cluster.create(CONFIGMAP, ConfigMap(metadata=meta))


@pytest.mark.parametrize("lag", [0.0, 2.0])
async def test_background(lag: float) -> None:
    cluster = Cluster(LoopClock(), lag)
    async with running(cluster, COLLECTOR):
        rs, _, _ = await family(cluster)
        await asyncio.sleep(30)
        assert len(cluster.objects) == 3
        await cluster.delete(REPLICASET, Key("default", "web"), uid=rs.metadata.uid)
        await asyncio.sleep(30)
    assert cluster.objects == {}


@pytest.mark.parametrize("lag", [0.0, 2.0])
async def test_foreground_removes_the_owner_last(lag: float) -> None:
    cluster = Cluster(LoopClock(), lag)
    async with running(cluster, COLLECTOR):
        await family(cluster)
        await asyncio.sleep(10)
        await cluster.delete(REPLICASET, Key("default", "web"), propagation="Foreground")
        await asyncio.sleep(60)
    assert cluster.objects == {}
    ends = [event.resource.kind for event in cluster.log if event.type == "DELETED"]
    assert ends == ["ConfigMap", "Pod", "ReplicaSet"]


@pytest.mark.parametrize("lag", [0.0, 2.0])
async def test_a_circle_of_owners_goes(lag: float) -> None:
    """Each waits for the next. (Seeded fault: leave blockOwnerDeletion as it is, and they wait for ever.)"""
    cluster = Cluster(LoopClock(), lag)
    async with running(cluster, COLLECTOR):
        pods = [await cluster.create(POD, Pod(metadata=ObjectMeta(name=f"p{n}", namespace="d"))) for n in range(3)]
        for n, pod in enumerate(pods):
            refs = (reference(POD, pods[n - 1]),)
            await cluster.replace(POD, replace(pod, metadata=replace(pod.metadata, owner_references=refs)))
        await asyncio.sleep(30)
        assert len(cluster.all(POD)) == 3
        await cluster.delete(POD, Key("d", "p0"), propagation="Foreground")
        await asyncio.sleep(60)
    assert cluster.all(POD) == ()


async def test_orphan_leaves_the_dependents() -> None:
    cluster = Cluster(LoopClock(), 1.0)
    async with running(cluster, COLLECTOR):
        await family(cluster)
        await asyncio.sleep(10)
        await cluster.delete(REPLICASET, Key("default", "web"), propagation="Orphan")
        await asyncio.sleep(60)
    (pod,) = cluster.all(POD)
    assert pod.metadata.owner_references == ()
    assert len(cluster.all(CONFIGMAP)) == 1
    assert cluster.all(REPLICASET) == ()


async def test_after_a_restart_what_lost_its_owner_meanwhile_goes() -> None:
    cluster = Cluster(LoopClock())
    await family(cluster)
    await cluster.delete(REPLICASET, Key("default", "web"))
    namesake = await cluster.create(REPLICASET, ReplicaSet(metadata=ObjectMeta(name="web", namespace="default")))
    async with running(cluster, COLLECTOR):
        await asyncio.sleep(30)
    assert list(cluster.objects.values()) == [namesake]


async def test_one_living_owner_is_enough() -> None:
    cluster = Cluster(LoopClock())
    rs, pod, _ = await family(cluster)
    other = await cluster.create(REPLICASET, ReplicaSet(metadata=ObjectMeta(name="other", namespace="default")))
    refs = (*pod.metadata.owner_references, replace(reference(REPLICASET, other), controller=None))
    await cluster.replace(POD, replace(pod, metadata=replace(pod.metadata, owner_references=refs)))
    async with running(cluster, COLLECTOR):
        await cluster.delete(REPLICASET, Key("default", "web"), uid=rs.metadata.uid)
        await asyncio.sleep(30)
    (left,) = cluster.all(POD)
    assert [ref.name for ref in left.metadata.owner_references] == ["other"]


async def test_a_namespace_gets_its_defaults_and_goes_with_all_it_holds() -> None:
    cluster = Cluster(LoopClock(), 0.5, graceful=True)
    shop = Namespace(metadata=ObjectMeta(name="shop"), spec=NamespaceSpec(finalizers=("kubernetes",)))
    controllers = (namespace.controller(SETTINGS), serviceaccount.CONTROLLER, rootca.controller(SETTINGS))
    async with running(cluster, *controllers):
        await cluster.create(NAMESPACE, shop)
        await asyncio.sleep(5)
        assert [a.metadata.name for a in cluster.all(SERVICEACCOUNT, "shop")] == ["default"]
        assert [c.data for c in cluster.all(CONFIGMAP, "shop")] == [{"ca.crt": "PEM"}]
        await cluster.create(POD, Pod(metadata=ObjectMeta(name="p", namespace="shop"), spec=PodSpec(node_name="n1")))
        await cluster.create(NETWORKPOLICY, NetworkPolicy(metadata=ObjectMeta(name="deny", namespace="shop")))
        await cluster.delete(NAMESPACE, Key("", "shop"))
        await asyncio.sleep(10)
        dying = await cluster.get(NAMESPACE, Key("", "shop"))
        assert dying.status.phase == "Terminating"
        remaining = conditions.get(dying.status.conditions, "NamespaceContentRemaining")
        assert remaining is not None
        assert remaining.message == "Some resources are remaining: pods. has 1 resource instances"
        assert len(cluster.all(NETWORKPOLICY, "shop")) == 1
        await cluster.finish(POD, Key("shop", "p"))
        await asyncio.sleep(10)
        with pytest.raises(NotFound):
            await cluster.get(NAMESPACE, Key("", "shop"))
    assert [key for _, key in cluster.objects if key.namespace == "shop"] == []


async def test_a_namespace_waits_for_servers_that_cannot_be_asked() -> None:
    cluster = Cluster(LoopClock())
    shop = Namespace(metadata=ObjectMeta(name="shop"), spec=NamespaceSpec(finalizers=("kubernetes",)))
    spec = APIServiceSpec(group="wardle.example.com", version="v1", service=ServiceReference(name="a", namespace="b"))
    async with running(cluster, namespace.controller(SETTINGS)):
        meta = ObjectMeta(name="v1.wardle.example.com")
        service = await cluster.create(APISERVICE, APIService(metadata=meta, spec=spec))
        await cluster.create(NAMESPACE, shop)
        await cluster.delete(NAMESPACE, Key("", "shop"))
        await asyncio.sleep(30)
        dying = await cluster.get(NAMESPACE, Key("", "shop"))
        failed = conditions.get(dying.status.conditions, "NamespaceDeletionDiscoveryFailure")
        assert failed is not None
        assert (failed.status, failed.reason) == ("True", "DiscoveryFailed")
        assert "wardle.example.com/v1: stale GroupVersion discovery" in failed.message
        fine = APIServiceCondition(type="Available", status="True", reason="Passed")
        await cluster.replace(APISERVICE, replace(service, status=APIServiceStatus(conditions=(fine,))), "status")
        await asyncio.sleep(10)
        with pytest.raises(NotFound):
            await cluster.get(NAMESPACE, Key("", "shop"))

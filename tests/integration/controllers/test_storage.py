"""A claim's way through all storage controllers together, on caches that lag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.storage.volumeattributesclass import VOLUMEATTRIBUTESCLASS
from wherry.api.types.core import (
    HostPathVolumeSource,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimVolumeSource,
    PersistentVolumeSpec,
    Pod,
    PodSpec,
    Volume,
    VolumeResourceRequirements,
)
from wherry.api.types.storage import VolumeAttributesClass
from wherry.controllers import localprovisioner, nodeipam, persistentvolume, persistentvolumeclaim, protection
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.quantity import Quantity
from wherry.reconcile.runner import run_controllers

STORAGE = (
    persistentvolumeclaim.CONTROLLER,
    persistentvolume.CONTROLLER,
    protection.CLAIMS,
    protection.VOLUMES,
    protection.CLASSES,
    localprovisioner.PROVISION,
    localprovisioner.RECLAIM,
)
DATA = Key("default", "data")


@asynccontextmanager
async def storage(lag: float) -> AsyncIterator[Cluster]:
    cluster = Cluster(LoopClock(), lag)
    await cluster.create(STORAGECLASS, localprovisioner.DEFAULT_CLASS)
    meta = ObjectMeta(
        name="n1", labels={"kubernetes.io/hostname": "n1"}, annotations={"wherry.dev/volumes": "/srv/n1/volumes"}
    )
    await cluster.create(NODE, Node(metadata=meta))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, STORAGE))
        yield cluster
        task.cancel()


def claim(name: str = "data", kind: str | None = "local", size: str = "1Gi") -> PersistentVolumeClaim:
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=PersistentVolumeClaimSpec(
            access_modes=("ReadWriteOnce",),
            storage_class_name=kind,
            resources=VolumeResourceRequirements(requests={"storage": Quantity(size)}),
        ),
    )


def volume(name: str, size: str) -> PersistentVolume:
    return PersistentVolume(
        metadata=ObjectMeta(name=name),
        spec=PersistentVolumeSpec(
            access_modes=("ReadWriteOnce",),
            capacity={"storage": Quantity(size)},
            persistent_volume_reclaim_policy="Retain",
            host_path=HostPathVolumeSource(path="/data"),
        ),
    )


async def choose(cluster: Cluster, node: str) -> None:
    await cluster.patch(
        PERSISTENTVOLUMECLAIM, DATA, {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": node}}}
    )


@pytest.mark.parametrize("lag", [0.0, 1.0])
async def test_a_local_volume_is_made_where_the_scheduler_says_and_goes_with_its_claim(lag: float) -> None:
    async with storage(lag) as cluster:
        await cluster.create(PERSISTENTVOLUMECLAIM, claim())
        await asyncio.sleep(30)
        assert cluster.all(PERSISTENTVOLUME) == ()
        await choose(cluster, "n1")
        await asyncio.sleep(30)
        (made,) = cluster.all(PERSISTENTVOLUME)
        bound = await cluster.get(PERSISTENTVOLUMECLAIM, DATA)
        assert (made.status.phase, bound.status.phase) == ("Bound", "Bound")
        assert bound.spec.volume_name == made.metadata.name == f"pvc-{bound.metadata.uid}"
        assert bound.status.capacity == {"storage": "1Gi"}
        assert made.spec.local is not None
        assert made.spec.local.path == f"/srv/n1/volumes/{made.metadata.name}"

        use = Volume(name="v", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="data"))
        await cluster.create(POD, Pod(metadata=ObjectMeta(name="p", namespace="default"), spec=PodSpec(volumes=(use,))))
        await cluster.delete(PERSISTENTVOLUMECLAIM, DATA)
        await asyncio.sleep(30)
        assert (await cluster.get(PERSISTENTVOLUMECLAIM, DATA)).metadata.finalizers == ("kubernetes.io/pvc-protection",)
        await cluster.delete(POD, Key("default", "p"))
        await asyncio.sleep(30)
        assert cluster.all(PERSISTENTVOLUMECLAIM) == ()
        (released,) = cluster.all(PERSISTENTVOLUME)
        assert released.metadata.deletion_timestamp is not None
        assert released.metadata.finalizers == ("wherry.dev/local-volume",)
        asked = f"remove.volumes.wherry.dev/{released.metadata.name}"
        node = await cluster.get(NODE, Key("", "n1"))
        assert node.metadata.annotations[asked] == "asked"
        await cluster.patch(NODE, Key("", "n1"), {"metadata": {"annotations": {asked: "done"}}})
        await asyncio.sleep(30)
        assert cluster.all(PERSISTENTVOLUME) == ()
        assert list((await cluster.get(NODE, Key("", "n1"))).metadata.annotations) == ["wherry.dev/volumes"]


@pytest.mark.parametrize("lag", [0.0, 1.0])
async def test_two_claims_never_share_a_volume_and_the_smallest_is_taken(lag: float) -> None:
    async with storage(lag) as cluster:
        for name, size in (("large", "9Gi"), ("small", "2Gi"), ("tiny", "1Mi")):
            await cluster.create(PERSISTENTVOLUME, volume(name, size))
        await asyncio.sleep(10)
        assert {v.status.phase for v in cluster.all(PERSISTENTVOLUME)} == {"Available"}
        await cluster.create(PERSISTENTVOLUMECLAIM, claim("a", ""))
        await cluster.create(PERSISTENTVOLUMECLAIM, claim("b", ""))
        await cluster.create(PERSISTENTVOLUMECLAIM, claim("c", ""))
        await asyncio.sleep(60)
        found = {c.metadata.name: (c.spec.volume_name, c.status.phase) for c in cluster.all(PERSISTENTVOLUMECLAIM)}
        assert found == {"a": ("small", "Bound"), "b": ("large", "Bound"), "c": ("", "Pending")}
        await cluster.delete(PERSISTENTVOLUMECLAIM, Key("default", "a"))
        await asyncio.sleep(30)
        kept = await cluster.get(PERSISTENTVOLUME, Key("", "small"))
        assert (kept.status.phase, kept.metadata.deletion_timestamp) == ("Released", None)


async def test_a_claim_that_loses_its_volume_says_so() -> None:
    async with storage(0.0) as cluster:
        await cluster.create(PERSISTENTVOLUME, volume("v", "2Gi"))
        await cluster.create(PERSISTENTVOLUMECLAIM, claim("data", ""))
        await asyncio.sleep(10)
        await cluster.finish(PERSISTENTVOLUME, Key("", "v"))
        await asyncio.sleep(10)
        assert (await cluster.get(PERSISTENTVOLUMECLAIM, DATA)).status.phase == "Lost"


@pytest.mark.parametrize("lag", [0.0, 2.0])
async def test_nodes_get_subnets_of_their_own(lag: float) -> None:
    cluster = Cluster(LoopClock(), lag)
    ipam = nodeipam.controller(Settings(pod_network="10.244.0.0/22"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, [ipam]))
        for n in range(6):
            await cluster.create(NODE, Node(metadata=ObjectMeta(name=f"n{n}")))
            await asyncio.sleep(0.5)
        await asyncio.sleep(60)
        task.cancel()
    given = sorted(node.spec.pod_cidr for node in cluster.all(NODE))
    assert given == ["", "", "10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"]


async def test_the_default_class_is_made_once() -> None:
    cluster = Cluster(LoopClock(), 0.5)
    await cluster.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="kube-system")))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(cluster, cluster.clock, [localprovisioner.DEFAULTS]))
        await asyncio.sleep(10)
        assert [kind.metadata.name for kind in cluster.all(STORAGECLASS)] == ["local"]
        await cluster.delete(STORAGECLASS, Key("", "local"))
        await asyncio.sleep(10)
        assert cluster.all(STORAGECLASS) == ()
        task.cancel()


async def test_a_class_of_attributes_goes_when_nobody_names_it() -> None:
    name = Key("", "gold")
    async with storage(0.0) as cluster:
        await cluster.create(VOLUMEATTRIBUTESCLASS, VolumeAttributesClass(metadata=ObjectMeta(name="gold")))
        spec = PersistentVolumeClaimSpec(volume_attributes_class_name="gold", storage_class_name="none")
        meta = ObjectMeta(name="data", namespace="default")
        await cluster.create(PERSISTENTVOLUMECLAIM, PersistentVolumeClaim(metadata=meta, spec=spec))
        await asyncio.sleep(5)
        held = await cluster.get(VOLUMEATTRIBUTESCLASS, name)
        assert held.metadata.finalizers == ("kubernetes.io/vac-protection",)
        await cluster.delete(VOLUMEATTRIBUTESCLASS, name)
        await asyncio.sleep(5)
        assert len(cluster.all(VOLUMEATTRIBUTESCLASS)) == 1
        await cluster.delete(PERSISTENTVOLUMECLAIM, DATA)
        await asyncio.sleep(5)
        assert cluster.all(VOLUMEATTRIBUTESCLASS) == ()

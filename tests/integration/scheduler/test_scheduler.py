"""The scheduler against the real API server, in process, with Node objects that nobody runs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.apiserver import running_apiserver
from tests.support.nodes import apart, node, pod
from wherry.aio.clock import SystemClock
from wherry.api.core.event import EVENT
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, condition
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.policy.poddisruptionbudget import PODDISRUPTIONBUDGET
from wherry.api.scheduling.priorityclass import PRIORITYCLASS
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount
from wherry.api.types.policy import PodDisruptionBudget
from wherry.api.types.scheduling import PriorityClass
from wherry.api.types.storage import StorageClass
from wherry.apiserver.authn.user import known
from wherry.client.interface import Client
from wherry.controllers import localprovisioner, persistentvolume, persistentvolumeclaim, protection
from wherry.machinery.codec import from_dict
from wherry.machinery.errors import AlreadyExists
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.runner import run_controllers
from wherry.scheduler.loop import Scheduler

pytestmark = pytest.mark.looptime(False)

STORAGE = (
    persistentvolumeclaim.CONTROLLER, persistentvolume.CONTROLLER, protection.CLAIMS, protection.VOLUMES,
    localprovisioner.PROVISION, localprovisioner.RECLAIM,
)  # fmt: skip
CLAIMING = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


@asynccontextmanager
async def cluster(folder: Path, *, storage: bool = False) -> AsyncIterator[Client]:
    """An API server with the namespace default, a scheduler and, if asked for, the storage controllers."""
    async with running_apiserver(folder) as server:
        client = server.client()
        with contextlib.suppress(AlreadyExists):
            await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="default")))
        await client.create(SERVICEACCOUNT, ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
        scheduler = Scheduler(server.client(known("system:kube-scheduler")), SystemClock(), random.Random(1))
        jobs = [asyncio.create_task(scheduler.run())]
        if storage:
            with contextlib.suppress(AlreadyExists):
                await client.create(STORAGECLASS, localprovisioner.DEFAULT_CLASS)
            manager = server.client(known("system:kube-controller-manager"))
            jobs.append(asyncio.create_task(run_controllers(manager, SystemClock(), STORAGE)))
        try:
            yield client
            await asyncio.sleep(0)
            scheduler.world.snapshot.check()
        finally:
            for job in jobs:
                job.cancel()
            results = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results


async def join(client: Client, joining: Node) -> None:
    """A node registers and becomes ready: new ones carry a taint until then."""
    made = await client.create(NODE, joining)
    assert [taint.key for taint in made.spec.taints] == ["node.kubernetes.io/not-ready"]
    await client.patch(NODE, Key("", made.metadata.name), {"spec": {"taints": None}})


async def until(client: Client, name: str, holds: Callable[[Pod], bool], seconds: float = 5) -> Pod:
    """The pod, as soon as something holds of it."""
    async with asyncio.timeout(seconds):
        async for event in client.watch(POD):
            if event.obj is not None and event.obj.metadata.name == name and holds(event.obj):
                return event.obj
    raise AssertionError


async def bound(client: Client, name: str, seconds: float = 5) -> str:
    """The node of a pod, as soon as it has one."""
    return (await until(client, name, lambda p: bool(p.spec.node_name), seconds)).spec.node_name


def says(reason: str) -> Callable[[Pod], bool]:
    """Whether the pod's PodScheduled condition has this reason."""
    return lambda p: (c := condition(p, "PodScheduled")) is not None and c.reason == reason


async def event(client: Client, about: str, reason: str) -> str:
    """The text of an event."""
    async with asyncio.timeout(5):
        async for seen in client.watch(EVENT):
            obj = seen.obj
            if obj is not None and (obj.involved_object.name, obj.reason) == (about, reason):
                return obj.message
    raise AssertionError


def claim(name: str = "data", kind: str = "local", **spec: Any) -> PersistentVolumeClaim:
    wanted = {
        "accessModes": ["ReadWriteOnce"], "storageClassName": kind,
        "resources": {"requests": {"storage": "1Gi"}}, **spec,
    }  # fmt: skip
    return from_dict(PersistentVolumeClaim, {"metadata": {"name": name, "namespace": "default"}, "spec": wanted})


async def test_pods_are_bound_and_it_is_said(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        await join(client, node("n1"))
        await client.create(POD, pod("p", cpu="1"))
        assert await bound(client, "p") == "n1"
        assert await event(client, "p", "Scheduled") == "Successfully assigned default/p to n1"


async def test_what_fits_nowhere_says_why_and_a_new_node_takes_it_within_a_second(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        await client.create(POD, pod("early"))
        early = await until(client, "early", says("Unschedulable"))
        found = condition(early, "PodScheduled")
        assert found is not None
        assert found.message == "no nodes available to schedule pods"
        await join(client, node("n1", cpu="1"))
        await bound(client, "early")
        await client.create(POD, pod("big", cpu="3"))
        text = (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 Preemption is not helpful for scheduling."
        )
        assert await event(client, "big", "FailedScheduling") == text
        big = await until(client, "big", says("Unschedulable"))
        assert (c := condition(big, "PodScheduled")) is not None
        assert (c.status, c.message) == ("False", text)
        await client.create(NODE, node("n2"))
        await asyncio.sleep(2.5)  # it is tried, fails again, and is to wait for two seconds
        begun = time.monotonic()
        await client.patch(NODE, Key("", "n2"), {"spec": {"taints": None}})
        assert await bound(client, "big") == "n2"
        assert time.monotonic() - begun < 1


async def test_gated_pods_wait_until_the_gate_opens(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        await join(client, node("n1"))
        await client.create(POD, pod("p", schedulingGates=[{"name": "wait"}]))
        gated = await until(client, "p", says("SchedulingGated"))
        assert not gated.spec.node_name
        await client.patch(POD, Key("default", "p"), {"spec": {"schedulingGates": None}})
        assert await bound(client, "p") == "n1"


async def test_pods_of_other_schedulers_are_left_alone(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        await join(client, node("n1"))
        await client.create(POD, pod("theirs", schedulerName="other"))
        await client.create(POD, pod("ours"))
        await bound(client, "ours")
        assert not (await client.get(POD, Key("default", "theirs"))).spec.node_name


async def test_a_claim_is_provisioned_where_its_pod_goes(tmp_path: Path) -> None:
    async with cluster(tmp_path, storage=True) as client:
        await join(client, node("n1", cpu="1"))
        await join(client, node("n2"))
        await client.create(PERSISTENTVOLUMECLAIM, claim())
        await client.create(POD, pod("p", cpu="2", volumes=CLAIMING))
        assert await bound(client, "p", 15) == "n2"
        done = await client.get(PERSISTENTVOLUMECLAIM, Key("default", "data"))
        assert done.metadata.annotations["volume.kubernetes.io/selected-node"] == "n2"
        assert done.metadata.annotations["pv.kubernetes.io/bind-completed"] == "yes"
        volume = await client.get(PERSISTENTVOLUME, Key("", done.spec.volume_name))
        assert volume.spec.node_affinity is not None
        # whoever comes later to the same data must come to the same node
        await client.create(POD, pod("later", volumes=CLAIMING))
        assert await bound(client, "later") == "n2"
        await client.create(POD, pod("elsewhere", volumes=CLAIMING, nodeSelector={"kubernetes.io/hostname": "n1"}))
        text = await event(client, "elsewhere", "FailedScheduling")
        assert text.startswith(
            "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, "
            "1 node(s) didn't match Pod's node affinity/selector. preemption: "
        )


async def test_a_claim_promised_to_a_node_that_has_left_goes_elsewhere(tmp_path: Path) -> None:
    async with cluster(tmp_path, storage=True) as client:
        await join(client, node("n1"))
        left = claim()
        annotations = {"volume.kubernetes.io/selected-node": "gone"}
        await client.create(
            PERSISTENTVOLUMECLAIM, replace(left, metadata=replace(left.metadata, annotations=annotations))
        )
        await client.create(POD, pod("p", volumes=CLAIMING))
        assert await bound(client, "p", 15) == "n1"


async def test_two_pods_with_two_claims_share_what_volumes_there_are(tmp_path: Path) -> None:
    async with cluster(tmp_path, storage=True) as client:
        kind = {
            "metadata": {"name": "static"}, "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }  # fmt: skip
        await client.create(STORAGECLASS, from_dict(StorageClass, kind))
        for name in ("n1", "n2"):
            await join(client, node(name))
            here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}]}
            spec = {
                "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": "static",
                "local": {"path": "/data"}, "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
            }  # fmt: skip
            await client.create(
                PERSISTENTVOLUME, from_dict(PersistentVolume, {"metadata": {"name": f"v-{name}"}, "spec": spec})
            )
        for name in ("a", "b", "c"):
            await client.create(PERSISTENTVOLUMECLAIM, claim(name, "static"))
        for name in ("a", "b"):
            volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]
            await client.create(POD, pod(name, volumes=volumes))
        places = {await bound(client, "a", 15), await bound(client, "b", 15)}
        assert places == {"n1", "n2"}
        await client.create(POD, pod("c", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]))
        text = await event(client, "c", "FailedScheduling")
        assert text.startswith("0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.")


async def test_claims_that_are_missing_or_wait_are_named(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        await join(client, node("n1"))
        await client.create(POD, pod("p", volumes=CLAIMING))
        no_help = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        assert await event(client, "p", "FailedScheduling") == (
            f'0/1 nodes are available: persistentvolumeclaim "data" not found. {no_help}'
        )
        await client.create(PERSISTENTVOLUMECLAIM, claim(kind="nowhere"))
        await client.create(POD, pod("q", volumes=CLAIMING))
        assert await event(client, "q", "FailedScheduling") == (
            f"0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. {no_help}"
        )


async def test_less_important_pods_make_room_and_the_room_is_kept(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        high = {"metadata": {"name": "high"}, "value": 1000}
        await client.create(PRIORITYCLASS, from_dict(PriorityClass, high))
        await join(client, node("n1", cpu="2"))
        for name in ("low-1", "low-2"):
            await client.create(POD, pod(name, cpu="1", labels={"app": name}))
            await bound(client, name)
        budget = {
            "metadata": {"name": "keep", "namespace": "default"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "low-1"}}},
        }
        await client.create(PODDISRUPTIONBUDGET, from_dict(PodDisruptionBudget, budget))
        await client.create(POD, pod("vip", cpu="1", priorityClassName="high"))
        leaving = await until(client, "low-2", lambda p: p.metadata.deletion_timestamp is not None)
        target = condition(leaving, "DisruptionTarget")
        assert target is not None
        assert (target.status, target.reason) == ("True", "PreemptionByScheduler")
        assert target.message == "default-scheduler: preempting to accommodate a higher priority pod"
        vip = await until(client, "vip", lambda p: p.status.nominated_node_name == "n1")
        assert await event(client, "vip", "FailedScheduling") == (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: found a potential placement for pod on node n1, "
            "preempting 1 victims"
        )
        assert await event(client, "low-2", "Preempted") == f"Preempted by pod {vip.metadata.uid} on node n1"
        await client.create(POD, pod("thief", cpu="1"))
        await until(client, "thief", says("Unschedulable"))
        await client.delete(POD, Key("default", "low-2"), grace=0)
        assert await bound(client, "vip") == "n1"
        assert (await client.get(POD, Key("default", "low-1"))).metadata.deletion_timestamp is None
        assert not (await client.get(POD, Key("default", "thief"))).spec.node_name


async def test_many_pods_at_once_never_overfill_and_keep_apart(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        for n in range(20):
            await join(client, node(f"n{n}", cpu="1"))
        lonely = apart({"app": "x"})
        pods = [pod(f"x{n}", labels={"app": "x"}, affinity=lonely) for n in range(21)]
        pods += [pod(f"p{n}", cpu="100m") for n in range(180)]
        await asyncio.gather(*(client.create(POD, one) for one in pods))
        for n in range(180):
            await bound(client, f"p{n}")
        stored = (await client.list(POD)).items
        hosts = [p.spec.node_name for p in stored if p.metadata.name.startswith("x") and p.spec.node_name]
        assert len(hosts) == len(set(hosts)) == 20
        for n in range(20):
            assert sum(p.spec.node_name == f"n{n}" and p.metadata.name.startswith("p") for p in stored) <= 10

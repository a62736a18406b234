"""All controllers together on a real API server: what a user does with a namespace from its making to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.apiserver import running_apiserver
from wherry.aio.clock import SystemClock
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.apps.statefulset import STATEFULSET
from wherry.api.batch.job import JOB
from wherry.api.core.event import EVENT
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, is_ready
from wherry.api.core.service import SERVICE
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.apps import Deployment, DeploymentSpec, StatefulSet, StatefulSetSpec
from wherry.api.types.batch import Job, JobSpec
from wherry.api.types.core import (
    Binding,
    Container,
    Namespace,
    Node,
    NodeCondition,
    NodeStatus,
    ObjectReference,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodTemplateSpec,
    Service,
    ServicePort,
    ServiceSpec,
    VolumeResourceRequirements,
)
from wherry.client.interface import Client, Select
from wherry.controllers.localprovisioner import DEFAULT_CLASS, FINALIZER
from wherry.controllers.registry import controllers
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.errors import AlreadyExists, APIError, NotFound
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import time_at
from wherry.reconcile.runner import run_controllers

pytestmark = pytest.mark.looptime(False)
LABELS = {"app": "web"}
SHOP = Select(namespace="shop")


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Client]:
    """An API server with all controllers, and a stand-in for scheduler and agent on node n1."""
    async with running_apiserver(folder) as running, asyncio.TaskGroup() as group:
        client = running.client()
        ready = NodeCondition(type="Ready", status="True")
        meta = ObjectMeta(
            name="n1", labels={"kubernetes.io/hostname": "n1"}, annotations={"wherry.dev/volumes": "/srv/volumes"}
        )
        node = await client.create(NODE, Node(metadata=meta))
        await client.replace(NODE, replace(node, status=NodeStatus(conditions=(ready,))), "status")
        with suppress(AlreadyExists):
            await client.create(STORAGECLASS, DEFAULT_CLASS)
        made = controllers(Settings(ca="PEM"))
        tasks = [
            group.create_task(run_controllers(client, SystemClock(), made)),
            group.create_task(stand_in(client)),
        ]
        yield client
        for task in tasks:
            task.cancel()


async def stand_in(client: Client) -> None:
    """What scheduler and agent do to a pod, on node n1."""
    async for event in client.watch(POD):
        pod = event.obj
        if pod is None or event.type == "DELETED":
            continue
        with suppress(APIError):
            await _handle(client, pod)


async def _handle(client: Client, pod: Pod) -> None:
    key = Key(pod.metadata.namespace, pod.metadata.name)
    if pod.metadata.deletion_timestamp is not None:
        await client.delete(POD, key, uid=pod.metadata.uid, grace=0)
    elif not pod.spec.node_name:
        for volume in pod.spec.volumes:
            if volume.persistent_volume_claim is not None:
                chosen = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}}
                name = volume.persistent_volume_claim.claim_name
                await client.patch(PERSISTENTVOLUMECLAIM, Key(key.namespace, name), chosen)
        target = ObjectReference(kind="Node", name="n1")
        binding = Binding(metadata=ObjectMeta(name=key.name, namespace=key.namespace), target=target)
        await client.call(POD, key, "binding", binding)
    elif pod.status.phase == "Pending":
        ip = f"10.244.0.{int(pod.metadata.resource_version) % 250 + 1}"
        moment = time_at(SystemClock().now())
        ends = pod.spec.restart_policy == "Never"
        found = () if ends else (PodCondition(type="Ready", status="True", last_transition_time=moment),)
        status = replace(
            pod.status,
            phase="Succeeded" if ends else "Running",
            pod_ip=ip,
            pod_ips=(PodIP(ip=ip),),
            conditions=found,
        )
        await client.replace(POD, replace(pod, status=status), "status")


async def until(what: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(seconds):
        while not await what():  # noqa: ASYNC110 - it is the API that changes
            await asyncio.sleep(0.02)


def template(image: str, policy: str = "Always") -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels=LABELS),
        spec=PodSpec(containers=(Container(name="c", image=image),), restart_policy=policy),
    )


async def _begin(client: Client) -> None:
    """A namespace with its default account."""
    await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="shop")))

    async def has_account() -> bool:
        return bool((await client.list(SERVICEACCOUNT, SHOP)).items)

    await until(has_account)


async def _web(client: Client) -> None:
    """A Deployment behind a Service, and its update."""
    selector = LabelSelector(match_labels=LABELS)
    meta = ObjectMeta(name="web", namespace="shop")
    port = ServicePort(port=80, target_port=8080)
    await client.create(SERVICE, Service(metadata=meta, spec=ServiceSpec(selector=LABELS, ports=(port,))))
    spec = DeploymentSpec(replicas=3, selector=selector, template=template("v1"))
    await client.create(DEPLOYMENT, Deployment(metadata=meta, spec=spec))

    async def rolled_out() -> bool:
        found = (await client.get(DEPLOYMENT, Key("shop", "web"))).status
        progress = conditions.get(found.conditions, "Progressing")
        ready = (found.available_replicas, found.updated_replicas, found.replicas) == (3, 3, 3)
        return ready and progress is not None and progress.reason == "NewReplicaSetAvailable"

    await until(rolled_out)

    async def in_service() -> bool:
        (found,) = (await client.list(ENDPOINTSLICE, SHOP)).items
        return [e.conditions.ready for e in found.endpoints] == [True] * 3

    await until(in_service)
    await client.patch(
        DEPLOYMENT,
        Key("shop", "web"),
        {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "v2"}]}}}},
    )

    async def renewed() -> bool:
        pods = (await client.list(POD, SHOP)).items
        fine = [is_ready(pod) and pod.spec.containers[0].image == "v2" for pod in pods]
        return await rolled_out() and fine == [True] * 3

    await until(renewed)
    assert sorted(rs.spec.replicas or 0 for rs in (await client.list(REPLICASET, SHOP)).items) == [0, 3]
    said = [e.message for e in (await client.list(EVENT, SHOP)).items if e.reason == "ScalingReplicaSet"]
    assert any(text.startswith("Scaled up replica set web-") and text.endswith("from 0 to 3") for text in said)


async def _job(client: Client) -> None:
    """A Job of two completions."""
    meta = ObjectMeta(name="sum", namespace="shop")
    await client.create(JOB, Job(metadata=meta, spec=JobSpec(completions=2, template=template("j", "Never"))))

    async def complete() -> bool:
        found = (await client.get(JOB, Key("shop", "sum"))).status
        return conditions.is_true(found.conditions, "Complete") and found.succeeded == 2

    await until(complete)


async def _database(client: Client) -> None:
    """A StatefulSet with a volume for each member."""
    claim = PersistentVolumeClaim(
        metadata=ObjectMeta(name="data"),
        spec=PersistentVolumeClaimSpec(
            access_modes=("ReadWriteOnce",),
            storage_class_name="local",
            resources=VolumeResourceRequirements(requests={"storage": Quantity("1Gi")}),
        ),
    )
    labels = {"app": "db"}
    db = PodTemplateSpec(metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=(Container(name="c", image="d"),)))
    set_spec = StatefulSetSpec(
        replicas=2,
        service_name="db",
        selector=LabelSelector(match_labels=labels),
        template=db,
        volume_claim_templates=(claim,),
    )
    await client.create(STATEFULSET, StatefulSet(metadata=ObjectMeta(name="db", namespace="shop"), spec=set_spec))

    async def bound() -> bool:
        claims = (await client.list(PERSISTENTVOLUMECLAIM, SHOP)).items
        found = (await client.get(STATEFULSET, Key("shop", "db"))).status
        return [c.status.phase for c in claims] == ["Bound"] * 2 and found.ready_replicas == 2

    await until(bound)


async def _end(client: Client) -> None:
    """The namespace goes with everything in it."""
    await client.delete(NAMESPACE, Key("", "shop"))

    async def gone() -> bool:
        try:
            await client.get(NAMESPACE, Key("", "shop"))
        except NotFound:
            return True
        return False

    await until(gone)
    assert (await client.list(POD, SHOP)).items == ()

    async def volumes_wait_for_the_agent() -> bool:
        found = (await client.list(PERSISTENTVOLUME)).items
        return all(v.metadata.deletion_timestamp and v.metadata.finalizers == (FINALIZER,) for v in found)

    await until(volumes_wait_for_the_agent)


async def test_a_namespace_from_its_making_to_its_end(tmp_path: Path) -> None:
    async with cluster(tmp_path) as client:
        for step in (_begin, _web, _job, _database, _end):
            await step(client)

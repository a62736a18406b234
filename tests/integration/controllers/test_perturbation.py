"""Controllers that are killed between two writes, miss events, see them twice, or look at the past: it ends the same.

A Deployment, a StatefulSet and a Job live through the same story on a real API server, in virtual time; a stand-in for
the nodes makes pods ready and lets them end. In each run one thing goes wrong with what the controllers see or write.
The end has to be that of the undisturbed run, pod for pod, and no more pods may have been made on the way.
WHERRY_PERTURBATIONS says how many places are tried for each thing that goes wrong (4; "all" for every one).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.support.apiserver import running_apiserver
from tests.support.perturbed import OF_EVENTS, OF_WRITES, How, Perturbed
from wherry.aio.clock import LoopClock
from wherry.api.apps.controllerrevision import CONTROLLERREVISION
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.apps.statefulset import STATEFULSET
from wherry.api.batch.job import JOB
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.pod import POD
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.apps import Deployment, DeploymentSpec, StatefulSet, StatefulSetSpec
from wherry.api.types.batch import Job, JobSpec
from wherry.api.types.core import (
    Container,
    Namespace,
    Pod,
    PodCondition,
    PodSpec,
    PodTemplateSpec,
    ServiceAccount,
)
from wherry.client.interface import Client, Select
from wherry.controllers import deployment, job, replicaset, statefulset
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta, controller_of, key_of
from wherry.machinery.time import time_at
from wherry.reconcile.runner import run_controllers

TRIED = os.environ.get("WHERRY_PERTURBATIONS", "4")
SPACE = "shop"
CONTROLLERS = (deployment.CONTROLLER, replicaset.CONTROLLER, statefulset.CONTROLLER, job.CONTROLLER)
QUIET_SECONDS = 90.0


def template(app: str, image: str, policy: str = "Always") -> PodTemplateSpec:
    spec = PodSpec(containers=(Container(name="c", image=image),), restart_policy=policy)
    return PodTemplateSpec(metadata=ObjectMeta(labels={"app": app}), spec=spec)


async def nodes(client: Client) -> None:
    """Pods become ready a moment after they are made; those that end, end well; deleted ones go."""
    async for event in client.watch(POD):
        pod = event.obj
        if pod is not None and event.type != "DELETED":
            await asyncio.sleep(0.2)
            with suppress(APIError):
                await _live(client, pod)


async def _live(client: Client, pod: Pod) -> None:
    if pod.metadata.deletion_timestamp is not None:
        await client.delete(POD, key_of(pod), uid=pod.metadata.uid, grace=0)
    elif pod.status.phase == "Pending":
        ends = pod.spec.restart_policy == "Never"
        moment = time_at(LoopClock().now())
        ready = PodCondition(type="Ready", status="True", last_transition_time=moment)
        status = replace(pod.status, phase="Succeeded" if ends else "Running", conditions=() if ends else (ready,))
        await client.replace(POD, replace(pod, status=status), "status")


async def story(client: Client) -> None:
    """What users do, a minute apart."""

    def meta(name: str) -> ObjectMeta:
        return ObjectMeta(name=name, namespace=SPACE)

    def chosen(app: str) -> LabelSelector:
        return LabelSelector(match_labels={"app": app})

    spec = DeploymentSpec(replicas=3, selector=chosen("web"), template=template("web", "one"))
    await client.create(DEPLOYMENT, Deployment(metadata=meta("web"), spec=spec))
    sets = StatefulSetSpec(replicas=2, selector=chosen("db"), template=template("db", "one"), service_name="db")
    await client.create(STATEFULSET, StatefulSet(metadata=meta("db"), spec=sets))
    job_spec = JobSpec(completions=3, parallelism=2, template=template("sum", "one", "Never"))
    await client.create(JOB, Job(metadata=meta("sum"), spec=job_spec))
    await asyncio.sleep(60)
    image = {"containers": [{"name": "c", "image": "two"}]}
    await client.patch(DEPLOYMENT, Key(SPACE, "web"), {"spec": {"replicas": 4, "template": {"spec": image}}})
    await client.patch(STATEFULSET, Key(SPACE, "db"), {"spec": {"replicas": 3, "template": {"spec": image}}})
    await asyncio.sleep(60)
    await client.patch(DEPLOYMENT, Key(SPACE, "web"), {"spec": {"replicas": 2}})
    await client.patch(STATEFULSET, Key(SPACE, "db"), {"spec": {"replicas": 1}})
    await asyncio.sleep(QUIET_SECONDS)


async def end(client: Client) -> dict[str, Any]:
    """The state at the end, without names and times that differ from run to run."""
    here = Select(namespace=SPACE)
    pods: Counter[Any] = Counter()
    for pod in (await client.list(POD, here)).items:
        owner = controller_of(pod)
        assert owner is not None
        name = pod.metadata.name if owner.kind == "StatefulSet" else ""
        meta = pod.metadata
        pods[owner.kind, owner.name, name, pod.spec.containers[0].image, pod.status.phase, meta.finalizers] += 1
    web = await client.get(DEPLOYMENT, Key(SPACE, "web"))
    db = await client.get(STATEFULSET, Key(SPACE, "db"))
    done = await client.get(JOB, Key(SPACE, "sum"))
    sets = (await client.list(REPLICASET, here)).items
    revisions = (await client.list(CONTROLLERREVISION, here)).items
    return {
        "pods": pods,
        "deployment": (
            web.status.replicas, web.status.updated_replicas, web.status.ready_replicas, web.status.available_replicas,
            web.status.observed_generation == web.metadata.generation,
            sorted((c.type, c.status, c.reason) for c in web.status.conditions),
        ),
        "replicasets": sorted((rs.metadata.name, rs.spec.replicas, rs.status.replicas, rs.status.ready_replicas)
                              for rs in sets),
        "statefulset": (
            db.status.replicas, db.status.ready_replicas, db.status.updated_replicas, db.status.current_revision,
            db.status.update_revision, db.status.observed_generation == db.metadata.generation,
        ),
        "revisions": sorted((one.metadata.name, one.revision) for one in revisions),
        "job": (
            done.status.succeeded, done.status.failed, done.status.active, done.status.uncounted_terminated_pods,
            sorted((c.type, c.status) for c in done.status.conditions),
        ),
    }  # fmt: skip


async def manage(client: Perturbed) -> None:
    """Controllers, and others when they are killed: with caches of their own."""
    while True:
        task = asyncio.create_task(run_controllers(cast("Client", client), LoopClock(), CONTROLLERS))
        try:
            await client.crashed.wait()
            await asyncio.sleep(0.5)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        client.crashed.clear()


async def lived(folder: Path, how: How, at: int) -> tuple[Perturbed, dict[str, Any]]:
    """One run, from an empty cluster to its end."""
    async with running_apiserver(folder, clock=LoopClock()) as running:
        client = running.client()
        await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name=SPACE)))
        await client.create(SERVICEACCOUNT, ServiceAccount(metadata=ObjectMeta(name="default", namespace=SPACE)))
        perturbed = Perturbed(client, how, at)
        async with background(lambda: manage(perturbed), lambda: nodes(client)):
            await story(client)
            return perturbed, await end(client)


@asynccontextmanager
async def background(*jobs: Callable[[], Any]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job()) for job in jobs]
        yield
        for task in tasks:
            task.cancel()


def places(count: int) -> list[int]:
    """Evenly spread numbers up to `count`."""
    if TRIED == "all":
        return list(range(1, count + 1))
    tried = min(int(TRIED), count)
    return sorted({1 + (2 * n + 1) * count // (2 * tried) for n in range(tried)})


@pytest.mark.parametrize("how", [*OF_WRITES, *OF_EVENTS])
async def test_the_end_is_the_same(tmp_path: Path, how: How) -> None:
    calm, wanted = await lived(tmp_path / "calm", "none", 0)
    assert wanted["job"][0] == 3, wanted
    assert sum(wanted["pods"].values()) == 2 + 1 + 3, wanted
    count = calm.writes if how in OF_WRITES else calm.events
    for at in places(count):
        run, found = await lived(tmp_path / str(at), how, at)
        assert found == wanted, f"{how} at {at} of {count}"
        assert Counter(run.created)["Pod"] == Counter(calm.created)["Pod"], f"{how} at {at} of {count}: pods made"

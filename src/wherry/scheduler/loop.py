"""Scheduler: watches the cluster, keeps the snapshot, binds pods one decision after the other.

Wakes on: pods, nodes, claims, volumes, storage classes, namespaces.
Writes:   pods/binding; pods/status (condition PodScheduled, nominatedNodeName); claims (annotation selected-node);
          deletes the victims of preemption; events Scheduled, FailedScheduling, Preempted.
Decisions are `wherry.scheduler.cycle`; a decision counts in the snapshot at once, its binding is written beside the
next ones. https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wherry.aio.clock import Clock
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, condition, is_terminal
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import PersistentVolumeClaim, Pod
from wherry.client.events import Recorder
from wherry.client.interface import Client
from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import Key, Object, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.time import time_at
from wherry.scheduler.cycle import Placed, Random, Refused, place
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.podinfo import PodInfo, read_pod
from wherry.scheduler.preemption import choose_victims
from wherry.scheduler.queue import PodQueue
from wherry.scheduler.snapshot import Snapshot
from wherry.scheduler.volumes import (
    BIND_COMPLETED,
    NOTHING,
    SELECTED_NODE,
    Unready,
    VolumeNeeds,
    Volumes,
    claim_names,
    volume_needs,
)

log = logging.getLogger(__name__)

NAME = "default-scheduler"
SLICE = 0.005
BINDINGS = 64
VOLUME_SECONDS = 600.0
WATCHED: tuple[Resource[Any], ...] = (NAMESPACE, NODE, STORAGECLASS, PERSISTENTVOLUME, PERSISTENTVOLUMECLAIM, POD)


class Scheduler:
    """One scheduler. `run` never returns."""

    def __init__(self, client: Client, clock: Clock, random: Random) -> None:
        self._client, self._clock, self._random = client, clock, random
        self._events = Recorder(client, clock, NAME)
        self._snapshot = Snapshot()
        self._queue = PodQueue()
        self._pods: dict[str, Pod] = {}
        self._waiting: dict[Key, str] = {}
        self._assumed: dict[str, str] = {}
        self._objects: dict[Resource[Any], dict[Key, Any]] = {resource: {} for resource in WATCHED}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._claim_users: dict[tuple[str, str], set[str]] = {}
        self._wake = asyncio.Event()
        self._claims_moved = asyncio.Condition()
        self._synced = {resource: asyncio.Event() for resource in WATCHED}
        self._bindings = asyncio.Semaphore(BINDINGS)
        self._volumes = Volumes(
            claim=lambda namespace, name: self._objects[PERSISTENTVOLUMECLAIM].get(Key(namespace, name)),
            volume=lambda name: self._objects[PERSISTENTVOLUME].get(Key("", name)),
            all_volumes=lambda: self._objects[PERSISTENTVOLUME].values(),
            storage_class=lambda name: self._objects[STORAGECLASS].get(Key("", name)),
            users=lambda namespace, claim: self._claim_users.get((namespace, claim), ()),
        )

    async def run(self) -> None:
        """Schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run(), name="scheduler/events")
            for resource in WATCHED:
                group.create_task(self._watch(resource), name=f"scheduler/watch/{resource}")
            for synced in self._synced.values():
                await synced.wait()
            await self._schedule(group)

    # --- what is there ---

    async def _watch(self, resource: Resource[Any]) -> None:
        async for event in self._client.watch(resource):
            if event.type == "SYNCED":
                self._synced[resource].set()
            elif event.obj is not None:
                await self._see(resource, event.obj, gone=event.type == "DELETED")
            self._wake.set()

    async def _see(self, resource: Resource[Any], obj: Any, *, gone: bool) -> None:
        if resource is POD:
            self._see_pod(obj, gone=gone)
            return
        objects, key = self._objects[resource], key_of(obj)
        old = objects.pop(key, None)
        if not gone:
            objects[key] = obj
        if resource is NODE:
            self._see_node(obj, gone=gone)
        elif resource is NAMESPACE:
            self._see_namespace(obj, gone=gone)
        if resource is PERSISTENTVOLUMECLAIM:
            async with self._claims_moved:
                self._claims_moved.notify_all()
        if resource is not NODE or gone or old is None or _node_helps(old, obj):
            self._queue.changed(self._clock.monotonic())

    def _see_node(self, node: Any, *, gone: bool) -> None:
        name = node.metadata.name
        if gone:
            self._snapshot.drop_node(name)
            return
        new = name not in self._snapshot.index
        self._snapshot.put_node(node)
        if new:
            for pod in self._pods.values():
                if pod.spec.node_name == name:
                    self._snapshot.put_pod(read_pod(pod, self._namespaces), name)

    def _see_namespace(self, namespace: Object, *, gone: bool) -> None:
        if gone:
            self._namespaces.pop(namespace.metadata.name, None)
        else:
            self._namespaces[namespace.metadata.name] = namespace.metadata.labels

    def _see_pod(self, pod: Pod, *, gone: bool) -> None:
        uid = pod.metadata.uid
        if gone or is_terminal(pod):
            self._forget(pod)
            return
        for claim in claim_names(pod):
            if pod.spec.node_name:
                self._claim_users.setdefault((pod.metadata.namespace, claim), set()).add(uid)
        self._pods[uid] = pod
        if pod.spec.node_name:
            self._assumed.pop(uid, None)
            self._queue.drop(uid)
            self._snapshot.put_pod(read_pod(pod, self._namespaces), pod.spec.node_name)
        elif (
            pod.metadata.deletion_timestamp is not None or pod.spec.scheduler_name != NAME or pod.spec.scheduling_gates
        ):
            self._queue.drop(uid)
        elif uid not in self._assumed:
            self._queue.add(uid, pod.spec.priority or 0, self._clock.monotonic())

    def _forget(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        known = self._pods.pop(uid, None)
        for claim in claim_names(pod):
            users = self._claim_users.get((pod.metadata.namespace, claim))
            if users is not None:
                users.discard(uid)
        self._assumed.pop(uid, None)
        self._queue.drop(uid)
        self._snapshot.drop_pod(uid)
        if known is not None and known.spec.node_name:
            self._queue.changed(self._clock.monotonic())

    # --- decisions ---

    async def _schedule(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            started = self._clock.monotonic()
            while (uid := self._queue.next(self._clock.monotonic())) is not None:
                pod = self._pods.get(uid)
                if pod is not None:
                    self._decide(pod, group)
                if self._clock.monotonic() - started > SLICE:
                    await asyncio.sleep(0)
                    started = self._clock.monotonic()
            wait = self._queue.wait(self._clock.monotonic())
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _decide(self, pod: Pod, group: asyncio.TaskGroup) -> None:
        info = read_pod(pod, self._namespaces)
        total = int(self._snapshot.alive.sum())
        try:
            needs = volume_needs(pod, self._volumes)
        except Unready as why:
            text = f"0/{total} nodes are available: {why}. preemption: {_not_helpful(total)}"
            group.create_task(self._fail(pod, text, ""))
            return
        ask = Ask(info, needs)
        if total == 0:
            group.create_task(self._fail(pod, "no nodes available to schedule pods", ""))
            return
        outcome = place(self._snapshot, ask, self._random)
        if isinstance(outcome, Placed):
            self._assumed[info.uid] = outcome.node
            self._snapshot.put_pod(info, outcome.node)
            group.create_task(self._guarded(self._bind, info, outcome.node, needs))
            return
        self._refused(ask, outcome, group)

    def _refused(self, ask: Ask, outcome: Refused, group: asyncio.TaskGroup) -> None:
        info = ask.info
        helpful = outcome.helpful
        victims = choose_victims(self._snapshot, ask, helpful) if helpful is not None else None
        if victims is None:
            might = 0 if helpful is None else int(helpful.sum())
            text = f"{outcome} preemption: {_no_victims(outcome.nodes, might)}"
            group.create_task(self._fail(info.pod, text, ""))
            return
        group.create_task(self._preempt(info, victims.node, victims.pods, str(outcome)))

    async def _guarded(
        self, call: Callable[[PodInfo, str, VolumeNeeds], Awaitable[None]], info: PodInfo, node: str, needs: VolumeNeeds
    ) -> None:
        async with self._bindings:
            try:
                await call(info, node, needs)
            except NotFound:
                self._undo(info.uid)
            except (APIError, TimeoutError) as error:
                log.warning("binding %s to %s: %s", info.name, node, error)
                self._undo(info.uid)
                self._events.event(info.pod, "Warning", "FailedScheduling", f"binding rejected: {error}")
                self._queue.add(info.uid, info.priority, self._clock.monotonic())
                self._queue.retry(info.uid, self._clock.monotonic())
                self._wake.set()

    def _undo(self, uid: str) -> None:
        self._queue.drop(uid)
        if self._assumed.pop(uid, None) is not None:
            self._snapshot.drop_pod(uid)

    async def _bind(self, info: PodInfo, node: str, needs: VolumeNeeds) -> None:
        if needs is not NOTHING and needs.unbound:
            await self._bind_volumes(info, node, needs)
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": info.pod.metadata.name, "namespace": info.namespace, "uid": info.uid},
            "target": target,
        }
        await self._client.call(POD, key_of(info.pod), "binding", body)
        self._events.event(info.pod, "Normal", "Scheduled", f"Successfully assigned {info.name} to {node}")

    async def _bind_volumes(self, info: PodInfo, node: str, needs: VolumeNeeds) -> None:
        """Say for which node the volumes are wanted and wait until they are bound. Raises APIError, TimeoutError."""
        names = [choice.claim for choice in needs.unbound]
        for name in names:
            key = Key(info.namespace, name)
            annotations = {"metadata": {"annotations": {SELECTED_NODE: node}}}
            await self._client.patch(PERSISTENTVOLUMECLAIM, key, annotations)
        async with asyncio.timeout(VOLUME_SECONDS), self._claims_moved:
            await self._claims_moved.wait_for(lambda: all(self._is_bound(info.namespace, name) for name in names))

    def _is_bound(self, namespace: str, name: str) -> bool:
        claim: PersistentVolumeClaim | None = self._volumes.claim(namespace, name)
        return claim is not None and bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations

    async def _fail(self, pod: Pod, text: str, nominated: str) -> None:
        """Park the pod and say why, on its status and as an event."""
        self._queue.failed(pod.metadata.uid, self._clock.monotonic())
        self._events.event(pod, "Warning", "FailedScheduling", text)
        old = condition(pod, "PodScheduled")
        same = old is not None and (old.status, old.reason, old.message) == ("False", "Unschedulable", text)
        if same and pod.status.nominated_node_name == nominated:
            return
        changed = old is None or old.status != "False"
        new = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": text,
            "lastTransitionTime": time_at(self._clock.now()) if changed or old is None else old.last_transition_time,
        }
        status: dict[str, Any] = {"conditions": [new]}
        if pod.status.nominated_node_name != nominated:
            status["nominatedNodeName"] = nominated or None
        try:
            await self._client.patch(POD, key_of(pod), {"status": status}, kind="strategic", subresource="status")
        except APIError as error:
            log.debug("status of %s: %s", key_of(pod), error)

    async def _preempt(self, info: PodInfo, node: str, victims: tuple[PodInfo, ...], text: str) -> None:
        await self._fail(info.pod, f"{text} preemption: {len(victims)} victims on node {node}.", node)
        for victim in victims:
            self._events.event(victim.pod, "Normal", "Preempted", f"Preempted by pod {info.uid} on node {node}")
            try:
                await self._client.delete(POD, key_of(victim.pod), uid=victim.uid)
            except APIError as error:
                log.debug("preempting %s: %s", victim.name, error)


def _is_ours(pod: Pod) -> bool:
    """Whether the pod waits for this scheduler's decision."""
    spec = pod.spec
    return pod.metadata.deletion_timestamp is None and spec.scheduler_name == NAME and not spec.scheduling_gates


def _no_victims(nodes: int, might: int) -> str:
    parts = []
    if might:
        parts.append(f"{might} No preemption victims found for incoming pod")
    if nodes - might:
        parts.append(f"{nodes - might} Preemption is not helpful for scheduling")
    return f"0/{nodes} nodes are available: {', '.join(parts)}."


def _not_helpful(nodes: int) -> str:
    return _no_victims(nodes, 0)


def _node_helps(old: Any, new: Any) -> bool:
    """Whether a change of a node may let a pod in: heartbeats do not."""
    return bool(
        old.spec != new.spec
        or old.metadata.labels != new.metadata.labels
        or old.status.allocatable != new.status.allocatable
    )

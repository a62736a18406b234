"""Binder: carries out decisions. Binds a pod's volumes and then the pod, tells failures, deletes victims.

Writes:   pods/binding; pods/status (condition PodScheduled, nominatedNodeName; DisruptionTarget of victims);
          resource claims (finalizer, allocation, consumers);
          claims (annotation selected-node); volumes (claimRef of those that exist); deletes victims;
          events Scheduled, FailedScheduling, Preempted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from wherry.aio.clock import Clock
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, condition
from wherry.api.core.pod_claims import FINALIZER
from wherry.api.resource.resourceclaim import RESOURCECLAIM
from wherry.api.types.core import ObjectReference, PersistentVolumeClaim, Pod
from wherry.api.types.resource import ResourceClaim
from wherry.client.events import Recorder
from wherry.client.interface import Client
from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import Key, key_of
from wherry.machinery.time import time_at
from wherry.scheduler.devices import reserved
from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.preemption import BY_SCHEDULER, Victims
from wherry.scheduler.volumes import BOUND_BY_CONTROLLER, SELECTED_NODE, is_bound
from wherry.scheduler.world import NAME, World

log = logging.getLogger(__name__)

AT_ONCE = 64
VOLUME_SECONDS = 600.0
NOTE_LIMIT = 1024
Assigned = Mapping[str, str]
"""claim -> volume, "" for one to be made."""


class BindingFailed(Exception):
    """The pod cannot be bound; it is tried again."""


class Binder:
    """Writes what has been decided. `moved` must be notified when claims, nodes or pods have changed."""

    def __init__(self, client: Client, clock: Clock, world: World, events: Recorder) -> None:
        self._client, self._clock, self._world, self._events = client, clock, world, events
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.moved = asyncio.Condition()

    # --- binding ---

    async def bind(self, info: PodInfo, node: str, assigned: Assigned, claims: Sequence[ResourceClaim] = ()) -> bool:
        """Bind a pod that has been assumed, after its volumes and `claims`. False if it waits again."""
        try:
            for claim in claims:
                await self._bind_claim(info, claim)
            if assigned:
                await self._bind_volumes(info, node, assigned)
            async with self._slots:
                await self._bind_pod(info, node)
        except NotFound as error:
            log.debug("binding %s to %s: %s", info.name, node, error)
            self._world.take_back(info.pod)
            self._world.forget_assumed(info.uid, self._clock.monotonic())
        except (APIError, BindingFailed, TimeoutError) as error:
            await self._rejected(info, str(error) or "timed out waiting for volumes to be bound")
        else:
            self._events.event(info.pod, "Normal", "Scheduled", f"Successfully assigned {info.name} to {node}")
            return True
        finally:
            for volume in assigned.values():
                self._world.promised.pop(volume, None)
        return False

    async def _bind_pod(self, info: PodInfo, node: str) -> None:
        if node not in self._world.snapshot.index:
            raise BindingFailed(f'node "{node}" not found')
        meta = info.pod.metadata
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": info.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self._client.call(POD, key_of(info.pod), "binding", body)

    async def _rejected(self, info: PodInfo, why: str) -> None:
        now = self._clock.monotonic()
        self._world.take_back(info.pod)
        if self._world.forget_assumed(info.uid, now):
            await self.tell_failed(info.pod, f"binding rejected: {why}", reason="SchedulerError")

    # --- claims ---

    async def _bind_claim(self, info: PodInfo, claim: ResourceClaim) -> None:
        """Protect the claim, then write its devices and that the pod may use them. Raises APIError, BindingFailed."""
        key = key_of(claim)
        present = await self._client.get(RESOURCECLAIM, key)
        if present.metadata.uid != claim.metadata.uid:
            raise BindingFailed(f'resourceclaim "{key.name}" has been replaced')
        if present.status.allocation is None and FINALIZER not in present.metadata.finalizers:
            finalizers = (*present.metadata.finalizers, FINALIZER)
            meta = replace(present.metadata, finalizers=finalizers)
            present = await self._client.replace(RESOURCECLAIM, replace(present, metadata=meta))
        if present.status.allocation is not None and present.status.allocation != claim.status.allocation:
            raise BindingFailed(f'resourceclaim "{key.name}" got allocated elsewhere in the meantime')
        wanted = reserved(info.pod, present, claim.status.allocation)
        if wanted is not present:
            await self._client.replace(RESOURCECLAIM, wanted, "status")

    # --- volumes ---

    async def _bind_volumes(self, info: PodInfo, node: str, assigned: Assigned) -> None:
        """Give claims their volumes, or say for which node they are wanted, and wait until they are bound.

        Raises APIError, BindingFailed, TimeoutError.
        """
        namespace = info.pod.metadata.namespace
        asked: dict[Key, int] = {}
        for name, volume in assigned.items():
            key = Key(namespace, name)
            if volume:
                await self._give(volume, key)
            asked[key] = 0 if volume else await self._select(key, node)
        async with asyncio.timeout(VOLUME_SECONDS), self.moved:
            await self.moved.wait_for(lambda: self._all_bound(info, node, asked))

    async def _give(self, name: str, key: Key) -> None:
        """Write the claim into a volume that exists; the volume binder does the rest."""
        volume = self._world.volumes.volume(name)
        claim = self._world.volumes.claim(key.namespace, key.name)
        if volume is None or claim is None:
            raise BindingFailed(f'persistentvolume "{name}" not found')
        ref, meta = volume.spec.claim_ref, volume.metadata
        if ref is not None and ref.uid == claim.metadata.uid:
            return
        wanted = ObjectReference(
            api_version="v1", kind="PersistentVolumeClaim", namespace=key.namespace, name=key.name,
            uid=claim.metadata.uid, resource_version=claim.metadata.resource_version,
        )  # fmt: skip
        annotations = meta.annotations if ref is not None else {**meta.annotations, BOUND_BY_CONTROLLER: "yes"}
        taken = replace(
            volume, metadata=replace(meta, annotations=annotations), spec=replace(volume.spec, claim_ref=wanted)
        )
        await self._client.replace(PERSISTENTVOLUME, taken)

    async def _select(self, key: Key, node: str) -> int:
        """Ask for a volume on a node; returns the revision from which on the claim says so."""
        claim = self._world.volumes.claim(key.namespace, key.name)
        if claim is not None and claim.metadata.annotations.get(SELECTED_NODE) == node:
            return _revision(claim)
        wish = {"metadata": {"annotations": {SELECTED_NODE: node}}}
        return _revision(await self._client.patch(PERSISTENTVOLUMECLAIM, key, wish))

    def _all_bound(self, info: PodInfo, node: str, asked: Mapping[Key, int]) -> bool:
        if info.uid not in self._world.pods:
            raise BindingFailed("pod does not exist any more")
        if node not in self._world.snapshot.index:
            raise BindingFailed(f'node "{node}" not found')
        states = [self._bound(key, node, revision) for key, revision in asked.items()]  # all of them: any may fail
        return all(states)

    def _bound(self, key: Key, node: str, revision: int) -> bool:
        claim = self._world.volumes.claim(key.namespace, key.name)
        if claim is None:
            raise BindingFailed(f'persistentvolumeclaim "{key.name}" not found')
        if is_bound(claim):
            return True
        given_up = claim.metadata.annotations.get(SELECTED_NODE) != node
        if revision and _revision(claim) >= revision and given_up:
            raise BindingFailed(f'provisioning failed for PVC "{key.name}"')
        return False

    # --- failing ---

    async def tell_failed(
        self, pod: Pod, text: str, *, reason: str = "Unschedulable", nominated: str | None = None
    ) -> None:
        """Say on the pod's status and as an event why it is not placed. `nominated` None leaves the nomination."""
        note = text if len(text) <= NOTE_LIMIT else f"{text[: NOTE_LIMIT - 4]} ..."
        self._events.event(pod, "Warning", "FailedScheduling", note)
        pod = self._world.pods.get(pod.metadata.uid, pod)
        status: dict[str, Any] = {}
        old = condition(pod, "PodScheduled")
        if old is None or (old.status, old.reason, old.message) != ("False", reason, text):
            kept = old.last_transition_time if old is not None and old.status == "False" else None
            new = {"type": "PodScheduled", "status": "False", "reason": reason, "message": text}
            status["conditions"] = [new | {"lastTransitionTime": kept or time_at(self._clock.now())}]
        if nominated is not None and pod.status.nominated_node_name != nominated:
            status["nominatedNodeName"] = nominated or None
        await self._patch_status(pod, status)

    async def _patch_status(self, pod: Pod, status: Mapping[str, Any]) -> None:
        if not status:
            return
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": status}
        try:
            await self._client.patch(POD, key_of(pod), patch, kind="strategic", subresource="status")
        except APIError as error:
            log.debug("status of %s: %s", key_of(pod), error)

    # --- preempting ---

    async def evict(self, info: PodInfo, victims: Victims, losers: list[PodInfo]) -> None:
        """Make room for a pod: mark and delete the victims, and take back promises to less important pods."""
        for victim in victims.pods:
            if not victim.terminating:
                await self._evict(info, victim, victims.node)
        for loser in losers:
            await self._patch_status(loser.pod, {"nominatedNodeName": None})

    async def _evict(self, info: PodInfo, victim: PodInfo, node: str) -> None:
        mark = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": BY_SCHEDULER,
            "message": f"{NAME}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": time_at(self._clock.now()),
        }
        await self._patch_status(victim.pod, {"conditions": [mark]})
        try:
            await self._client.delete(POD, key_of(victim.pod), uid=victim.uid)
        except APIError as error:
            log.debug("preempting %s: %s", victim.name, error)
            return
        self._events.event(victim.pod, "Normal", "Preempted", f"Preempted by pod {info.uid} on node {node}")


def _revision(claim: PersistentVolumeClaim) -> int:
    return int(claim.metadata.resource_version or 0)

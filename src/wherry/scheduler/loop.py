"""Scheduler: watches the cluster, decides for one pod after the other, and has decisions carried out beside that.

Wakes on: pods, nodes, claims, volumes, storage classes, namespaces, disruption budgets, devices and their claims.
Writes:   what `wherry.scheduler.binding` says.
Decisions are `wherry.scheduler.cycle` and `preemption`; a decision counts in the snapshot at once, its binding is
written beside the next ones. https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

import asyncio
from typing import Any

from wherry.aio.clock import Clock
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.types.core import Pod
from wherry.api.types.resource import ResourceClaim
from wherry.client.events import Recorder
from wherry.client.interface import Client
from wherry.machinery.meta import Key, key_of
from wherry.machinery.resource import Resource
from wherry.scheduler.binding import Binder
from wherry.scheduler.counts import SchedulerCounts
from wherry.scheduler.cycle import Placed, Random, Refused, place
from wherry.scheduler.devices import DeviceNeeds, reserved
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.preemption import NO_HELP, NoVictims, preempt
from wherry.scheduler.volumes import Unready, VolumeNeeds, assign, volume_needs
from wherry.scheduler.world import NAME, WATCHED, World

SLICE = 0.005
"""Seconds of deciding at a stretch, so that whatever shares the event loop is not kept waiting."""


class Scheduler:
    """One scheduler. `run` never returns."""

    def __init__(
        self, client: Client, clock: Clock, random: Random, counts: SchedulerCounts | None = None
    ) -> None:  # fmt: skip
        self._counts = counts or SchedulerCounts()
        self._client, self._clock, self._random = client, clock, random
        self._events = Recorder(client, clock, NAME)
        self.world = World()
        self._counts.pending = self.world.queue.sizes
        self._began = 0.0
        self._binder = Binder(client, clock, self.world, self._events)
        self._wake = asyncio.Event()
        self._synced = {resource: asyncio.Event() for resource in WATCHED}

    async def run(self) -> None:
        """Schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run(), name="scheduler/events")
            for resource in WATCHED:
                group.create_task(self._watch(resource), name=f"scheduler/watch/{resource}")
            for synced in self._synced.values():
                await synced.wait()
            await self._schedule(group)

    async def _watch(self, resource: Resource[Any]) -> None:
        async for event in self._client.watch(resource):
            if event.type == "SYNCED":
                self._synced[resource].set()
            elif event.obj is not None:
                gone = event.type == "DELETED"
                self.world.see(resource, event.obj, gone=gone, now=self._clock.monotonic())
                if resource is PERSISTENTVOLUMECLAIM or (gone and resource in (NODE, POD)):
                    async with self._binder.moved:
                        self._binder.moved.notify_all()
            self._wake.set()

    async def _schedule(self, group: asyncio.TaskGroup) -> None:
        queue = self.world.queue
        while True:
            self._wake.clear()
            started = self._clock.monotonic()
            while (uid := queue.next(self._clock.monotonic())) is not None:
                pod = self.world.waiting(uid)
                if pod is not None:
                    self._decide(pod, group)
                if self._clock.monotonic() - started > SLICE:
                    await asyncio.sleep(0)
                    started = self._clock.monotonic()
            try:
                async with asyncio.timeout(queue.wait(self._clock.monotonic())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _decide(self, pod: Pod, group: asyncio.TaskGroup) -> None:
        self._began = self._clock.monotonic()
        snapshot = self.world.snapshot
        info = self.world.read(pod)
        total = len(snapshot.index)
        if not total:
            self._refuse(group, info, "no nodes available to schedule pods", "")
            return
        try:
            needs = volume_needs(pod, self.world.volumes)
            devices = self.world.device_needs(pod)
        except Unready as why:
            text = f"0/{total} nodes are available: {why}. preemption: 0/{total} nodes are available: "
            self._refuse(group, info, f"{text}{total} {NO_HELP}.", "")
            return
        ask = Ask(info, needs, devices)
        outcome = place(snapshot, ask, self._random)
        if isinstance(outcome, Placed):
            attempt = (self._began, self.world.queue.tries(info.uid) + 1)
            claims = self._give(info, outcome.node, devices)
            group.create_task(self._bind(info, outcome.node, self._assume(info, outcome.node, needs), claims, attempt))
        else:
            self._preempt(group, ask, outcome)

    def _assume(self, info: PodInfo, node: str, needs: VolumeNeeds) -> dict[str, str]:
        """Count the pod as placed; returns which volumes its claims get."""
        self.world.assume(info, node, self._clock.monotonic())
        found = self.world.snapshot.nodes[self.world.snapshot.index[node]]
        assigned = (assign(needs.unbound, found) if found is not None else None) or {}
        for claim, volume in assigned.items():
            if volume:
                self.world.promised[volume] = Key(info.pod.metadata.namespace, claim)
        return assigned

    def _give(self, info: PodInfo, node: str, devices: DeviceNeeds) -> list[ResourceClaim]:
        """Count devices as given; returns the pod's claims as they are to be."""
        found = devices.allocations(node) or {}
        claims = [reserved(info.pod, claim, found.get(claim.metadata.uid)) for claim in (*devices.ready, *devices.open)]
        self.world.given.update({key_of(claim): claim for claim in claims})
        return claims

    async def _bind(
        self, info: PodInfo, node: str, assigned: dict[str, str], claims: list[ResourceClaim],
        attempt: tuple[float, int],
    ) -> None:  # fmt: skip
        """Bind a pod at its so-many-th try, begun then."""
        began, tries = attempt
        if await self._binder.bind(info, node, assigned, claims):
            self._counts.scheduled(self._clock.monotonic() - began, tries)
        else:
            self._counts.tried("error", self._clock.monotonic() - began)
            self._wake.set()

    def _preempt(self, group: asyncio.TaskGroup, ask: Ask, refused: Refused) -> None:
        world, info = self.world, ask.info
        found = preempt(world.snapshot, ask, refused, world.budgets(), self._random)
        self._counts.preempting(0 if isinstance(found, NoVictims) else len(found.pods))
        if isinstance(found, NoVictims):
            self._refuse(group, info, f"{refused} preemption: {found.text}", None if found.keep else "")
            return
        text = f"found a potential placement for pod on node {found.node}, preempting {len(found.pods)} victims"
        losers = world.nominate(info, found.node)
        self._refuse(group, info, f"{refused} preemption: {text}", found.node)
        group.create_task(self._binder.evict(info, found, losers))

    def _refuse(self, group: asyncio.TaskGroup, info: PodInfo, text: str, nominated: str | None) -> None:
        """Park the pod and say why. `nominated`: the node that room is made on; None leaves that as it is."""
        if nominated == "":
            self.world.snapshot.nominated.pop(info.uid, None)
        self._counts.tried("unschedulable", self._clock.monotonic() - self._began)
        self.world.queue.failed(info.uid, self._clock.monotonic(), minds_neighbours=info.shape.minds_neighbours)
        group.create_task(self._binder.tell_failed(info.pod, text, nominated=nominated))

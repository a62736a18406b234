"""Agent: everything one node does, put together from its parts.

`Agent(config, client, runtime, clock, ...)`, then `run()` for ever. It watches this node's pods and runs one worker per
pod. State comes back from the runtime after a restart; pods' definitions come from the API, or, while the API is away,
from the copy in each pod's folder, so a node that boots alone goes on with its work. Pods the API no longer knows are
ended as soon as a complete list has been seen, never before.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.api.core.pod import POD
from wherry.api.core.service import SERVICE
from wherry.api.types.core import Pod, Service
from wherry.client.events import Recorder
from wherry.client.interface import Client, Event, Select
from wherry.machinery.meta import Key, key_of
from wherry.node import admission, facts, lastwords, machine, remember
from wherry.node.api import ROUTES, AgentServer, Route
from wherry.node.config import AgentConfig
from wherry.node.csi.plugins import Plugins
from wherry.node.delegation import Delegation
from wherry.node.eviction import Victim
from wherry.node.evictor import Evictor
from wherry.node.fence import Fence
from wherry.node.hooks.hook import Hook
from wherry.node.hooks.registry import HOOKS
from wherry.node.housekeeping import Housekeeping
from wherry.node.metering import Meter
from wherry.node.observer import Observer
from wherry.node.performer import Drained, Parts
from wherry.node.pullrecords import PullRecords
from wherry.node.pulls import Puller
from wherry.node.registration import Registration
from wherry.node.runtime.interface import Container, Runtime
from wherry.node.status import Publisher
from wherry.node.volumes.local import LocalVolumes
from wherry.node.worker import Worker

log = logging.getLogger(__name__)


PATIENCE = 1.5
"""Seconds a starting agent waits for the API before it goes on with the pods it remembers."""


async def at_once(_: Pod) -> None:
    """No proxies: nothing to wait for before a pod's end."""


class ServiceBook:
    """All services, for environment variables."""

    def __init__(self) -> None:
        self._known: dict[Key, Service] = {}
        self.synced = asyncio.Event()

    def of(self, namespace: str) -> tuple[Service, ...]:
        """See hooks.hook.Services."""
        own = [one for key, one in self._known.items() if key.namespace == namespace]
        master = self._known.get(Key("default", "kubernetes"))
        return tuple(own if master is None or namespace == "default" else [master, *own])

    def apply(self, event: Event[Service]) -> None:
        """Take a change in."""
        if event.type == "SYNCED":
            self.synced.set()
        elif event.obj is not None:
            if event.type == "DELETED":
                self._known.pop(key_of(event.obj), None)
            else:
                self._known[key_of(event.obj)] = event.obj


class Agent:
    """See the module. Build it inside a running event loop."""

    def __init__(  # noqa: PLR0913 - the parts a node is put together from
        self, config: AgentConfig, client: Client, runtime: Runtime, clock: Clock, *, drained: Drained = at_once,
        hooks: tuple[Hook, ...] = HOOKS, routes: tuple[Route, ...] = ROUTES, fence: Fence | None = None,
    ) -> None:  # fmt: skip
        self.config, self.client, self.runtime, self.clock = config, client, runtime, clock
        self._drained, self._hooks = drained, hooks
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.observer = Observer(runtime, self._wake, self._message)
        self.services = ServiceBook()
        self.publisher = Publisher(client, clock)
        self.recorder = Recorder(client, clock, "kubelet", config.name)
        self.puller = Puller(runtime, client, clock, PullRecords(config.root / "image-pulls.json"))
        self.housekeeping = Housekeeping(config, runtime, clock)
        self.housekeeping.removed = self.puller.records.forget
        self.meter = Meter(config, runtime, clock, self.observer, self.pods)
        self.evictor = Evictor(config, self.meter, clock, self.pods, self._evict, self._reclaim)
        self.registration = Registration(config, client, runtime, clock, self.recorder, self.evictor.pressures)
        self.evictor.changed = self.registration.report_soon
        self.fence = self.registration.fence = fence or Fence(config, client, clock.monotonic)
        self.fence.ran, self.fence.wake = self._begun, self._wake
        self.fence.changed = self.registration.renew_soon
        self.volumes = LocalVolumes(config, client, clock)
        self.started = clock.now()
        self.tally: Counter[tuple[str, str, str, str, str, str]] = Counter()
        self.plugins = Plugins(config, client)
        self.delegation = Delegation(client, clock, config.name)
        self.server = AgentServer(self, routes)
        self._parts: Parts | None = None
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Work until cancelled. Cancelling touches no container."""
        config = self.config
        config.pods.mkdir(parents=True, exist_ok=True, mode=0o700)
        config.logs.mkdir(parents=True, exist_ok=True, mode=0o755)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            self._parts = Parts(
                config, self.client, self.runtime, self.clock, self.observer, self.publisher, self.recorder,
                self.puller, session, machine.look(config), self.services, self._hooks, self._drained, self.plugins,
                self._room,
                self.pods, self.tally, verdict=self.fence.verdict,
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                self._group = group
                for name, part in (
                    ("observer", self.observer.run), ("events", self.recorder.run), ("status", self.publisher.run),
                    ("services", self._watch_services), ("node", self.registration.run), ("pods", self._pods),
                    ("housekeeping", self._keep_house), ("server", self.server.run), ("volumes", self.volumes.run),
                    ("eviction", self.evictor.run), ("plugins", self._plugins),
                    ("fence", self.fence.run),
                ):  # fmt: skip
                    group.create_task(self._supervised(name, part))

    async def _supervised(self, name: str, part: Callable[[], Any]) -> None:
        await keep_running(f"agent {self.config.name}: {name}", part, self.clock)

    def _room(self) -> admission.Node:
        allocatable = self._parts.machine.allocatable if self._parts else {}
        pressures = tuple(one.type for one in self.evictor.pressures())
        return admission.Node(
            allocatable, self.config.max_pods, pressures, machine.has_apparmor(), user_namespaces=False,
            strict_groups=self.registration.strict_groups,
        )  # fmt: skip

    # --- what others ask

    def pods(self) -> list[Pod]:
        """The pods this agent works on, with the status it has decided."""
        return [worker.pod for worker in self._workers.values()]

    def find(self, namespace: str, name: str) -> Pod | None:
        """A pod by name."""
        return next((pod for pod in self.pods() if key_of(pod) == Key(namespace, name)), None)

    def container_of(self, pod: Pod, name: str) -> Container | None:
        """The newest container of that name."""
        seen = self.observer.pod(pod.metadata.uid)
        found = [one for one in seen.containers if one.name == name]
        return max(found, key=lambda one: (one.attempt, one.created), default=None)

    def sandbox_of(self, pod: Pod) -> str:
        """The id of the pod's present sandbox, or ""."""
        return next((one.id for one in self.observer.pod(pod.metadata.uid).sandboxes if one.ready), "")

    # --- pods

    async def _pods(self) -> None:
        await self.observer.ready.wait()
        patience = asyncio.get_running_loop().call_later(PATIENCE, self._go_on_alone)
        try:
            await self._follow(patience)
        finally:
            patience.cancel()

    def _go_on_alone(self) -> None:
        """The API does not answer: work on what was there before."""
        for pod in remember.load(self.config.pods):
            if pod.metadata.uid not in self._workers:
                self._update(pod, remembered=True)

    async def _follow(self, patience: asyncio.TimerHandle) -> None:
        listed: set[str] = set()
        synced = False
        async for event in self.client.watch(POD, Select(fields=f"spec.nodeName={self.config.name}")):
            if event.type == "SYNCED":
                if not synced:
                    patience.cancel()
                    await self._disown(listed)
                synced = True
            elif event.obj is not None:
                uid = event.obj.metadata.uid
                if event.type == "DELETED":
                    self._gone(uid)
                else:
                    listed.add(uid)
                    self._update(event.obj)

    def _update(self, pod: Pod, *, remembered: bool = False) -> None:
        uid = pod.metadata.uid
        self.fence.take(pod, remembered=remembered)
        if not remembered:
            self.publisher.known(pod)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.update(pod)
        elif self._parts is not None and self._group is not None:
            if remembered:
                self.publisher.known(pod)
            worker = self._workers[uid] = Worker(self._parts, pod)
            self._tasks[uid] = self._group.create_task(self._work(uid, worker))
        if not remembered:
            remember.save(self.config.pods, pod)

    async def _work(self, uid: str, worker: Worker) -> None:
        if not self.services.synced.is_set() and not self.observer.pod(uid).sandboxes:
            await self.services.synced.wait()
        await keep_running(f"pod {facts.pod_text(worker.pod)}", worker.run, self.clock)
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        self.publisher.forget(uid)
        self.puller.forget(uid)
        for key in [key for key in self.tally if key[5] == uid]:
            del self.tally[key]
        self.observer.forget(uid)
        self.fence.leave(uid)
        remember.forget(self.config.pods, uid)

    def _gone(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.vanish()

    async def _disown(self, listed: set[str]) -> None:
        """A complete list has been seen: end what the API no longer knows."""
        for uid in set(self._workers) - listed:
            self._gone(uid)
        for uid in self.observer.uids() - listed - set(self._workers):
            for sandbox in self.observer.pod(uid).sandboxes:
                log.info("removing sandbox %s of a pod nobody knows", sandbox.id)
                await self.runtime.stop_sandbox(sandbox.id)
                await self.runtime.remove_sandbox(sandbox.id)
        await self.housekeeping.remove_orphans(listed | set(self._workers))

    def _begun(self, uid: str) -> bool:
        """Whether the runtime knows anything of a pod."""
        seen = self.observer.pod(uid)
        return bool(seen.sandboxes or seen.containers)

    def _wake(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def _message(self, container: Container) -> str:
        uid, name = container.labels.get(facts.POD_UID, ""), container.labels.get(facts.CONTAINER_NAME, "")
        worker = self._workers.get(uid)
        spec = None
        if worker is not None:
            everyone = (*worker.pod.spec.containers, *worker.pod.spec.init_containers)
            spec = next((one for one in everyone if one.name == name), None)
        folder: Path = self.config.pods / uid / "containers" / name
        wanted = spec.termination_message_policy if spec else ""
        return lastwords.read(folder / f"termination-{container.attempt}", container, wanted)

    # --- the rest

    async def _plugins(self) -> None:
        await self.registration.registered.wait()
        await self.plugins.run()

    def _evict(self, victim: Victim) -> None:
        worker = self._workers.get(victim.pod.metadata.uid)
        if worker is not None:
            worker.evict(victim.message)

    async def _reclaim(self) -> None:
        seen = [self.observer.pod(uid) for uid in self.observer.uids()]
        await self.housekeeping.remove_images({one.image_id for pod in seen for one in pod.containers}, everything=True)

    async def _watch_services(self) -> None:
        async for event in self.client.watch(SERVICE):
            self.services.apply(event)

    async def _keep_house(self) -> None:
        await self.housekeeping.run(lambda: [self.observer.pod(uid) for uid in self.observer.uids()], self.pods)

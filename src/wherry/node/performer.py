"""Carrying out instructions for one pod: the only place where a worker touches runtime, hooks and disk.

Each method does one instruction and records in the observer what it changed. Failures become `Problem`s for the state
machine or `RuntimeFault`s for the caller; nothing is retried here.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import aiohttp

from wherry.aio.clock import Clock
from wherry.api.core.pod import POD
from wherry.api.node.runtimeclass import RUNTIMECLASS
from wherry.api.types.core import Container as Spec
from wherry.api.types.core import LifecycleHandler, Pod
from wherry.client.events import Recorder
from wherry.client.interface import Client
from wherry.host import arrivals, cgroups, consumption, mounts
from wherry.machinery.errors import Conflict, NotFound
from wherry.machinery.meta import Key, key_of
from wherry.machinery.quantity import whole
from wherry.node import admission, checks, facts, groups, lifecycle, podstatus, resize
from wherry.node.config import AgentConfig
from wherry.node.csi.plugins import Plugins
from wherry.node.fence import Verdict
from wherry.node.hooks.hook import Hook, HookFault, Machine, Scope, Services, Starting
from wherry.node.hooks.resources import limits, sums
from wherry.node.observer import Observer
from wherry.node.pulls import Puller
from wherry.node.runtime.interface import Container, ContainerConfig, Image, Runtime, RuntimeFault, SandboxConfig, State
from wherry.node.status import Publisher

Drained = Callable[[Pod], Awaitable[None]]
"""Returns when no proxy sends new connections to the pod any more."""

CATCH_UP = 3.0
LOOK = 0.05
MIN_STOP = 2.0
"""Seconds a process gets after its preStop hook used up the grace."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all workers of a node share."""

    config: AgentConfig
    client: Client
    runtime: Runtime
    clock: Clock
    observer: Observer
    publisher: Publisher
    recorder: Recorder
    puller: Puller
    session: aiohttp.ClientSession
    machine: Machine
    services: Services
    hooks: tuple[Hook, ...]
    drained: Drained
    plugins: Plugins | None = None
    room: Callable[[], admission.Node] | None = None
    """What counts when a new pod comes; None: every pod is taken."""
    others: Callable[[], Iterable[Pod]] = tuple
    """All pods of this node, each with what is set aside for it."""
    tally: Counter[tuple[str, str, str, str, str, str]] = field(default_factory=Counter)
    """Probes: (type, result, container, pod, namespace, uid) -> how often."""
    drain_seconds: float = 15.0
    verdict: Callable[[Pod], Verdict] = lambda _: Verdict.GO
    """What may be done for a stateful pod while there is no API."""


@dataclass(slots=True)
class Performer:
    """See the module. `pod` is kept current by the worker."""

    parts: Parts
    pod: Pod
    _sandboxes: dict[str, SandboxConfig] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """The pod's identity."""
        return self.pod.metadata.uid

    def tell(self, kind: Literal["Normal", "Warning"], reason: str, message: str, container: str = "") -> None:
        """An event about the pod, or about one of its containers."""
        spec = self.pod.spec
        part = ""
        if container:
            init = any(one.name == container for one in spec.init_containers)
            extra = any(one.name == container for one in spec.ephemeral_containers)
            where = "initContainers" if init else "ephemeralContainers" if extra else "containers"
            part = f"spec.{where}{{{container}}}"
        self.parts.recorder.event(self.pod, kind, reason, message, part=part)

    def scope(self, ips: tuple[str, ...] = ()) -> Scope:
        """The pod as hooks see it."""
        parts = self.parts
        return Scope(
            self.pod,
            parts.config,
            parts.client,
            parts.clock,
            parts.machine,
            parts.services,
            ips,
            parts.puller,
            parts.plugins,
        )

    def address(self) -> str:
        """Where the pod's ports are reached."""
        if self.pod.spec.host_network:
            return self.parts.config.addresses[0]
        seen = self.parts.observer.pod(self.uid)
        return next((ip for one in seen.sandboxes if one.ready for ip in one.ips[:1]), "")

    # --- the frame

    def _sandbox_config(self, attempt: int) -> SandboxConfig:
        meta = self.pod.metadata
        config = SandboxConfig(name=meta.name, namespace=meta.namespace, uid=meta.uid, attempt=attempt)
        scope = self.scope()
        for hook in self.parts.hooks:
            config = hook.sandbox(scope, config)
        return config

    async def create_sandbox(self, attempt: int) -> None:
        """Make the sandbox. Raises HookFault, RuntimeFault."""
        config = replace(self._sandbox_config(attempt), handler=await self._handler())
        sandbox = await self.parts.runtime.run_sandbox(config)
        self._sandboxes[sandbox] = config
        self.parts.observer.record_sandbox(self.uid, await self.parts.runtime.sandbox(sandbox))

    async def _handler(self) -> str:
        """The runtime's name for the pod's RuntimeClass. Raises HookFault."""
        name = self.pod.spec.runtime_class_name
        if not name:
            return ""
        try:
            return (await self.parts.client.get(RUNTIMECLASS, Key("", name))).handler
        except NotFound as error:
            raise HookFault(f'runtimeclass.node.k8s.io "{name}" not found', "CreatePodSandboxError") from error

    async def stop_sandbox(self, sandbox: str) -> None:
        """Stop it and what runs in it. Raises RuntimeFault."""
        await self.parts.runtime.stop_sandbox(sandbox)
        seen = self.parts.observer.pod(self.uid)
        for one in seen.sandboxes:
            if one.id == sandbox:
                self.parts.observer.record_sandbox(self.uid, replace(one, ready=False))
        for container in seen.containers:
            if container.sandbox == sandbox and container.state in (State.RUNNING, State.CREATED):
                with contextlib.suppress(RuntimeFault):
                    await self._refresh(container.id)

    async def prepare(self) -> None:
        """Make volumes and folders. Raises HookFault, OSError."""
        scope = self.scope()
        for hook in self.parts.hooks:
            await hook.prepare(scope)

    async def refresh(self) -> None:
        """Bring what may change up to date."""
        scope = self.scope(self._ips())
        for hook in self.parts.hooks:
            await hook.refresh(scope)

    # --- containers

    def spec_of(self, name: str) -> Spec | None:
        """A container's definition."""
        spec = self.pod.spec
        known = (*spec.containers, *spec.init_containers)
        found = next((one for one in known if one.name == name), None)
        if found is None:
            extra = next((one for one in spec.ephemeral_containers if one.name == name), None)
            found = podstatus.as_container(extra) if extra else None
        return found

    async def start(self, order: facts.Start) -> Container | None:
        """Create and start a container; answers it. Raises HookFault, RuntimeFault."""
        seen, runtime = self.parts.observer.pod(self.uid), self.parts.runtime
        spec = self.spec_of(order.name)
        sandbox = seen.sandboxes[0] if seen.sandboxes and seen.sandboxes[0].ready else None
        if spec is None or sandbox is None:
            return None
        for left in seen.containers:  # made but never started, before the agent was restarted
            if left.name == order.name and left.state is State.CREATED:
                await runtime.remove_container(left.id)
                self.parts.observer.record_gone(self.uid, container=left.id)
        starting = Starting(spec, order.role, order.attempt, await self._image(spec, order.image), self._target(spec))
        config = ContainerConfig(
            name=spec.name, image=order.image, attempt=order.attempt, annotations={facts.STEP: str(order.step)}
        )
        scope = self.scope(sandbox.ips or self.parts.config.addresses)
        if self.pod.spec.host_network:
            scope = self.scope(self.parts.config.addresses)
        for hook in self.parts.hooks:
            config = await hook.container(scope, starting, config)
        frame = self._sandboxes.get(sandbox.id)
        if frame is None:
            frame = self._sandboxes[sandbox.id] = self._sandbox_config(sandbox.attempt)
        try:
            container = await runtime.create_container(sandbox.id, config, frame)
        except RuntimeFault as fault:
            raise HookFault(str(fault), "CreateContainerError") from fault
        self.tell("Normal", "Created", "Container created", spec.name)
        try:
            await runtime.start_container(container)
        except RuntimeFault as fault:
            await self._refresh(container, sandbox.id)
            raise HookFault(str(fault), "RunContainerError") from fault
        self.tell("Normal", "Started", "Container started", spec.name)
        return await self._refresh(container, sandbox.id)

    async def _image(self, spec: Spec, image: str) -> Image:
        """Only asked for where it matters who the image runs as."""
        own, pod = spec.security_context, self.pod.spec.security_context
        if (own and own.run_as_user is not None) or (pod and pod.run_as_user is not None):
            return Image(image)
        return await self.parts.runtime.image(image) or Image(image)

    def _target(self, spec: Spec) -> str:
        for extra in self.pod.spec.ephemeral_containers:
            if extra.name == spec.name and extra.target_container_name:
                seen = self.parts.observer.pod(self.uid)
                named = (one for one in seen.containers if one.name == extra.target_container_name)
                return next((one.id for one in named if facts.running(one)), "")
        return ""

    async def _refresh(self, container: str, sandbox: str = "") -> Container:
        found = await self.parts.runtime.container(container)
        self.parts.observer.record_container(self.uid, found, sandbox=sandbox)
        return found

    async def resize(self, order: facts.Resize, has: resize.Sizes) -> None:
        """Give a container its new size; `has`: what every running container has now, by name. The pod's own group
        grows before the container does, and shrinks after it. Raises HookFault, RuntimeFault, OSError."""
        spec = self.spec_of(order.name)
        if spec is None:
            return
        was = has.get(order.name, spec.resources)
        limit = limits(self.pod, spec, self.parts.machine)
        if limit.memory and (not was.limits.get("memory") or limit.memory < whole(was.limits["memory"])):
            use = consumption.of_group(groups.of_container(self.parts.config, self.pod, order.container))
            if use is not None and use.memory >= limit.memory:
                text = f'attempting to set container "{spec.name}" memory limit ({limit.memory}) below current usage'
                raise HookFault(f"{text} ({use.memory})")
        group = groups.parent(self.parts.config, self.pod)
        own = group.startswith("/")
        if own:
            larger = {**has, order.name: resize.largest(was, spec.resources)}
            cgroups.change(group, sums(resize.resized(self.pod, larger).spec))
        limit = replace(
            limit,
            cpu_quota=limit.cpu_quota or (-1 if "cpu" in was.limits else 0),
            memory=limit.memory or (-1 if "memory" in was.limits else 0),
        )
        await self.parts.runtime.update_resources(order.container, limit)
        if own:
            cgroups.change(group, sums(resize.resized(self.pod, {**has, order.name: spec.resources}).spec))

    async def resize_group(self) -> None:
        """Set the limits of the pod's own group to what its definition says now. Raises HookFault, OSError."""
        group = groups.parent(self.parts.config, self.pod)
        wanted = sums(self.pod.spec)
        use = consumption.of_group(group) if group.startswith("/") else None
        if use is None:
            return
        if wanted.memory and use.memory >= wanted.memory:
            text = f"attempting to set pod memory limit ({wanted.memory}) below current usage ({use.memory})"
            raise HookFault(text)
        cgroups.change(group, wanted)

    async def kill(self, order: facts.Kill, grace: float) -> None:
        """preStop, stop signal, SIGKILL. Raises RuntimeFault."""
        began = self.parts.clock.monotonic()
        spec = self.spec_of(order.name)
        self.tell("Normal", "Killing", order.message, order.name)
        handler = spec.lifecycle.pre_stop if spec and spec.lifecycle else None
        left = grace
        if handler is not None and spec is not None and grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    healthy, _ = await self.hook(handler, spec, order.container)
                    if not healthy:
                        self.tell("Warning", "FailedPreStopHook", "PreStopHook failed", order.name)
            left = max(MIN_STOP, grace - (self.parts.clock.monotonic() - began))
        await self.parts.runtime.stop_container(order.container, left)
        with contextlib.suppress(RuntimeFault):
            await self._refresh(order.container)

    async def post_start(self, name: str, container: str) -> bool:
        """Run postStart; whether it went well."""
        spec = self.spec_of(name)
        handler = spec.lifecycle.post_start if spec and spec.lifecycle else None
        if handler is None or spec is None:
            return True
        healthy, _ = await self.hook(handler, spec, container)
        if not healthy:
            self.tell("Warning", "FailedPostStartHook", "PostStartHook failed", name)
        return healthy

    async def hook(self, handler: LifecycleHandler, spec: Spec, container: str) -> checks.Answer:
        """Run a life-cycle handler."""
        target = checks.Target(container, self.address(), spec)
        try:
            if handler.exec is not None:
                return await checks.run_command(self.parts.runtime, container, handler.exec.command, 0.0)
            if handler.http_get is not None:
                return await checks.http_get(self.parts.session, target, handler.http_get, 30.0)
            if handler.tcp_socket is not None:
                return await checks.tcp_connect(target, handler.tcp_socket, 30.0)
            if handler.sleep is not None:
                await asyncio.sleep(handler.sleep.seconds)
        except checks.Unknowable as error:
            return False, str(error)
        return True, ""

    async def remove_container(self, container: str) -> None:
        """Forget a dead container and its log. Raises RuntimeFault."""
        seen = self.parts.observer.pod(self.uid)
        path = next((one.log_path for one in seen.containers if one.id == container), "")
        await self.parts.runtime.remove_container(container)
        self.parts.observer.record_gone(self.uid, container=container)
        logs = self.scope().logs
        if path.startswith(f"{logs}/"):
            for old in logs.glob(f"{path.removeprefix(f'{logs}/')}*"):
                old.unlink(missing_ok=True)

    # --- the end

    async def drain(self) -> None:
        """Wait until nobody sends new connections, but never so long that the grace is used up by it."""
        bound = min(self.parts.drain_seconds, lifecycle.grace_of(self.pod) / 2)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(bound):
                await self.parts.drained(self.pod)
                await self._caught_up()

    async def _caught_up(self) -> None:
        """Wait, some seconds at most, until the pod's programs have taken what has come: on a busy machine they are
        late, and what is not taken is reset when they end."""
        if self.pod.spec.host_network:
            return
        seen = self.parts.observer.pod(self.uid).containers
        found = (groups.of_container(self.parts.config, self.pod, one.id) for one in seen if facts.running(one))
        pid = next((pid for group in found for pid in consumption.processes(group)), 0)
        until = self.parts.clock.monotonic() + CATCH_UP
        while pid and arrivals.waiting(pid) and self.parts.clock.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK)  # the kernel tells nobody

    async def clear(self) -> None:
        """Take away what hooks made. Raises OSError."""
        scope = self.scope()
        for hook in reversed(self.parts.hooks):
            await hook.clear(scope)

    async def finish(self, *, delete: bool) -> None:
        """The pod is over. With `delete`: remove everything, the object last. Raises RuntimeFault, OSError,
        APIError."""
        await self.clear()
        if not delete:
            return
        await self.parts.publisher.flushed(self.uid)
        with contextlib.suppress(NotFound, Conflict):
            await self.parts.client.delete(POD, key_of(self.pod), uid=self.uid, grace=0)
        await self.remove_all()

    async def remove_all(self) -> None:
        """Remove sandboxes, containers and folders."""
        for one in self.parts.observer.pod(self.uid).sandboxes:
            await self.parts.runtime.remove_sandbox(one.id)
            self.parts.observer.record_gone(self.uid, sandbox=one.id)
        scope = self.scope()
        if mounts.mounted_below(scope.folder):
            raise OSError(f"{scope.folder} still has mounts")
        await asyncio.to_thread(shutil.rmtree, scope.folder, ignore_errors=True)
        await asyncio.to_thread(shutil.rmtree, scope.logs, ignore_errors=True)

    def _ips(self) -> tuple[str, ...]:
        if self.pod.spec.host_network:
            return self.parts.config.addresses
        seen = self.parts.observer.pod(self.uid)
        return seen.sandboxes[0].ips if seen.sandboxes else ()

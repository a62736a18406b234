"""A Runtime in memory: thousands of nodes in one process, and fast tests. Time is the event loop's.

Containers behave as their command says, in the words of a small shell: `sleep N`, `sh -c 'exit N'`, `true`, `false`;
anything else runs until it is stopped. The stop signal ends them at once (143), unless the word `stubborn` occurs in
the command: then SIGKILL ends them (137). Images are those given, plus whatever is pulled; names with `missing` in them
cannot.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from wherry.aio.clock import Clock
from wherry.node.runtime.interface import (
    Auth,
    Container,
    ContainerConfig,
    ExecResult,
    Health,
    Image,
    Resources,
    RuntimeFault,
    Sandbox,
    SandboxConfig,
    State,
    Stats,
    Usage,
    Version,
)

K = TypeVar("K")
Exec = Callable[[Container, tuple[str, ...]], ExecResult]


def _success(_: Container, __: tuple[str, ...]) -> ExecResult:
    return ExecResult(0)


def plan(words: tuple[str, ...]) -> tuple[float | None, int]:
    """(seconds until it ends by itself or None, exit code) of a command."""
    text = " ".join(word for word in words if not word.endswith("busybox"))
    code = re.search(r"exit (\d+)", text)
    wait = re.match(r"(?:sh -c )?sleep (\d+(?:\.\d+)?)", text)
    if wait:
        return float(wait[1]), int(code[1]) if code else 0
    if code:
        return 0.0, int(code[1])
    if text.split(" ")[0] in ("true", "false"):
        return 0.0, int(text.startswith("false"))
    return None, 0


class Simulated:
    """See the module. `delays` are seconds per step: sandbox, create, start, pull."""

    def __init__(
        self, clock: Clock, *, images: tuple[str, ...] = (), run: Exec = _success,
        delays: Mapping[str, float] | None = None, subnet: str = "10.244.0",
    ) -> None:  # fmt: skip
        self._clock, self._exec, self._delays, self._subnet = clock, run, dict(delays or {}), subnet
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        self._commands: dict[str, tuple[str, ...]] = {}
        self._names: set[tuple[str, str, int]] = set()
        self._images: dict[str, Image] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._serial = itertools.count(1)
        self._listeners: list[asyncio.Queue[str]] = []
        self.mounted: dict[str, str] = {}
        """folder -> image"""
        self.starts: list[tuple[str, int]] = []
        """(container name, attempt) of every start, for tests."""
        for name in images:
            self._hold(name)

    # --- for tests

    def end(self, container_id: str, code: int, reason: str = "") -> None:
        """End a running container, as if its process had."""
        found = self._containers[container_id]
        if found.state is not State.RUNNING:
            return
        timer = self._ends.pop(container_id, None)
        if timer:
            timer.cancel()
        self._containers[container_id] = replace(
            found, state=State.EXITED, exit_code=code, finished=self._clock.now(),
            reason=reason or ("Completed" if code == 0 else "Error"),
        )  # fmt: skip
        self._ended[container_id].set()
        for queue in self._listeners:
            queue.put_nowait(container_id)

    # --- Runtime

    async def version(self) -> Version:
        """See Runtime."""
        return Version("simulated", "1.0")

    async def health(self) -> Health:
        """See Runtime."""
        return Health(ready=True, network=True)

    async def _spend(self, step: str) -> None:
        await asyncio.sleep(self._delays.get(step, 0.0))

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        """See Runtime."""
        return tuple(replace(one, ips=()) for one in self._sandboxes.values())

    async def sandbox(self, sandbox_id: str) -> Sandbox:
        """See Runtime."""
        return _known(self._sandboxes, sandbox_id, "sandbox")

    async def run_sandbox(self, config: SandboxConfig) -> str:
        """See Runtime."""
        await self._spend("sandbox")
        self._reserve((config.uid, config.name, config.attempt))
        serial = next(self._serial)
        identity = _identity("sandbox", serial)
        ips = () if config.namespaces.network == "node" else (f"{self._subnet}.{serial % 250 + 2}",)
        self._sandboxes[identity] = Sandbox(
            identity, config.name, config.namespace, config.uid, config.attempt, ready=True,
            created=self._clock.now(), labels=config.labels, annotations=config.annotations, ips=ips,
        )  # fmt: skip
        return identity

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """See Runtime."""
        found = self._sandboxes.get(sandbox_id)
        if found is None:
            return
        for one in await self.containers(sandbox_id):
            self.end(one.id, 137)
        self._sandboxes[sandbox_id] = replace(found, ready=False)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """See Runtime."""
        await self.stop_sandbox(sandbox_id)
        for one in await self.containers(sandbox_id):
            await self.remove_container(one.id)
        found = self._sandboxes.pop(sandbox_id, None)
        if found:
            self._names.discard((found.uid, found.name, found.attempt))

    async def containers(self, sandbox_id: str = "") -> tuple[Container, ...]:
        """See Runtime."""
        return tuple(
            replace(one, started=0.0, finished=0.0, exit_code=0, reason="", log_path="", detailed=False)
            for one in self._containers.values()
            if sandbox_id in ("", one.sandbox)
        )

    async def container(self, container_id: str) -> Container:
        """See Runtime."""
        return replace(_known(self._containers, container_id, "container"), detailed=True)

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        """See Runtime."""
        await self._spend("create")
        owner = _known(self._sandboxes, sandbox_id, "sandbox")
        image = await self.image(config.image)
        if image is None:
            raise RuntimeFault(f"image {config.image!r} not found", "not_found")
        self._reserve((owner.uid, config.name, config.attempt))
        identity = _identity("container", next(self._serial))
        self._containers[identity] = Container(
            identity, sandbox_id, config.name, config.attempt, State.CREATED, self._clock.now(),
            image=image.tags[0] if image.tags else image.id, image_id=image.id, labels=config.labels,
            annotations=config.annotations, log_path=f"{sandbox.log_dir}/{config.log_path}",
        )  # fmt: skip
        self._commands[identity] = (*config.command, *config.args)
        self._ended[identity] = asyncio.Event()
        return identity

    def _reserve(self, name: tuple[str, str, int]) -> None:
        if name in self._names:
            raise RuntimeFault(f"name {name} is reserved", "unknown")
        self._names.add(name)

    async def start_container(self, container_id: str) -> None:
        """See Runtime."""
        await self._spend("start")
        found = _known(self._containers, container_id, "container")
        if found.state is not State.CREATED:
            raise RuntimeFault(f"container is in {found.state.value} state", "failed_precondition")
        self.starts.append((found.name, found.attempt))
        self._containers[container_id] = replace(found, state=State.RUNNING, started=self._clock.now())
        wait, code = plan(self._commands[container_id])
        if wait is not None:
            loop = asyncio.get_running_loop()
            self._ends[container_id] = loop.call_later(wait, self.end, container_id, code)

    async def stop_container(self, container_id: str, grace: float) -> None:
        """See Runtime."""
        found = self._containers.get(container_id)
        if found is None or found.state is not State.RUNNING:
            return
        if "stubborn" in " ".join(self._commands[container_id]) or grace <= 0:
            try:
                async with asyncio.timeout(max(grace, 0.0)):
                    await self._ended[container_id].wait()
            except TimeoutError:
                self.end(container_id, 137)
        else:
            self.end(container_id, 143)

    async def remove_container(self, container_id: str) -> None:
        """See Runtime."""
        found = self._containers.get(container_id)
        if found is None:
            return
        self.end(container_id, 137)
        del self._containers[container_id], self._ended[container_id], self._commands[container_id]
        owner = self._sandboxes.get(found.sandbox)
        if owner:
            self._names.discard((owner.uid, found.name, found.attempt))

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """See Runtime."""
        _known(self._containers, container_id, "container")

    async def reopen_log(self, container_id: str) -> None:
        """See Runtime."""
        _known(self._containers, container_id, "container")

    async def exec_sync(self, container_id: str, command: tuple[str, ...], timeout: float) -> ExecResult:  # noqa: ASYNC109 - the runtime keeps it
        """See Runtime."""
        found = _known(self._containers, container_id, "container")
        if found.state is not State.RUNNING:
            raise RuntimeFault("container is not running", "unknown")
        wait, code = plan(command)
        if wait and timeout and wait > timeout:
            await asyncio.sleep(timeout)
            raise RuntimeFault(f"command timed out after {timeout:g}s", "deadline_exceeded")
        await asyncio.sleep(wait or 0.0)
        return self._exec(found, command) if wait is None else ExecResult(code)

    async def exec_url(
        self, container_id: str, command: tuple[str, ...], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        """See Runtime."""
        raise RuntimeFault("a simulated container has no streams", "unimplemented")

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """See Runtime."""
        raise RuntimeFault("a simulated container has no streams", "unimplemented")

    async def port_forward_url(self, sandbox_id: str, ports: tuple[int, ...]) -> str:
        """See Runtime."""
        raise RuntimeFault("a simulated sandbox has no ports", "unimplemented")

    async def stats(self) -> tuple[Stats, ...]:
        """See Runtime."""
        now = self._clock.now()
        return tuple(
            Stats(one.id, one.name, one.labels, now, int((now - one.started) * 1e7), 10 << 20)
            for one in self._containers.values()
            if one.state is State.RUNNING
        )

    def _hold(self, name: str) -> Image:
        identity = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        image = Image(identity, (name,), size=1 << 20)
        self._images[identity] = image
        return image

    async def image(self, ref: str) -> Image | None:
        """See Runtime."""
        return next((one for one in self._images.values() if ref == one.id or ref in one.tags), None)

    async def images(self) -> tuple[Image, ...]:
        """See Runtime."""
        return tuple(self._images.values())

    async def pull(self, ref: str, auth: Auth | None = None, sandbox: SandboxConfig | None = None) -> str:
        """See Runtime."""
        await self._spend("pull")
        if "missing" in ref:
            raise RuntimeFault(f'failed to resolve reference "{ref}": {ref}: not found', "not_found")
        return self._hold(ref).id

    async def remove_image(self, image_id: str) -> None:
        """See Runtime."""
        self._images.pop(image_id, None)

    async def mount_image(self, image: str, target: str) -> None:
        """See Runtime."""
        self.mounted[target] = image

    async def unmount_image(self, target: str) -> None:
        """See Runtime."""
        self.mounted.pop(target, None)

    async def image_usage(self) -> Usage:
        """See Runtime."""
        return Usage(sum(one.size for one in self._images.values()))

    async def changes(self) -> AsyncIterator[str]:
        """See Runtime."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)


def _identity(kind: str, serial: int) -> str:
    return hashlib.sha256(f"{kind}{serial}".encode()).hexdigest()


def _known(held: Mapping[str, K], identity: str, kind: str) -> K:
    found = held.get(identity)
    if found is None:
        raise RuntimeFault(f"{kind} {identity!r} not found", "not_found")
    return found

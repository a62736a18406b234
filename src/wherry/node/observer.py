"""What the runtime holds, by pod: kept by looking at everything whenever the runtime reports an exit, and now and then.

Owns the only copy of runtime state. Workers record here what their own calls did, so they see it at once; a look that
began before such a record is discarded for that pod. `wake` is called with the uid of every pod whose state changed.
A restarted agent learns everything from the first look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from wherry.node import facts
from wherry.node.runtime.interface import Container, Runtime, RuntimeFault, Sandbox, State

log = logging.getLogger(__name__)

EVERY = 1.0
EVERY_LISTENING = 10.0
"""Seconds between looks while the runtime reports exits by itself."""
AGAIN = (0.0, 0.03, 0.15)
"""Seconds after a reported exit at which to look: CRI learns of it a moment after the event."""


@dataclass(slots=True)
class Seen:
    """One pod's sandboxes and containers, newest first."""

    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Container, ...] = ()
    recorded: int = 0


def _newest(items: Iterable[Sandbox]) -> tuple[Sandbox, ...]:
    return tuple(sorted(items, key=lambda one: (one.attempt, one.created), reverse=True))


class Observer:
    """See the module."""

    def __init__(
        self, runtime: Runtime, wake: Callable[[str], None], message: Callable[[Container], str] = lambda _: ""
    ) -> None:
        self._runtime, self._wake, self._message = runtime, wake, message
        self._pods: dict[str, Seen] = {}
        self._tick = 0
        self._look_now = asyncio.Event()
        self._listening = False
        self.ready = asyncio.Event()
        """Set after the first look."""
        self.failed_since: str = ""
        """Why the runtime cannot be looked at, "" if it can."""

    def pod(self, uid: str) -> Seen:
        """What is known of a pod."""
        return self._pods.get(uid) or Seen()

    def uids(self) -> frozenset[str]:
        """Pods the runtime knows anything of."""
        return frozenset(self._pods)

    def forget(self, uid: str) -> None:
        """A pod is gone for good."""
        self._pods.pop(uid, None)

    def record_sandbox(self, uid: str, sandbox: Sandbox) -> None:
        """A worker's own call made or changed this sandbox."""
        seen = self._touch(uid)
        seen.sandboxes = _newest((sandbox, *(one for one in seen.sandboxes if one.id != sandbox.id)))

    def record_container(self, uid: str, container: Container, *, sandbox: str = "") -> None:
        """A worker's own call made or changed this container."""
        seen = self._touch(uid)
        known = next((one for one in seen.containers if one.id == container.id), None)
        owner = sandbox or container.sandbox or (known.sandbox if known else "")
        container = self._with_message(replace(container, sandbox=owner), known)
        seen.containers = (container, *(one for one in seen.containers if one.id != container.id))

    def record_gone(self, uid: str, *, sandbox: str = "", container: str = "") -> None:
        """A worker's own call removed it."""
        seen = self._touch(uid)
        seen.sandboxes = tuple(one for one in seen.sandboxes if one.id != sandbox)
        seen.containers = tuple(one for one in seen.containers if one.id != container and one.sandbox != sandbox)

    def _touch(self, uid: str) -> Seen:
        seen = self._pods.setdefault(uid, Seen())
        self._tick += 1
        seen.recorded = self._tick
        return seen

    def look(self) -> None:
        """Look soon."""
        self._look_now.set()

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                await self._look_once()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_LISTENING if self._listening and self.ready.is_set() else EVERY):
                        await self._look_now.wait()

    async def _listen(self) -> None:
        while True:
            try:
                self._listening = True
                async for _ in self._runtime.changes():
                    for pause in AGAIN:
                        asyncio.get_running_loop().call_later(pause, self.look)
            except RuntimeFault as fault:
                log.debug("no events from the runtime: %s", fault)
            self._listening = False
            self.look()  # what happened meanwhile was not reported
            await asyncio.sleep(EVERY)

    async def _look_once(self) -> None:
        self._look_now.clear()
        began = self._tick
        try:
            sandboxes, containers = await asyncio.gather(self._runtime.sandboxes(), self._runtime.containers())
        except RuntimeFault as fault:
            self.failed_since = self.failed_since or str(fault)
            return
        self.failed_since = ""
        owner = {one.id: one.uid for one in sandboxes}
        listed: dict[str, Seen] = {uid: Seen() for uid in self._pods}
        for sandbox in sandboxes:
            seen = listed.setdefault(sandbox.uid, Seen())
            seen.sandboxes = (*seen.sandboxes, sandbox)
        for container in containers:
            uid = container.labels.get(facts.POD_UID) or owner.get(container.sandbox, "")
            seen = listed.setdefault(uid, Seen())
            seen.containers = (*seen.containers, container)
        await asyncio.gather(*(self._update(uid, seen, began) for uid, seen in listed.items()))
        self.ready.set()

    async def _update(self, uid: str, listed: Seen, began: int) -> None:
        known = self._pods.get(uid) or Seen()
        if _same(known, listed):
            return
        sandboxes = await asyncio.gather(*(self._detail_sandbox(one, known) for one in listed.sandboxes))
        containers = await asyncio.gather(*(self._detail(one, known) for one in listed.containers))
        current = self._pods.get(uid) or Seen()
        if current.recorded > began:
            return  # what a worker did meanwhile is newer than this look
        fresh = Seen(
            _newest(one for one in sandboxes if one),
            tuple(sorted((one for one in containers if one), key=lambda one: one.created, reverse=True)),
            current.recorded,
        )
        if fresh.sandboxes or fresh.containers:
            self._pods[uid] = fresh
        else:
            self._pods.pop(uid, None)
        self._wake(uid)

    async def _detail_sandbox(self, one: Sandbox, known: Seen) -> Sandbox | None:
        old = next((was for was in known.sandboxes if was.id == one.id), None)
        if old is not None:
            return replace(one, ips=old.ips)
        with contextlib.suppress(RuntimeFault):
            return replace(one, ips=(await self._runtime.sandbox(one.id)).ips)
        return None

    async def _detail(self, one: Container, known: Seen) -> Container | None:
        old = next((was for was in known.containers if was.id == one.id), None)
        if old is not None and old.detailed and old.state is one.state:
            return old
        try:
            full = await self._runtime.container(one.id)
        except RuntimeFault:
            return old
        return self._with_message(replace(full, sandbox=one.sandbox), old)

    def _with_message(self, container: Container, known: Container | None) -> Container:
        """Add what the container left as its last words, once it has ended."""
        if container.state is not State.EXITED or container.reason == "StartError":
            return container
        if known is not None and known.state is State.EXITED:
            return replace(container, message=known.message)
        return replace(container, message=self._message(container))


def _same(known: Seen, listed: Seen) -> bool:
    return {(one.id, one.ready) for one in known.sandboxes} == {(one.id, one.ready) for one in listed.sandboxes} and {
        (one.id, one.state) for one in known.containers
    } == {(one.id, one.state) for one in listed.containers}

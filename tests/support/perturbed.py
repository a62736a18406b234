"""Perturbed: a client for controllers that goes wrong once, in a way of one's choice, and is right otherwise.

Sieve's three patterns (OSDI 2022), each at a place that is counted, so that a test can go through all of them:
- crash: after the n-th write, or just before it, whoever writes is killed (`crashed` is set, the write never answers);
- lost answer: the n-th write happens, but says that it timed out;
- unseen: the n-th event is held back and, if another one of the same object comes meanwhile, never told;
- twice: the n-th event is told twice;
- stale: from the n-th event on, nothing is told for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from wherry.client.interface import ALL, Client, Event, Select
from wherry.machinery.errors import Timeout
from wherry.machinery.meta import Key, T, key_of
from wherry.machinery.resource import Resource

How = Literal["none", "crash after", "crash before", "lost answer", "unseen", "twice", "stale"]
OF_WRITES: tuple[How, ...] = ("crash after", "crash before", "lost answer")
OF_EVENTS: tuple[How, ...] = ("unseen", "twice", "stale")
HELD_SECONDS = 2.0
STALE_SECONDS = 15.0


@dataclass(slots=True)
class Perturbed:
    """See above. `writes` and `events` count; at number `at` it happens."""

    client: Client
    how: How = "none"
    at: int = 0
    writes: int = 0
    events: int = 0
    crashed: asyncio.Event = field(default_factory=asyncio.Event)
    created: list[str] = field(default_factory=list)
    """`kind` of everything that was created."""
    _stale_until: float = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    async def _write(self, do: Callable[[], Awaitable[Any]]) -> Any:
        self.writes += 1
        here = self.writes == self.at
        if self.crashed.is_set() or (here and self.how == "crash before"):
            self.crashed.set()
            await asyncio.Event().wait()
        answer = await do()
        if here and self.how == "crash after":
            self.crashed.set()
            await asyncio.Event().wait()
        if here and self.how == "lost answer":
            raise Timeout("the request did not complete in time")
        return answer

    async def create(self, resource: Resource[T], obj: T) -> Any:
        """See Client."""

        async def do() -> Any:
            made = await self.client.create(resource, obj)
            self.created.append(resource.kind)
            return made

        return await self._write(do)

    async def replace(self, resource: Resource[T], obj: T, subresource: str = "") -> Any:
        """See Client."""
        return await self._write(lambda: self.client.replace(resource, obj, subresource))

    async def patch(self, resource: Resource[T], key: Key, patch: Any, **how: Any) -> Any:
        """See Client."""
        return await self._write(lambda: self.client.patch(resource, key, patch, **how))

    async def delete(self, resource: Resource[T], key: Key, **how: Any) -> None:
        """See Client."""
        await self._write(lambda: self.client.delete(resource, key, **how))

    async def watch(
        self, resource: Resource[T], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[T]]:
        """See Client."""
        coming: asyncio.Queue[Event[T]] = asyncio.Queue()

        async def follow() -> None:
            async for event in self.client.watch(resource, select, since):
                coming.put_nowait(event)

        task = asyncio.create_task(follow())
        try:
            while True:
                event = await coming.get()
                late = self._stale_until - asyncio.get_running_loop().time()
                if late > 0:
                    await asyncio.sleep(late)
                self.events += event.obj is not None
                for told in await self._told(event, coming):
                    yield told
        finally:
            task.cancel()

    async def _told(self, event: Event[T], coming: asyncio.Queue[Event[T]]) -> list[Event[T]]:
        """What becomes of one event."""
        if self.events != self.at or event.obj is None:
            return [event]
        if self.how == "twice":
            return [event, event]
        if self.how == "stale":
            self._stale_until = asyncio.get_running_loop().time() + STALE_SECONDS
            await asyncio.sleep(STALE_SECONDS)
        if self.how == "unseen":
            self.at = 0
            await asyncio.sleep(HELD_SECONDS)
            waiting = [coming.get_nowait() for _ in range(coming.qsize())]
            self.events += sum(later.obj is not None for later in waiting)
            same = [later for later in waiting if later.obj is not None and key_of(later.obj) == key_of(event.obj)]
            return waiting if same else [event, *waiting]
        return [event]

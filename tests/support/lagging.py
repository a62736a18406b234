"""Lagging: a client whose watches are late, each kind by a time of its own; everything else is prompt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from wherry.client.interface import ALL, Client, Event, Select
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource


class Lagging:
    """`late(resource)` -> seconds by which its changes are late, asked for each of them. Order is kept."""

    def __init__(self, client: Client, late: Callable[[Resource[Any]], float]) -> None:
        self._client = client
        self._late = late

    async def watch(
        self, resource: Resource[T], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[T]]:
        """See Client."""
        loop = asyncio.get_running_loop()
        coming: asyncio.Queue[tuple[float, Event[T]]] = asyncio.Queue()

        async def follow() -> None:
            due = 0.0
            async for event in self._client.watch(resource, select, since):
                due = max(due, loop.time() + self._late(resource))
                coming.put_nowait((due, event))

        task = asyncio.create_task(follow())
        try:
            while True:
                due, event = await coming.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                yield event
        finally:
            task.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

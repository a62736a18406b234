"""Watches whose objects somebody else converts: what is told waits in order for a conversion webhook.

A conversion that fails ends the watch with its Status; the client goes on from the last revision it has seen.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from wherry.apiserver.http import Sink
from wherry.apiserver.output import WatchForm
from wherry.apiserver.select import Predicate
from wherry.machinery.errors import APIError
from wherry.store.entry import Entry, Event, EventType

_WAITING = 10_000


class InOrder:
    """A Sink that lines up: bytes go through as they are, events once they are converted. `run` does it."""

    def __init__(
        self, sink: Sink, form: WatchForm, now: Callable[[], float], late: Predicate | None = None
    ) -> None:  # fmt: skip
        """`late`: which objects the watcher wants, judged in its own version."""
        self._late = late
        self._sink = sink
        self._form = form
        self._now = now
        self._waiting: deque[bytes | Event[Any]] = deque()
        self._wake = asyncio.Event()
        self.failed = False

    def event(self, event: Event[Any]) -> bool:
        """Line up an event; False when the client, or its webhook, is too far behind."""
        return self._put(event)

    def push(self, data: bytes) -> bool:
        """Line up bytes."""
        return self._put(data)

    async def write(self, data: bytes) -> None:
        """Of the initial state, which comes before anything lines up."""
        await self._sink.write(data)

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self.failed or self._sink.closed

    def on_close(self, call: Callable[[], None]) -> None:
        """See Sink."""
        self._sink.on_close(call)

    def _put(self, item: bytes | Event[Any]) -> bool:
        if self.closed or len(self._waiting) >= _WAITING:
            return False
        self._waiting.append(item)
        self._wake.set()
        return True

    async def run(self, ended: Callable[[], None]) -> None:
        """Until cancelled, or until something cannot be told: then `ended` is called."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if not await self._tell(self._waiting.popleft()):
                    self.failed = True
                    ended()
                    return

    async def _tell(self, item: bytes | Event[Any]) -> bool:
        if isinstance(item, bytes):
            return self._sink.push(item)
        try:
            (entry,) = await self._form.custom.show((item.entry,))
            kind = item.type if self._late is None else await self._judged(item, entry, self._late)
        except APIError as error:
            self._sink.push(self._form.error(error))
            return False
        return kind is None or self._sink.push(self._form.line(kind, entry, self._now()))

    async def _judged(self, event: Event[Any], entry: Entry[Any], late: Predicate) -> EventType | None:
        """What the event is to a watcher who sees only what matches; None: nothing."""
        fits = late(entry)
        if event.type != "MODIFIED" or event.previous is None:
            return event.type if fits else None
        (before,) = await self._form.custom.show((event.previous,))
        if late(before):
            return "MODIFIED" if fits else "DELETED"
        return "ADDED" if fits else None

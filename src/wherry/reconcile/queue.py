"""KeyQueue: keys to plan, each at most once in the queue and never in two hands.

A key added while it is being worked on comes back when the worker is done with it. Delays are kept per key: the
earliest wins.
"""

from __future__ import annotations

import asyncio

from wherry.machinery.meta import Key


class KeyQueue:
    """First in, first out; used from one event loop."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._active: set[Key] = set()
        self._dirty: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self.added = 0
        """How many keys were ever queued."""
        self.retried = 0
        """How many of them for later."""

    def add(self, key: Key, after: float = 0.0) -> None:
        """Queue the key, in `after` seconds."""
        if after > 0:
            self.retried += 1
            self._later(key, after)
        elif key in self._active:
            self._dirty.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self.added += 1
            self._ready.put_nowait(key)

    async def get(self) -> Key:
        """The next key; it is the caller's until `done`."""
        key = await self._ready.get()
        self._queued.discard(key)
        self._active.add(key)
        return key

    def done(self, key: Key, hold: float = 0.0) -> None:
        """Give the key back; nobody gets it for another `hold` seconds."""
        if hold > 0:
            asyncio.get_running_loop().call_later(hold, self._release, key)
        else:
            self._release(key)

    @property
    def depth(self) -> int:
        """How many keys are ready."""
        return len(self._queued)

    @property
    def idle(self) -> bool:
        """Nothing ready and nothing in hand (delayed keys may still come)."""
        return not self._queued and not self._active

    def close(self) -> None:
        """Forget delayed keys."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _release(self, key: Key) -> None:
        self._active.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def _later(self, key: Key, after: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + after
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._due, key)

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

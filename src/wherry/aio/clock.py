"""Clock: the only source of time in wherry.

`now()` is seconds since the epoch (what objects record), `monotonic()` seconds since an arbitrary start (what
waits are measured with). Tests use `LoopClock`, so a virtual-time loop moves both.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()  # noqa: TID251 - this is the one place

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()  # noqa: TID251 - this is the one place


class LoopClock:
    """Follows the event loop, so a virtual-time loop (looptime) moves it too. `start` is added to `now()`."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._start + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return asyncio.get_running_loop().time()

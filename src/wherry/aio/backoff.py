"""Back-off: how long to wait before trying again. Pure arithmetic on a clock that is passed in.

The first failure costs `first` seconds, each following one `factor` times more, never more than `cap`. Whoever ran
well for `forget` seconds starts over at `first`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wherry.aio.clock import Clock


@dataclass(slots=True)
class Backoff:
    """Waiting times for one thing that fails again and again. Times are in seconds."""

    clock: Clock
    first: float = 0.05
    cap: float = 10.0
    factor: float = 2.0
    forget: float = 10.0
    _delay: float = field(default=0.0, init=False)
    _last: float = field(default=float("-inf"), init=False)

    def failed(self) -> float:
        """Note a failure now; returns how long to wait before the next attempt."""
        now = self.clock.monotonic()
        fresh = now - self._last > self._delay + self.forget
        self._delay = self.first if fresh else min(self.cap, self._delay * self.factor)
        self._last = now
        return self._delay

    def reset(self) -> None:
        """Forget all failures."""
        self._last = float("-inf")

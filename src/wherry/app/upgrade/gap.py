"""Gap: for how long the API does not answer, measured by asking it all the time while its server is replaced."""

from __future__ import annotations

import threading
from types import TracebackType

from wherry.aio.clock import Clock
from wherry.app.config import Config
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest

EVERY = 0.05
"""Seconds between questions; the gap is known this exactly."""


class Gap:
    """`with Gap(...) as gap:` asks from another thread; `gap.seconds` is the longest time between two answers, 0 while
    none was missing. A gap that has not ended does not count."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.seconds = 0.0
        self._clock = clock
        self._rest = Rest(config, timeout=1)
        self._over = threading.Event()
        self._answered = clock.monotonic()
        self._missing = False
        self._thread = threading.Thread(target=self._ask, name="gap", daemon=True)

    def __enter__(self) -> Gap:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            self._once()
            self._over.wait(EVERY)
        self._once()

    def _once(self) -> None:
        asked = self._clock.monotonic()
        try:
            self._rest.text("/readyz")
        except (ApiUnreachable, ApiRefused):
            self._missing = True
            return
        if self._missing:
            self.seconds = max(self.seconds, self._clock.monotonic() - self._answered)
            self._missing = False
        self._answered = asked

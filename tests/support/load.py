"""Constant HTTP load on one address: some clients open a connection for each request, others keep theirs.

A kept connection is opened anew only after an answer that said `Connection: close`. Everything else that is not a 200
is a failure: nothing is tried again.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

CLIENTS = 3
"""Of each sort."""
PAUSE = 0.02
"""Seconds between the requests of a client: load, not a flood that starves what is tested."""
TIMEOUT = 5.0


@dataclass
class Load:
    """Load while in the block; then `answers` (text -> how often), `failures` and `longest` (seconds) tell."""

    host: str
    port: int
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    longest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _moved: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for kept in (True, False):
            for _ in range(CLIENTS):
                thread = threading.Thread(target=self._client, args=(kept,), daemon=True)
                self._threads.append(thread)
                thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self) -> int:
        """Requests answered so far."""
        return sum(self.answers.values())

    def more(self, count: int, seconds: float = 30.0) -> None:
        """Wait until so many more requests have been answered. Raises AssertionError."""
        with self._moved:
            goal = self.total + count
            reached = self._moved.wait_for(lambda: self.total >= goal or len(self.failures) > count, seconds)
        assert reached, f"only {self.total} of {goal} requests answered in {seconds} s; {self.failures[:5]}"

    def _client(self, kept: bool) -> None:
        connection = self._connect()
        while not self._stop.wait(PAUSE):
            begun = time.monotonic()
            try:
                if not kept:
                    connection = self._connect()
                connection.request("GET", "/", headers={} if kept else {"Connection": "close"})
                answer = connection.getresponse()
                text = answer.read().decode().strip()
                error = "" if answer.status == 200 else f"{answer.status} {text}"
            except (OSError, http.client.HTTPException) as fault:
                error, text = f"{'kept' if kept else 'new'} connection: {fault!r}", ""
                connection.close()
            self._count(text, error, time.monotonic() - begun)
        with contextlib.suppress(OSError):
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)

    def _count(self, text: str, error: str, seconds: float) -> None:
        with self._moved:
            self.longest = max(self.longest, seconds)
            if error:
                self.failures.append(f"{error} after {seconds:.3f} s, at {time.time():.3f}")
            else:
                self.answers[text] += 1
            self._moved.notify_all()

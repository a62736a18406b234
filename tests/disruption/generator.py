"""Generator: the handle on a process that makes load (`load.py`), wherever it runs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.disruption import tally
from tests.disruption.ground import Target
from tests.disruption.plan import Group

ROOT = Path(__file__).parents[2]
STOP = 60.0
Argv = Callable[[Sequence[str]], list[str]]


class Generator:
    """Load while in the block, after `stop` its `tally`. `place`: how to run a command where the clients are;
    `groups`: who they are; `host`: the Host header of their requests; `name`: what DNS is asked for."""

    def __init__(self, place: Argv, groups: Iterable[Group], *, host: str, name: str) -> None:
        self._argv = place([sys.executable, "-m", "tests.disruption.load"])
        self._order = {"groups": list(groups), "host": host, "name": name}
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._telling = threading.Lock()
        self._moved = threading.Condition()
        self._ready = False
        self._over = False
        self._heard = 0
        self.requests = 0
        """Answered so far, half a second ago at most."""
        self.failed = 0
        self.failures: list[dict[str, Any]] = []
        """Each failure as soon as it is known."""
        self._tally: tally.Tally | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._reader.start()
        self.tell(self._order)
        self._wait(lambda: self._ready, 30, "the load generator has not started")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._reader.join()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def tell(self, line: object) -> None:
        """Send it a line. From any thread."""
        assert self._process is not None
        assert self._process.stdin is not None
        with self._telling:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()

    def targets(self, way: str, listed: Iterable[Target]) -> None:
        """Where a way leads from now on."""
        self.tell({"targets": {way: list(listed)}})

    def killing(self, host: str, port: int) -> None:
        """Whoever holds connections there is about to be killed; returns when the clients know."""
        before = self._heard
        self.tell({"killing": [host, port]})
        self._wait(lambda: self._heard > before, 10, "the load generator does not hear")

    def more(self, count: int, seconds: float) -> None:
        """Wait until so many more requests have been answered. Raises AssertionError."""
        goal = self.requests + count
        self._wait(lambda: self.requests >= goal, seconds, f"fewer than {count} requests answered in {seconds:.0f} s")

    def stop(self) -> tally.Tally:
        """Let what is under way end; what was counted. Raises AssertionError."""
        self.tell({"stop": True})
        self._wait(lambda: self._tally is not None, STOP, "the load generator has not stopped")
        assert self._tally is not None
        return self._tally

    def _wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        with self._moved:
            self._moved.wait_for(lambda: condition() or self._over, seconds)
            assert condition(), f"{what}; {self.requests} requests, {self.failed} failed: {self.failures[:5]}"

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._moved:
                self._take(json.loads(line))
                self._moved.notify_all()
        with self._moved:
            self._over = True
            self._moved.notify_all()

    def _take(self, said: dict[str, Any]) -> None:
        self._ready = self._ready or "ready" in said
        self.requests = said.get("requests", self.requests)
        self.failed = said.get("failed", self.failed)
        self._heard = said.get("heard", self._heard)
        if "failure" in said:
            self.failures.append(said["failure"])
        if "tally" in said:
            self._tally = tally.decode(said["tally"])

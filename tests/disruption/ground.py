"""Ground: what all clients of one process share: where they may go, when they stop, and how what happens is judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.disruption.tally import Failure, Row, Tally
from tests.disruption.wire import CONNECT, Broken, Connection, Fault, NotConnected, Unanswered

WITHDRAWN = 1.0
"""Seconds in which the news that an endpoint was withdrawn may come after its refusal: the client's own watch is as
late as any."""
AFTER = 1.0
"""Seconds in which the end of a cut connection is noticed."""


class Target(NamedTuple):
    """An address to send to. `name`: who must answer there, "" for anyone."""

    host: str
    port: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" + (f" ({self.name})" if self.name else "")


NOWHERE = Target("none", 0)


@dataclass(slots=True)
class Targets:
    """Where a way leads, taken in turns."""

    listed: tuple[Target, ...] = ()
    _turn: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, listed: Sequence[Target]) -> None:
        """From now on these."""
        self.listed = tuple(listed)
        self._moved.set()
        self._moved = asyncio.Event()

    async def next(self) -> Target:
        """The one whose turn it is; waits while there is none. Raises NotConnected after some seconds."""
        try:
            async with asyncio.timeout(CONNECT):
                while not self.listed:
                    await self._moved.wait()
        except TimeoutError:
            raise NotConnected(f"there was no endpoint for {CONNECT:.0f} s") from None
        self._turn += 1
        return self.listed[self._turn % len(self.listed)]

    async def withdrawn(self, target: Target) -> bool:
        """Whether the target is none any more, or ceases to be one within a second."""
        try:
            async with asyncio.timeout(WITHDRAWN):
                while target in self.listed:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True


@dataclass(slots=True)
class Window:
    """While a process is killed that holds connections to `host` at `port`. `end` is infinite until it is dead."""

    host: str
    port: int
    begin: float
    end: float = float("inf")

    def excuses(self, target: Target, begun: float, now: float) -> bool:
        """Whether what began at `begun` and has ended now was in flight then."""
        same = (target.host, target.port) == (self.host, self.port)
        return same and begun <= self.end and self.begin <= now <= self.end + AFTER


class Unreached(Exception):
    """A target could not be connected to."""

    def __init__(self, target: Target, fault: NotConnected) -> None:
        super().__init__(str(fault))
        self.target, self.fault = target, fault


class Reached(NamedTuple):
    """A connection. `stale`: another endpoint had refused before, because it had been withdrawn."""

    connection: Connection
    target: Target
    stale: bool


@dataclass(slots=True)
class Ground:
    """See the module. `tell` is called with each failure; `patience`: seconds an answer may take."""

    targets: Mapping[str, Targets]
    tell: Callable[[Failure], None] = lambda failure: None
    tally: Tally = field(default_factory=Tally)
    windows: list[Window] = field(default_factory=list)
    stopping: bool = False
    patience: float = 5.0

    def now(self) -> float:
        """The clock of all times here."""
        return time.monotonic()

    def answered(self, row: Row, begun: float, *, again: bool = False, stale: bool = False) -> None:
        """A request that began at `begun` has been answered."""
        now = self.now()
        self.tally.answered(row, now, now - begun, again=again, stale=stale)

    def lost(self, row: Row, target: Target, begun: float, fault: Fault) -> None:
        """It has not: a failure, unless it was in flight through a process when that was killed."""
        now = self.now()
        ended = isinstance(fault, Unanswered | Broken)
        if ended and any(window.excuses(target, begun, now) for window in self.windows):
            self.tally.cut(row)
            return
        error = f"{type(fault).__name__}: {fault}"
        failure = Failure(time.time(), self.tally.during, row.kind, row.way, str(target), error, now - begun)
        self.tally.failed(row, failure)
        self.tell(failure)

    def killing(self, host: str, port: int) -> None:
        """A process that holds connections to this address is about to be killed."""
        self.windows.append(Window(host, port, self.now()))

    def killed(self, when: float) -> None:
        """It was dead at this time."""
        for window in self.windows:
            window.end = min(window.end, when)

    async def reach(self, row: Row) -> Reached:
        """A new connection to the next target. One that was withdrawn may refuse those that follow endpoints: they take
        another. Raises Unreached."""
        targets, stale = self.targets[row.way], False
        while True:
            target = NOWHERE
            try:
                target = await targets.next()
                return Reached(await Connection.open(target.host, target.port), target, stale)
            except NotConnected as fault:
                if not target.name or not await targets.withdrawn(target):
                    raise Unreached(target, fault) from None
                stale = True


@dataclass(slots=True)
class Pace:
    """A turn every `interval` seconds; who is late begins at once and is given nothing back. `first`: the first."""

    interval: float
    first: float

    def wait(self) -> float:
        """Seconds until it, which is then taken."""
        now = time.monotonic()
        wait = self.first - now
        self.first = max(now, self.first) + self.interval
        return max(0.0, wait)

    async def turn(self) -> None:
        """Wait for it."""
        if wait := self.wait():
            await asyncio.sleep(wait)

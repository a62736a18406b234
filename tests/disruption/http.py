"""HTTP clients: a new connection for each request, a kept one, and requests that take three seconds.

Every request has a number that the answer must repeat, so that an answer meant for somebody else is noticed; where it
is known who must answer, that is checked, too.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tests.disruption.ground import NOWHERE, Ground, Pace, Target, Unreached
from tests.disruption.tally import Row
from tests.disruption.wire import Answer, Connection, Fault, Unanswered, Wrong, ask

SLOW = 3.0
"""Seconds the application takes for a slow one."""
_numbers = itertools.count(1)


@dataclass(slots=True)
class Requests:
    """One client that asks again and again. `host`: the Host header; `kept`: on one connection; `slow`: with requests
    that take three seconds."""

    ground: Ground
    row: Row
    pace: Pace
    host: str
    kept: bool = False
    slow: bool = False
    _connection: Connection | None = None
    _target: Target = NOWHERE
    _stale: bool = False

    async def run(self) -> None:
        """Until told to stop."""
        await self.pace.turn()
        self.ground.tally.begin(self.row, self.ground.now())
        while not self.ground.stopping:
            await self._request()
            await self.pace.turn()
        self._leave()

    async def _request(self) -> None:
        again, self._stale = False, False
        begun = self.ground.now()
        try:
            connection = await self._connect()
            try:
                await self._ask(connection)
            except Unanswered:
                if not connection.used:
                    raise
                again = True
                self._leave()
                await self._ask(await self._connect())
        except Unreached as error:
            self.ground.lost(self.row, error.target, begun, error.fault)
        except Fault as fault:
            self.ground.lost(self.row, self._target, begun, fault)
            self._leave()
        else:
            self.ground.answered(self.row, begun, again=again, stale=self._stale)

    async def _connect(self) -> Connection:
        """The kept connection if it is good for another request, else a new one. Raises Unreached."""
        listed = self.ground.targets[self.row.way].listed
        if self._connection is not None and not self._connection.over and self._target in listed:
            return self._connection
        self._leave()
        self._connection, self._target, stale = await self.ground.reach(self.row)
        self._stale = self._stale or stale
        return self._connection

    async def _ask(self, connection: Connection) -> None:
        number = str(next(_numbers)).encode()
        answer = await ask(connection, self._text(number), self.ground.patience + (SLOW if self.slow else 0.0))
        self._check(number, answer)
        if answer.last or not self.kept:
            self._leave()

    def _text(self, number: bytes) -> bytes:
        path = b"/slow/" if self.slow else b"/name/"
        kept = b"keep-alive" if self.kept else b"close"
        return b"GET %b%b HTTP/1.1\r\nHost: %b\r\nConnection: %b\r\n\r\n" % (path, number, self.host.encode(), kept)

    def _check(self, number: bytes, answer: Answer) -> None:
        if answer.status != 200:
            raise Wrong(f"status {answer.status}: {answer.body[:100]!r}")
        said, _, name = answer.body.strip().partition(b" ")
        if said != number:
            raise Wrong(f"request {number!r} was answered with {answer.body[:100]!r}")
        if self._target.name and name != self._target.name.encode():
            raise Wrong(f"{name!r} has answered instead of {self._target.name}")

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

"""A DNS client over UDP, each with one port for all its queries to a target: connection tracking knows it by that.

As a resolver does, it sends a query again that was not answered within a second, or was refused; five seconds without
an answer are a failure.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import cast

from tests.disruption.ground import NOWHERE, Ground, Pace, Target
from tests.disruption.tally import Row
from tests.disruption.wire import Fault, Late, Wrong

RESEND = 1.0
REFUSED = 0.1
"""Seconds after which a query is sent again that the other side's kernel refused."""


class Port(asyncio.DatagramProtocol):
    """A connected UDP socket. `last`: the datagram that came last; `refused`: nobody listens there."""

    def __init__(self) -> None:
        self.last = b""
        self.refused = False
        self._transport: asyncio.DatagramTransport | None = None
        self._came = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.DatagramProtocol."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """See asyncio.DatagramProtocol."""
        self.last = data
        self._came.set()

    def error_received(self, exc: Exception) -> None:
        """See asyncio.DatagramProtocol."""
        self.refused = True
        self._came.set()

    def send(self, data: bytes) -> None:
        """Send."""
        self._came.clear()
        self.refused = False
        if self._transport is not None:
            self._transport.sendto(data)

    async def something(self, seconds: float) -> bool:
        """Wait for a datagram or a refusal; whether there was one in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            return False
        self._came.clear()
        return True

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


@dataclass(slots=True)
class Queries:
    """One client. `name`: the domain name it asks for."""

    ground: Ground
    row: Row
    pace: Pace
    name: str
    _ports: dict[Target, Port] = field(default_factory=dict)
    _number: int = 0
    _sent: int = 0
    _begun: float = 0.0
    _target: Target = NOWHERE

    async def run(self) -> None:
        """Until told to stop."""
        await self.pace.turn()
        self.ground.tally.begin(self.row, self.ground.now())
        while not self.ground.stopping:
            await self._request()
            await self.pace.turn()
        self._keep(())

    async def _request(self) -> None:
        self._begun, self._sent, self._target = self.ground.now(), 0, NOWHERE
        self._number = self._number % 0xFFFF + 1
        try:
            await self._ask(query(self._number, self.name))
        except Fault as fault:
            self.ground.lost(self.row, self._target, self._begun, fault)
        else:
            self.ground.answered(self.row, self._begun, again=self._sent > 1)

    async def _ask(self, asked: bytes) -> None:
        """Send until there is an answer. Raises Fault."""
        targets = self.ground.targets[self.row.way]
        while self.ground.now() - self._begun < self.ground.patience:
            self._target = await targets.next()
            self._keep(targets.listed)
            port = await self._port(self._target)
            port.send(asked)
            self._sent += 1
            if await self._answer(port, asked):
                return
        raise Late(f"no answer to {self._sent} datagrams within {self.ground.patience:.0f} s")

    async def _answer(self, port: Port, asked: bytes) -> bool:
        """Whether the answer came before it is time to send again. Raises Wrong."""
        until = self.ground.now() + RESEND
        while (left := until - self.ground.now()) > 0 and await port.something(left):
            if port.refused:
                await asyncio.sleep(REFUSED)
                return False
            if port.last[:2] == asked[:2]:  # else late, to a query before
                check(asked, port.last)
                return True
        return False

    async def _port(self, target: Target) -> Port:
        port = self._ports.get(target)
        if port is None:
            loop = asyncio.get_running_loop()
            _, port = await loop.create_datagram_endpoint(Port, remote_addr=(target.host, target.port))
            self._ports[target] = port
        return port

    def _keep(self, listed: tuple[Target, ...]) -> None:
        for target in [one for one in self._ports if one not in listed]:
            self._ports.pop(target).close()


def query(number: int, name: str) -> bytes:
    """A query for the addresses of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def check(asked: bytes, answer: bytes) -> None:
    """Raises Wrong when it is no good answer to the query."""
    if len(answer) < len(asked):
        raise Wrong(f"no answer but {answer[:100]!r}")
    _, flags, _, answers, _, _ = struct.unpack("!6H", answer[:12])
    if not flags & 0x8000 or flags & 0xF or not answers:
        raise Wrong(f"response code {flags & 0xF}, {answers} answers")
    if answer[12 : len(asked)] != asked[12:]:
        raise Wrong("the answer to another question")

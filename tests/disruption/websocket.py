"""A WebSocket client: sends a message at every turn and wants it back. A server that goes away must say so by a close
frame; then the client opens another WebSocket, and a message that was under way is sent again there.

https://www.rfc-editor.org/rfc/rfc6455
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from dataclasses import dataclass

from tests.disruption.ground import NOWHERE, Ground, Pace, Target, Unreached
from tests.disruption.tally import Row
from tests.disruption.wire import Broken, Connection, Fault, Late, Wrong, ask

_KEY = base64.b64encode(b"wherry disrupted")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ACCEPT = base64.b64encode(hashlib.sha1(_KEY + _MAGIC, usedforsecurity=False).digest())
_TEXT, _CLOSE = 1, 8


class Farewell(Exception):
    """The server has sent a close frame."""


@dataclass(slots=True)
class Messages:
    """One client. `host`: the Host header."""

    ground: Ground
    row: Row
    pace: Pace
    host: str
    _connection: Connection | None = None
    _target: Target = NOWHERE
    _opened: float = 0.0
    _stale: bool = False
    _number: int = 0

    async def run(self) -> None:
        """Until told to stop."""
        await self.pace.turn()
        self.ground.tally.begin(self.row, self.ground.now())
        while not self.ground.stopping:
            begun = self.ground.now()
            try:
                await self._message(begun)
            except Unreached as error:
                self.ground.lost(self.row, error.target, begun, error.fault)
            except Fault as fault:
                self._lose(fault)
            await self._pause()
        self._leave()

    async def _message(self, begun: float) -> None:
        """Send one and have it back."""
        again, self._stale = False, False
        while True:
            connection = self._connection or await self._open()
            try:
                await self._exchange(connection)
            except Farewell:
                again = True
                self._leave()
            else:
                self.ground.answered(self.row, begun, again=again, stale=self._stale)
                return

    async def _open(self) -> Connection:
        """Open another. Raises Unreached, Fault."""
        self._opened = self.ground.now()
        self._connection, self._target, self._stale = await self.ground.reach(self.row)
        head = b"GET /ws HTTP/1.1\r\nHost: %b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" % self.host.encode()
        head += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % _KEY
        answer = await ask(self._connection, head, self.ground.patience)
        if answer.status != 101 or _ACCEPT not in answer.head:
            raise Wrong(f"no WebSocket but status {answer.status}")
        return self._connection

    async def _exchange(self, connection: Connection) -> None:
        """Raises Farewell, Fault."""
        self._number += 1
        data = str(self._number).encode()
        connection.send(b"%c%c\0\0\0\0" % (0x80 | _TEXT, 0x80 | len(data)) + data)
        try:
            async with asyncio.timeout(self.ground.patience):
                while True:
                    frame = self._frame(connection)
                    if frame is None:
                        await connection.more()
                    elif frame == data:
                        return
                    else:
                        raise Wrong(f"message {data!r} came back as {frame!r}")
        except TimeoutError:
            raise Late(f"a message did not come back within {self.ground.patience:.0f} s") from None

    def _frame(self, connection: Connection) -> bytes | None:
        """The next message that has come. Raises Farewell, and Broken when it ended without one."""
        inbox = connection.inbox
        if len(inbox) >= 2 and len(inbox) >= 2 + inbox[1]:
            kind, data = inbox[0] & 15, bytes(inbox[2 : 2 + inbox[1]])
            del inbox[: 2 + inbox[1]]
            if kind == _CLOSE:
                connection.send(b"%c%c\0\0\0\0" % (0x80 | _CLOSE, 0x80 | len(data)) + data)
                raise Farewell
            return data
        if connection.over:
            raise Broken(f"the WebSocket was cut without a close frame: {connection.over}")
        return None

    async def _pause(self) -> None:
        """Wait for the next turn, but answer a farewell at once: the server waits for that."""
        until = self.ground.now() + self.pace.wait()
        while (left := until - self.ground.now()) > 0:
            connection = self._connection
            if connection is None:
                await asyncio.sleep(left)
                return
            try:
                if (message := self._frame(connection)) is not None:
                    raise Wrong(f"a message that nobody asked for: {message!r}")
            except Farewell:
                self._leave()
                continue
            except Fault as fault:
                self._lose(fault)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await connection.more()

    def _lose(self, fault: Fault) -> None:
        self.ground.lost(self.row, self._target, self._opened, fault)
        self._leave()

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

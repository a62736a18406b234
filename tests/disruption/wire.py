"""Wire: a TCP connection as bytes that came so far, and an HTTP answer read from them. Little work for each request.

What can go wrong is told apart, since it is judged apart: the connection was refused (nothing was sent), it ended
before an answer began, it ended in the middle of one, or nothing came in time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self, cast

CONNECT = 5.0
"""Seconds a connection may take to be made. The kernel sends its first packet again after 1 and after 3 seconds."""


class Fault(Exception):
    """A request was not answered as it should be; the text says how."""


class NotConnected(Fault):
    """There was no connection: nothing of the request was sent."""


class Unanswered(Fault):
    """The connection ended before an answer began."""


class Broken(Fault):
    """The connection ended in the middle of an answer, or without the farewell it owed."""


class Late(Fault):
    """Nothing came in time."""


class Wrong(Fault):
    """There was an answer, and it was not the right one."""


class Connection(asyncio.Protocol):
    """One TCP connection. `inbox`: what has come and was not taken yet; `over`: nothing more will come, and why."""

    def __init__(self) -> None:
        self.inbox = bytearray()
        self.over = ""
        self.used = 0
        """Requests answered on it."""
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Connect. Raises NotConnected."""
        try:
            async with asyncio.timeout(CONNECT):
                _, made = await asyncio.get_running_loop().create_connection(cls, host, port)
        except TimeoutError:
            raise NotConnected(f"no connection within {CONNECT:.0f} s") from None
        except OSError as error:
            raise NotConnected(f"no connection: {error.strerror or error}") from None
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.inbox += data
        self._wake()

    def eof_received(self) -> bool:
        """See asyncio.Protocol."""
        self.over = self.over or "ended by the other side"
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.over = self.over or (str(exc) if exc else "ended by the other side")
        self._wake()

    def send(self, data: bytes) -> None:
        """Send; a connection that is over takes nothing."""
        if self._transport is not None:
            self._transport.write(data)

    async def more(self) -> None:
        """Wait until something has come or the connection is over."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `head`: status line and headers as they came; `last`: the connection ends after it."""

    status: int
    head: bytes
    body: bytes
    last: bool


def take(inbox: bytearray) -> Answer | None:
    """Take a whole answer out of what has come; None while it is not whole. Raises Wrong: that is no HTTP."""
    end = inbox.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(inbox[:end])
    lines = head.lower().split(b"\r\n")
    words = lines[0].split(b" ", 2)
    if not words[0].startswith(b"http/1.") or len(words) < 2 or not words[1].isdigit():
        raise Wrong(f"not HTTP: {lines[0][:100]!r}")
    headers = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
    size = 0 if words[1] == b"101" else _size(headers)
    if len(inbox) < end + 4 + size:
        return None
    body = bytes(inbox[end + 4 : end + 4 + size])
    del inbox[: end + 4 + size]
    return Answer(int(words[1]), head, body, headers.get(b"connection") == b"close")


def _size(headers: dict[bytes, bytes]) -> int:
    text = headers.get(b"content-length", b"")
    if not text.isdigit():
        raise Wrong("an answer without Content-Length")
    return int(text)


async def ask(connection: Connection, request: bytes, seconds: float) -> Answer:
    """One request and its answer. Raises Unanswered, Broken, Late, Wrong."""
    connection.send(request)
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = take(connection.inbox)
                if answer is not None:
                    connection.used += 1
                    return answer
                if connection.over:
                    kind = Broken if connection.inbox else Unanswered
                    raise kind(f"{connection.over}, after {len(connection.inbox)} bytes of an answer")
                await connection.more()
    except TimeoutError:
        raise Late(f"no whole answer within {seconds:.0f} s, {len(connection.inbox)} bytes of it") from None

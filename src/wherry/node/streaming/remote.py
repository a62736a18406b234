"""Reach the runtime's streaming server: one SPDY/3.1 session per exec, attach or port-forward.

The runtime hands out a URL with a one-time token on a loopback address; nothing else can use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from wherry.aio.connection import Dialled
from wherry.node.streaming.spdy import Event, Session

HEAD_LIMIT = 64 * 1024
DIAL_SECONDS = 10.0


class RemoteRefused(Exception):
    """The runtime's streaming server did not switch protocols; `status` is its HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def dial(url: str) -> tuple[Dialled, str]:
    """Connect to the server of a streaming URL; answers the connection and the request target. Raises OSError."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise RemoteRefused(500, "the runtime's streaming address is not plain HTTP on this machine")
    async with asyncio.timeout(DIAL_SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=HEAD_LIMIT)
    return Dialled(reader, writer), parts.path + (f"?{parts.query}" if parts.query else "")


def upgrade_head(target: str, protocols: Sequence[str]) -> bytes:
    """The request that asks for SPDY/3.1, offering these stream protocol versions."""
    offers = "".join(f"X-Stream-Protocol-Version: {name}\r\n" for name in protocols)
    return (
        f"POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        f"{offers}Content-Length: 0\r\n\r\n"
    ).encode()


class RemoteSession:
    """A SPDY session over a dialled connection."""

    def __init__(self, connection: Dialled, rest: bytes) -> None:
        self._connection = connection
        self._rest = rest
        self.spdy = Session()

    async def flush(self) -> None:
        """Send what is queued. Raises ConnectionError."""
        data = bytes(self.spdy.outgoing)
        self.spdy.outgoing.clear()
        self._connection.write(data)
        await self._connection.drain()

    async def events(self) -> list[Event] | None:
        """What the runtime said next, or None once it has hung up."""
        data, self._rest = self._rest, b""
        data = data or await self._connection.read()
        if not data:
            return None
        found = self.spdy.receive(data)
        if self.spdy.outgoing:
            await self.flush()
        return found

    def raw(self) -> Dialled:
        """The connection itself, for a client that speaks SPDY on its own; this session is not used then."""
        self._connection.unread(self._rest)
        return self._connection

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


async def open_session(url: str, protocols: Sequence[str]) -> RemoteSession:
    """Dial and upgrade. Raises OSError, RemoteRefused."""
    connection, target = await dial(url)
    connection.write(upgrade_head(target, protocols))
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await connection.read()
        if not piece or len(head) > HEAD_LIMIT:
            connection.close()
            raise RemoteRefused(502, "the runtime's streaming server hung up")
        head += piece
    head, _, rest = head.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1] if head.count(b" ") else b"0"
    if status != b"101":
        connection.close()
        raise RemoteRefused(int(status) if status.isdigit() else 502, rest.decode("utf-8", "replace")[:1000])
    return RemoteSession(connection, rest)

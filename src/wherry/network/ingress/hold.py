"""Requests that wait for an application without an endpoint: held as connections, let go when there is one.

HAProxy sends them to a port of 127.0.0.1, one for each such backend; `Hold` keeps each connection, unread, for at most
the seconds that its route allows, and then relays it to the first endpoint. What cannot be kept is answered 503.
Bounded in number; what waits costs its connection and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from wherry.network.ingress.backends import Backend, Endpoint

MOST = 1000
"""Connections held at a time, over all backends."""
_PIECE = 1 << 16
_TOO_MANY = "too many requests are waiting"
_TOO_LONG = "the application did not become ready in time"


def _refusal(why: str) -> bytes:
    body = f"{why}\n".encode()
    head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Retry-After: 5\r\nConnection: close\r\n\r\n" + body


@dataclass(slots=True)
class _Room:
    """Where the requests of one backend wait."""

    server: asyncio.Server
    endpoint: Endpoint
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    targets: tuple[Endpoint, ...] = ()


class Hold:
    """All waiting rooms of one node."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rooms: dict[Backend, _Room] = {}
        self.waiting = 0

    async def match(self, endpoints: Mapping[Backend, tuple[Endpoint, ...]]) -> dict[Backend, Endpoint]:
        """Open and close rooms as the backends say; where HAProxy is to send what has to wait."""
        for backend in [known for known in self._rooms if known not in endpoints]:
            self._rooms.pop(backend).server.close()
        for backend, targets in endpoints.items():
            if not backend.options.hold:
                continue
            room = self._rooms.get(backend)
            if room is None:
                room = self._rooms[backend] = await self._open(backend)
            room.targets = targets
            if targets:
                room.ready.set()
            else:
                room.ready.clear()
        return {backend: room.endpoint for backend, room in self._rooms.items()}

    def close(self) -> None:
        """Close every room; those who wait are cut."""
        for room in self._rooms.values():
            room.server.close()
        self._rooms.clear()

    async def _open(self, backend: Backend) -> _Room:
        async def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._keep(self._rooms[backend], backend.options.hold, reader, writer)

        server = await asyncio.start_server(arrive, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        return _Room(server, Endpoint(host, port))

    async def _keep(
        self, room: _Room, seconds: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.waiting >= self._most:
            await _answer(writer, _TOO_MANY)
            return
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await room.ready.wait()
                target = room.targets[0]
                there = await asyncio.open_connection(target.ip, target.port)
        except (TimeoutError, OSError):
            await _answer(writer, _TOO_LONG)
            return
        finally:
            self.waiting -= 1
        await _splice((reader, writer), there)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _answer(writer: asyncio.StreamWriter, why: str) -> None:
    with contextlib.suppress(OSError):
        writer.write(_refusal(why))
        await writer.drain()
    writer.close()


async def _splice(one: Ends, other: Ends) -> None:
    """Pass bytes both ways until both have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass(one[0], other[1]))
            group.create_task(_pass(other[0], one[1]))
    except* OSError:
        pass
    finally:
        one[1].close()
        other[1].close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()

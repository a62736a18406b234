"""Raw byte connections: one that was taken over from an HTTP server, one that was dialled, and joining the two.

Used for exec, attach, port-forward and proxied upgrades, where after the HTTP head both sides are plain bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

READ_SIZE = 256 * 1024


class Connection(Protocol):
    """Bytes in, bytes out."""

    async def read(self) -> bytes:
        """The next bytes, b"" at the end."""

    def write(self, data: bytes) -> None:
        """Queue bytes."""

    async def drain(self) -> None:
        """Wait until the peer has taken most of what is queued. Raises ConnectionError when it is gone."""

    def close_write(self) -> None:
        """Say that no more bytes will come, where the transport can."""

    def close(self) -> None:
        """Flush and close."""


class Hijacked(asyncio.Protocol):
    """The bytes of a connection taken over from an HTTP server: install with `transport.set_protocol`.

    `tail` is what the server had already read; `lost` is told when the connection is gone, so the server forgets it.
    """

    HIGH = 1024 * 1024

    def __init__(self, transport: Any, tail: bytes, lost: Callable[[Exception | None], None]) -> None:
        self._transport = transport
        self._lost = lost
        self._pieces: list[bytes] = [tail] if tail else []
        self._size = len(tail)
        self._ended = False
        self._paused = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self.HIGH and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._readable.set()

    def eof_received(self) -> bool:
        """The peer will send no more; keep our side open where the transport allows it."""
        self._ended = True
        self._readable.set()
        return self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended = True
        self._readable.set()
        self._writable.set()
        self._lost(exc)

    def pause_writing(self) -> None:
        """The peer is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._writable.set()

    async def read(self) -> bytes:
        """The next bytes, b"" at the end."""
        while not self._pieces and not self._ended:
            self._readable.clear()
            await self._readable.wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until most of what is queued is gone. Raises ConnectionError when the peer is."""
        await self._writable.wait()
        if self._transport.is_closing():
            raise ConnectionResetError("the peer is gone")

    def close_write(self) -> None:
        """Half-close where the transport can (not over TLS)."""
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Flush and close."""
        self._transport.close()


class Dialled:
    """A connection made with `asyncio.open_connection`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._before = b""

    def unread(self, data: bytes) -> None:
        """Put bytes back: the next read returns them."""
        self._before = data + self._before

    async def read(self) -> bytes:
        """The next bytes, b"" at the end."""
        if self._before:
            data, self._before = self._before, b""
            return data
        return await self._reader.read(READ_SIZE)

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if not self._writer.is_closing():
            self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken most of what is queued. Raises ConnectionError when it is gone."""
        await self._writer.drain()

    def close_write(self) -> None:
        """Half-close where the transport can (not over TLS)."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


async def pump(source: Connection, target: Connection) -> None:
    """Copy until the source ends, then half-close the target. Raises ConnectionError when the target is gone."""
    while data := await source.read():
        target.write(data)
        await target.drain()
    target.close_write()


async def splice(client: Connection, server: Connection) -> None:
    """Copy both ways until the server's side ends (or the client is gone), then close both."""

    async def to_server() -> None:
        try:
            await pump(client, server)
        except ConnectionError:
            server.close()

    async def to_client() -> None:
        try:
            await pump(server, client)
        except ConnectionError:
            server.close()

    forward = asyncio.create_task(to_server())  # noqa: TID251 - ends below, in this very function
    try:
        await to_client()
    finally:
        forward.cancel()
        await asyncio.gather(forward, return_exceptions=True)
        client.close()
        server.close()

"""Take a connection over from aiohttp's server: after the HTTP head both sides are plain bytes."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from wherry.aio.connection import Hijacked


def take_over(request: BaseRequest) -> Hijacked:
    """The raw connection of a request, with nothing answered yet. Raises ConnectionResetError when it is gone.

    The handler then owns it, writes the answer's head itself and returns `Finished()`.
    """
    protocol = request._protocol
    transport: Any = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    connection = Hijacked(transport, bytes(protocol._message_tail), protocol.connection_lost)
    protocol._message_tail = b""
    protocol.keep_alive(False)  # noqa: FBT003 - aiohttp's signature
    transport.set_protocol(connection)
    transport.resume_reading()
    return connection


class Finished(web.StreamResponse):
    """Stands for an answer that was written by hand: aiohttp adds nothing and closes."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: BaseRequest) -> None:
        """Nothing to prepare."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing to end."""

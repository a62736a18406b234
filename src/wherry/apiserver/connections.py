"""Connections: aiohttp's, with two short ways through them.

`Whole` is an answer whose bytes are all known: head and body leave in one piece. `Connections` also asks `at_once`
about a plain GET as soon as it is read, while its connection is idle: what that answers needs no task and no turn of
the event loop. With `server.py`, this is all that knows aiohttp.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion10, HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import _serialize_headers
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import REASON_PHRASES

from wherry.apiserver.http import Query, Request, Response

logger = logging.getLogger(__name__)

AtOnce = Callable[[Request], Response | None]
"""Answers a GET that has neither query nor body. None: ask in the usual way, nothing has happened."""
_EMPTY = frozenset({204, 304})  # statuses of answers that have no body
_OURS = frozenset({"Connection", "Content-Length", "Date", "Server", "Transfer-Encoding"})
_NO_QUERY = Query("")


def never(_: Request) -> Response | None:
    """An `AtOnce` that leaves everything to the usual way."""
    return None


def fits(answer: Response) -> bool:
    """Whether a Whole can send it: it says nothing itself of what `head` says."""
    return answer.status >= 200 and answer.status not in _EMPTY and _OURS.isdisjoint(answer.headers)


def head(answer: Response, body: bytes, connection: str, version: str = "1.1") -> bytes:
    """What is sent before the body. `connection`: what the header of that name says; "": it is left out.

    Raises ValueError when a header may not be sent.
    """
    headers = answer.headers
    headers["Content-Type"] = answer.content_type
    headers["Cache-Control"] = "no-cache, private"
    headers["Content-Length"] = str(len(body))
    headers["Date"] = rfc822_formatted_time()
    headers["Server"] = SERVER_SOFTWARE
    if connection:
        headers["Connection"] = connection
    line = f"HTTP/{version} {answer.status} {REASON_PHRASES.get(answer.status, '')}"
    serialized: bytes = _serialize_headers(line, headers)  # type: ignore[arg-type] # any mapping will do
    return serialized


class Whole(web.StreamResponse):
    """An answer that `fits`."""

    def __init__(self, answer: Response, body: bytes) -> None:  # what the base class keeps is not needed
        self._answer = answer
        self._whole = body

    async def prepare(self, request: BaseRequest) -> None:
        """Send everything; wait for a client that is slow to read. Raises ConnectionResetError."""
        kept = self._keep_alive = request.keep_alive
        if request.version == HttpVersion11:
            data = head(self._answer, self._whole, "" if kept else "close")
        else:
            old = request.version == HttpVersion10
            version = f"{request.version.major}.{request.version.minor}"
            data = head(self._answer, self._whole, "keep-alive" if kept and old else "", version)
        if request.method != "HEAD":
            data += self._whole
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything has been sent."""


class Connections(web.Server):
    """aiohttp's server of a handler, with `at_once` asked first where it can be."""

    def __init__(
        self, handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]], at_once: AtOnce, **settings: Any
    ) -> None:
        super().__init__(handler, **settings)
        self.at_once = at_once

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return _Connection(self, self.at_once, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    __slots__ = ("_at_once",)

    def __init__(self, manager: Connections, at_once: AtOnce, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self._at_once = at_once

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done() or self._messages or self._paused:
            super().data_received(data)
            return
        self._waiter = None  # `start` is woken only for what is not answered here
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        messages = self._messages
        if not messages or waiter.done():
            return
        if len(messages) == 1 and self._answered(*messages[0]):
            messages.clear()
            self._over()
        else:
            waiter.set_result(None)

    def _over(self) -> None:
        """Do as `start` does after a request."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._manager is not None:
            self._manager.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    def _answered(self, message: Any, payload: StreamReader) -> bool:
        if not isinstance(message, RawRequestMessage) or payload is not EMPTY_PAYLOAD or not _is_plain(message):
            return False
        transport = self.transport
        if transport is None or transport.is_closing() or self._keepalive_handle is None:
            return False
        request = Request("GET", message.path, _NO_QUERY, message.headers, "", self._cache, _nothing, _empty)
        try:
            answer = self._at_once(request)
        except Exception:
            logger.exception("GET %s was not answered at once", message.path)
            return False
        if answer is None or not isinstance(answer.body, bytes):
            return False
        transport.write(head(answer, answer.body, "") + answer.body)
        return True


def _is_plain(message: RawRequestMessage) -> bool:
    return (
        message.method == "GET"
        and message.version == HttpVersion11
        and not (message.should_close or message.upgrade or message.chunked)
        and "?" not in message.path
    )


def _nothing() -> None:
    """A connection whose certificate is not known yet is nothing for the short way."""


async def _empty() -> bytes:
    return b""

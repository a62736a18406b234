"""The HTTP server: aiohttp's low-level server, TLS with optional client certificates, behind wherry's own types.

Owns sockets, request limits and time limits; knows no Kubernetes. `serve(handler)` is all the rest of the API server
sees. Slow clients: a request body must be complete within BODY_SECONDS, an idle connection is closed after
IDLE_SECONDS, a stream whose client is STREAM_BACKLOG bytes behind is cut off,
and sooner where several are, which hold STREAMS_BACKLOG bytes together at most (and BEHIND each).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import ClientPayloadError, StreamReader, web
from aiohttp.web_request import BaseRequest

from wherry.aio.takeover import Finished, take_over
from wherry.aio.tls import CIPHERS
from wherry.apiserver.connections import AtOnce, Connections, Whole, fits
from wherry.apiserver.http import Answer, Query, Request, Response, Stream, Upgrade
from wherry.machinery.errors import BadRequest, Timeout, TooLarge, UnsupportedMediaType

logger = logging.getLogger(__name__)

BODY_LIMIT = 3 * 1024 * 1024
BODY_SECONDS = 30.0
IDLE_SECONDS = 180.0
STREAM_BACKLOG = 8 * 1024 * 1024
STREAMS_BACKLOG = 128 * 1024 * 1024
BEHIND = 256 * 1024
GZIP_FROM = 128 * 1024
SLICE = 256 * 1024
LARGEST = 512 * 1024  # what is written at once; TLS copies more of it around

Handler = Callable[[Request], Awaitable[Answer]]


class Server:
    """Listens on one address and hands every request to `handler`, unless `at_once` has answered it."""

    def __init__(self, handler: Handler, at_once: AtOnce) -> None:
        self._handler = handler
        self._chunks = _Chunks()
        self._behind = _Behind()
        self._web = Connections(
            self._handle,
            at_once,
            keepalive_timeout=IDLE_SECONDS,
            access_log=None,
            max_field_size=64 * 1024,
            max_line_size=64 * 1024,
            auto_decompress=False,
            handler_cancellation=True,
        )
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Listen; port 0 takes a free one, found in `port`. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._web, host, port, ssl=context, backlog=1024, reuse_address=True, start_serving=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self, grace: float = 1.0) -> None:
        """Stop listening, end open requests."""
        if self._listener is not None:
            self._listener.close()
        await self._web.shutdown(grace)

    @property
    def held(self) -> int:
        """Bytes that wait for clients to read them."""
        open_ = (connection.transport for connection in self._web.connections)
        return sum(transport.get_write_buffer_size() for transport in open_ if transport is not None)

    def cut(self, whose: Callable[[Mapping[Any, Any]], bool]) -> None:
        """End the connections whose session `whose` is true of, with everything that runs on them."""
        for connection in self._web.connections:
            if whose(connection._cache) and connection.transport is not None:
                connection.transport.abort()

    async def _handle(self, raw: BaseRequest) -> web.StreamResponse:
        target, _, query = raw._message.path.partition("?")
        reader = _Body(raw)
        request = Request(
            method=raw.method,
            path=target,
            query=Query(query),
            headers=raw.headers,
            remote=raw.remote or "",
            session=raw._protocol._cache,
            certificate=lambda: _peer_certificate(raw),
            read=reader.read,
            chunks=reader.chunk,
        )
        answer = await self._handler(request)
        if answer.finish is None:
            return await self._send(raw, answer)
        try:
            return await self._send(raw, answer)
        finally:
            answer.finish()

    async def _send(self, raw: BaseRequest, answer: Answer) -> web.StreamResponse:
        match answer:
            case Response():
                return await _respond(raw, answer)
            case Stream():
                return await _stream(raw, answer, self._chunks, self._behind)
            case Upgrade():
                return await _upgrade(raw, answer)


def server_context(certificate: str, key: str, *authorities: str) -> ssl.SSLContext:
    """TLS for the API server: own certificate chain and key (files), optional client certificates of `authorities`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(CIPHERS)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    for authority in authorities:
        context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def _peer_certificate(raw: BaseRequest) -> bytes | None:
    tls = raw.get_extra_info("ssl_object")
    return None if tls is None else tls.getpeercert(binary_form=True)


class _Body:
    """Reads a request body within the limits."""

    __slots__ = ("_raw",)

    def __init__(self, raw: BaseRequest) -> None:
        self._raw = raw

    async def read(self) -> bytes:
        raw = self._raw
        if (raw.content_length or 0) > BODY_LIMIT:
            raise TooLarge(f"Request entity too large: limit is {BODY_LIMIT}")
        if not raw.can_read_body:
            return b""
        if raw.headers.get("Expect", "").lower() == "100-continue" and raw.transport is not None:
            raw.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            data = await _read_all(raw.content)
        except TimeoutError:
            raise Timeout("Timeout: request did not complete within the allotted timeout") from None
        except ClientPayloadError as error:
            raise BadRequest(f"cannot read the request body: {error}") from None
        if len(data) > BODY_LIMIT:
            raise TooLarge(f"Request entity too large: limit is {BODY_LIMIT}")
        return _decompress(data, raw.headers.get("Content-Encoding", ""))

    async def chunk(self) -> bytes:
        return await self._raw.content.readany()


async def _read_all(content: StreamReader) -> bytes:
    if content.is_eof():  # nothing to wait for, as with most bodies
        return content.read_nowait()
    parts: list[bytes] = []
    size = 0
    async with asyncio.timeout(BODY_SECONDS):
        while part := await content.readany():
            size += len(part)
            if size > BODY_LIMIT:
                raise TooLarge(f"Request entity too large: limit is {BODY_LIMIT}")
            parts.append(part)
    return b"".join(parts)


def _decompress(data: bytes, encoding: str) -> bytes:
    if not encoding or encoding == "identity":
        return data
    if encoding != "gzip":
        raise UnsupportedMediaType(f"content encoding {encoding!r} is not supported")
    unpack = zlib.decompressobj(31)
    try:
        plain = unpack.decompress(data, BODY_LIMIT + 1)
    except zlib.error as error:
        raise BadRequest(f"gzip: {error}") from None
    if len(plain) > BODY_LIMIT:
        raise TooLarge(f"Request entity too large: limit is {BODY_LIMIT}")
    return plain


async def _respond(raw: BaseRequest, answer: Response) -> web.StreamResponse:
    headers = answer.headers
    body = answer.body
    if isinstance(body, bytes) and len(body) < GZIP_FROM and not answer.warnings and fits(answer):
        return Whole(answer, body)
    headers["Content-Type"] = answer.content_type
    headers["Cache-Control"] = "no-cache, private"
    if isinstance(body, bytes) and len(body) < GZIP_FROM and not answer.warnings:
        return web.Response(body=body, status=answer.status, headers=headers)
    size = len(body) if isinstance(body, bytes) else body.size
    pieces: Iterable[bytes] = (body,) if isinstance(body, bytes) else body.pieces
    response = web.StreamResponse(status=answer.status, headers=headers)
    for text in answer.warnings:
        response.headers.add("Warning", f'299 - "{_quoted(text)}"')
    if size >= GZIP_FROM and "gzip" in raw.headers.get("Accept-Encoding", ""):
        pieces = await asyncio.get_running_loop().run_in_executor(None, _compress, pieces)
        size = sum(map(len, pieces))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    response.content_length = size
    await response.prepare(raw)
    if raw.method != "HEAD":
        await _write(response, pieces)
    return response


async def _write(response: web.StreamResponse, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        if len(piece) <= LARGEST:
            await response.write(piece)
            continue
        for start in range(0, len(piece), SLICE):
            await response.write(piece[start : start + SLICE])


def _compress(pieces: Iterable[bytes]) -> list[bytes]:
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    out = [pack.compress(piece) for piece in pieces]
    out.append(pack.flush())
    return [piece for piece in out if piece]


def _quoted(text: str) -> str:
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean.replace("\\", "\\\\").replace('"', '\\"')


async def _stream(raw: BaseRequest, answer: Stream, chunks: _Chunks, behind: _Behind) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.headers["Content-Type"] = answer.content_type
    response.headers["Cache-Control"] = "no-cache, private"
    if raw.version >= (1, 1):
        response.enable_chunked_encoding()
    else:
        response.force_close()
    await response.prepare(raw)
    sink = _StreamSink(raw, response, chunks, behind)
    try:
        await answer.run(sink)
    finally:
        sink.finish()
    return response


class _Chunks:
    """Pieces as HTTP chunks. One change goes to many watchers, one after the other: the last chunk is kept."""

    __slots__ = ("_chunk", "_data")

    def __init__(self) -> None:
        self._data = self._chunk = b""

    def of(self, data: bytes) -> bytes:
        if data is not self._data:
            self._data, self._chunk = data, b"%x\r\n%b\r\n" % (len(data), data)
        return self._chunk


class _Behind:
    """Streams whose clients do not keep up. Encrypted bytes are shared by nobody, so each may hold its share only."""

    __slots__ = ("_sinks",)

    def __init__(self) -> None:
        self._sinks: set[_StreamSink] = set()

    def too_far(self, sink: _StreamSink, size: int) -> bool:
        """Whether a stream that holds `size` bytes is to be cut off."""
        sink.late = True
        self._sinks.add(sink)
        return size > min(STREAM_BACKLOG, STREAMS_BACKLOG // len(self._sinks))

    def leave(self, sink: _StreamSink) -> None:
        """It has caught up, or is over."""
        sink.late = False
        self._sinks.discard(sink)


class _StreamSink:
    """Writes pieces of a stream straight to the transport."""

    __slots__ = ("_behind", "_calls", "_chunked", "_chunks", "_response", "_transport", "late")

    def __init__(self, raw: BaseRequest, response: web.StreamResponse, chunks: _Chunks, behind: _Behind) -> None:
        self._transport: Any = raw.transport
        self._behind = behind
        self.late = False
        self._chunks = chunks
        self._response = response
        self._chunked = raw.version >= (1, 1)
        self._calls: list[Callable[[], None]] = []

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    async def write(self, data: bytes) -> None:
        if self.closed:
            raise ConnectionResetError("the client is gone")
        if data:
            await self._response.write(data)

    def push(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        size = transport.get_write_buffer_size()
        if size > BEHIND:
            if self._behind.too_far(self, size):
                transport.abort()
                return False
        elif self.late:
            self._behind.leave(self)
        transport.write(self._chunks.of(data) if self._chunked else data)
        return True

    def on_close(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def finish(self) -> None:
        self._behind.leave(self)
        for call in self._calls:
            call()


async def _upgrade(raw: BaseRequest, answer: Upgrade) -> web.StreamResponse:
    connection = take_over(raw)
    try:
        await answer.run(connection)
    except (ConnectionError, asyncio.CancelledError):
        logger.debug("an upgraded connection ended early")
    except Exception:
        logger.exception("an upgraded connection failed")
    finally:
        connection.close()
    return Finished()

"""Agents: how the API server reaches a node's agent, and hands a client's request on to it.

The agent is known by its node's name, not by its address: its certificate must carry that name (KEP-4872). A request
that asks for an upgrade (exec, attach, port-forward) is passed on byte for byte, but only after the agent has answered
101; any other answer ends the connection, so that no client is left with a pipe behind the API server's own identity
(CVE-2018-1002105). Redirects are never followed (CVE-2018-1002102, CVE-2020-8559).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from wherry.aio.connection import Connection, Dialled, splice
from wherry.api.types.core import Node
from wherry.apiserver.http import Answer, Gather, Request, Sink, Stream, Upgrade
from wherry.machinery.errors import APIError, BadRequest, InternalError, ServiceUnavailable, from_status

HEAD_LIMIT = 64 * 1024
DIAL_SECONDS = 10.0
AGENT_PORT = 10250
# Of a client's upgrade request these go on to the agent; nothing that carries an identity does.
_PASSED = (
    "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
    "X-Stream-Protocol-Version", "Origin",
)  # fmt: skip
_REASONS = {
    200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error", 502: "Bad Gateway",
}  # fmt: skip
REDIRECTED = b"the backend attempted to redirect this request, which is not permitted"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an HTTP answer: status, lower-case headers, its bytes as sent, and what came after it."""

    status: int
    headers: dict[str, str]
    raw: bytes
    rest: bytes


class Agents:
    """Dials node agents. `node(name)` finds a Node; `context()` is TLS with the API server's own certificate."""

    def __init__(self, node: Callable[[str], Node | None], context: Callable[[], ssl.SSLContext]) -> None:
        self._node = node
        self._context = context

    async def dial(self, name: str) -> Dialled:
        """Connect to a node's agent. Raises ServiceUnavailable, InternalError."""
        node = self._node(name)
        if node is None:
            raise InternalError(f'node "{name}" not found')
        addresses = [a.address for a in node.status.addresses if a.type == "InternalIP"]
        if not addresses:
            raise InternalError(f'no preferred addresses found; known addresses: [] of node "{name}"')
        port = node.status.daemon_endpoints.kubelet_endpoint.port or AGENT_PORT
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                reader, writer = await asyncio.open_connection(
                    addresses[0], port, ssl=self._context(), server_hostname=name, limit=HEAD_LIMIT * 4
                )
        except (OSError, TimeoutError) as error:
            raise ServiceUnavailable(
                f'the agent of node "{name}" cannot be reached: {str(error) or "timed out"}'
            ) from None
        return Dialled(reader, writer)

    async def fetch(self, name: str, target: str) -> bytes:
        """What the agent of node `name` answers to a GET of `target` (path and query). Raises APIError."""
        agent = await self.dial(name)
        try:
            agent.write(f"GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            head = await read_head(agent)
            if head.status != 200:
                raise _refusal(head.status, await read_rest(agent, head))
            gather = Gather()
            await relay_body(agent, head, gather)
            return b"".join(gather.parts)
        finally:
            agent.close()

    async def forward(self, request: Request, name: str, target: str) -> Answer:
        """Hand a request on to the agent of node `name` at `target` (path and query); answers what it answers."""
        if request.headers.get("Upgrade"):
            return Upgrade(lambda client: self._upgrade(client, request, name, target))
        agent = await self.dial(name)
        agent.write(f"{request.method} {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        head = await read_head(agent)
        if head.status != 200:
            body = await read_rest(agent, head)
            agent.close()
            raise _refusal(head.status, body)
        return Stream(lambda sink: relay_body(agent, head, sink), content_type=head.headers.get("content-type", ""))

    async def _upgrade(self, client: Connection, request: Request, name: str, target: str) -> None:
        try:
            agent = await self.dial(name)
        except APIError as error:
            answer_plainly(client, error.code, str(error).encode())
            return
        agent.write(_upgrade_request(request, name, target))
        try:
            head = await read_head(agent)
        except APIError as error:
            answer_plainly(client, error.code, str(error).encode())
            agent.close()
            return
        if head.status != 101:
            status, body = refused(head.status, await read_rest(agent, head))
            answer_plainly(client, status, body)
            agent.close()
            return
        client.write(head.raw + head.rest)
        await splice(client, agent)


def _upgrade_request(request: Request, name: str, target: str) -> bytes:
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {name}", "Connection: Upgrade"]
    for header in _PASSED:
        lines += [f"{header}: {value}" for name, value in request.headers.items() if name.lower() == header.lower()]
    if request.method == "POST":
        lines.append("Content-Length: 0")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_head(agent: Dialled) -> Head:
    """The head of the peer's answer. Raises ServiceUnavailable."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await agent.read()
        if not piece or len(data) > HEAD_LIMIT:
            raise ServiceUnavailable("the agent hung up before it answered")
        data += piece
    raw, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = raw.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[1].isdigit():
        raise ServiceUnavailable("the agent does not speak HTTP")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Head(int(parts[1]), headers, raw + b"\r\n\r\n", rest)


class _Chunks:
    """Undoes the chunked transfer coding, piece by piece."""

    def __init__(self) -> None:
        self._buffer = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        out: list[bytes] = []
        while not self.done:
            size, found, after = self._buffer.partition(b"\r\n")
            if not found:
                break
            try:
                length = int(size.split(b";")[0], 16)
            except ValueError:
                raise BadRequest("the agent sent a broken chunk") from None
            if length == 0:
                self.done = True
            elif len(after) >= length + 2:
                out.append(after[:length])
                self._buffer = after[length + 2 :]
            else:
                break
        return b"".join(out)


async def relay_body(agent: Dialled, head: Head, sink: Sink) -> None:
    """Pass the body on to the client until it ends; closes the connection."""
    sink.on_close(agent.close)
    chunked = _Chunks() if head.headers.get("transfer-encoding", "").lower() == "chunked" else None
    data = head.rest
    try:
        while True:
            if data:
                plain = chunked.feed(data) if chunked else data
                if plain:
                    await sink.write(plain)
            if chunked and chunked.done:
                return
            data = await agent.read()
            if not data:
                return
    finally:
        agent.close()


async def read_rest(agent: Dialled, head: Head) -> bytes:
    """The body of a short answer, or its beginning."""
    body = head.rest
    limit = int(head.headers.get("content-length", HEAD_LIMIT))
    while len(body) < min(limit, HEAD_LIMIT) and (piece := await agent.read()):
        body += piece
    return body


def refused(status: int, body: bytes) -> tuple[int, bytes]:
    """What a client is told of an answer that is none: where it was sent instead is not for it to know."""
    return (502, REDIRECTED) if 300 <= status < 400 else (status, body)


def _refusal(status: int, body: bytes) -> APIError:
    status, body = refused(status, body)
    return from_status({"message": body.decode("utf-8", "replace"), "code": status}, status)


def answer_plainly(client: Connection, status: int, body: bytes) -> None:
    """Answer on a raw connection and close it."""
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Refused')}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    client.write(head.encode() + body)
    client.close()

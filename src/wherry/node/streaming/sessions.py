"""Sessions: answer the agent's exec, attach, port-forward and log requests.

A client that speaks SPDY is spliced to the runtime's streaming server byte for byte. A client that speaks WebSocket is
bridged (`remotecommand`, `portforward`). Nothing of a session passes through the agent's own files, so an agent that
dies ends sessions but never a container.
"""

from __future__ import annotations

import base64
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.web_request import BaseRequest

from wherry.aio.connection import splice
from wherry.aio.takeover import Finished, take_over
from wherry.node.runtime.interface import Runtime, RuntimeFault
from wherry.node.streaming import portforward, remotecommand
from wherry.node.streaming.logs import LogOptions, read_log
from wherry.node.streaming.remote import RemoteRefused, dial, open_session, upgrade_head
from wherry.node.streaming.remotecommand import Wanted

logger = logging.getLogger(__name__)

LARGEST_MESSAGE = 32 * 1024 * 1024
"""Bytes of a client's WebSocket message; a larger one ends the session. As upstream's servers."""


def _upgrade_of(request: BaseRequest) -> str:
    return request.headers.get("Upgrade", "").lower()


class Sessions:
    """Streaming sessions against one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def exec(
        self, request: BaseRequest, container_id: str, command: tuple[str, ...], wanted: Wanted
    ) -> web.StreamResponse:
        """Run a command in a container, its streams carried to the client."""
        try:
            url = await self._runtime.exec_url(
                container_id,
                command,
                stdin=wanted.stdin,
                stdout=wanted.stdout,
                stderr=wanted.stderr and not wanted.tty,
                tty=wanted.tty,
            )
        except RuntimeFault as fault:
            return web.Response(status=500, text=str(fault))
        return await self._remote_command(request, url, wanted)

    async def attach(self, request: BaseRequest, container_id: str, wanted: Wanted) -> web.StreamResponse:
        """Join the streams of a container's main process."""
        try:
            url = await self._runtime.attach_url(
                container_id,
                stdin=wanted.stdin,
                stdout=wanted.stdout,
                stderr=wanted.stderr and not wanted.tty,
                tty=wanted.tty,
            )
        except RuntimeFault as fault:
            return web.Response(status=500, text=str(fault))
        return await self._remote_command(request, url, wanted)

    async def _remote_command(self, request: BaseRequest, url: str, wanted: Wanted) -> web.StreamResponse:
        if _upgrade_of(request) == "spdy/3.1":
            return await _spliced(request, url, remotecommand.REMOTE_PROTOCOLS)
        if _upgrade_of(request) != "websocket":
            return web.Response(status=400, text="Upgrade request required")
        socket = web.WebSocketResponse(protocols=remotecommand.PROTOCOLS, compress=False, max_msg_size=LARGEST_MESSAGE)
        try:
            remote = await open_session(url, remotecommand.REMOTE_PROTOCOLS)
        except (OSError, TimeoutError, RemoteRefused) as error:
            return web.Response(status=502, text=f"the container runtime refused the session: {error}")
        try:
            await socket.prepare(request)
        except BaseException:
            remote.close()
            raise
        await remotecommand.bridge(socket, remote, wanted)
        return socket

    async def port_forward(self, request: BaseRequest, sandbox_id: str, ports: tuple[int, ...]) -> web.StreamResponse:
        """Carry connections to ports inside a sandbox."""
        try:
            url = await self._runtime.port_forward_url(sandbox_id, ports)
        except RuntimeFault as fault:
            return web.Response(status=500, text=str(fault))
        if _upgrade_of(request) == "spdy/3.1":
            return await _spliced(request, url, portforward.REMOTE_PROTOCOLS)
        if _upgrade_of(request) != "websocket":
            return web.Response(status=400, text="Upgrade request required")
        socket = web.WebSocketResponse(protocols=portforward.PROTOCOLS, compress=False, max_msg_size=LARGEST_MESSAGE)
        offered = {name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
        try:
            session = await open_session(url, portforward.REMOTE_PROTOCOLS)
        except (OSError, TimeoutError, RemoteRefused) as error:
            return web.Response(status=502, text=f"the container runtime refused the session: {error}")
        await socket.prepare(request)
        if portforward.TUNNEL in offered:
            await portforward.tunnel(socket, session.raw())
        else:
            await portforward.channels(socket, session, ports)
        return socket

    async def logs(
        self, request: BaseRequest, path: Path, options: LogOptions, ended: Callable[[], bool]
    ) -> web.StreamResponse:
        """A container's log at `path`; with `follow` until `ended()`."""
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        pieces = read_log(path, options, ended)
        try:
            first = await anext(pieces, b"")
        except FileNotFoundError:
            return web.Response(status=404, text=f"the log of this container is gone: {path.name}")
        if _upgrade_of(request) == "websocket":
            return await _log_socket(request, first, pieces)
        await response.prepare(request)
        if first:
            await response.write(first)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
        return response


LOG_PROTOCOLS = ("binary.k8s.io", "base64.binary.k8s.io")


async def _log_socket(request: BaseRequest, first: bytes, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """A log as messages, for clients that can only do WebSockets: an empty one to begin with, then its pieces."""
    socket = web.WebSocketResponse(protocols=LOG_PROTOCOLS, compress=False)
    await socket.prepare(request)
    text = (socket.ws_protocol or "").startswith("base64")

    async def send(piece: bytes) -> None:
        if text:
            await socket.send_str(base64.b64encode(piece).decode())
        else:
            await socket.send_bytes(piece)

    with contextlib.suppress(ConnectionError):
        await send(b"")
        if first:
            await send(first)
        async for piece in pieces:
            await send(piece)
        await socket.close()
    return socket


async def _spliced(request: BaseRequest, url: str, default: tuple[str, ...]) -> web.StreamResponse:
    offered = tuple(
        name.strip()
        for value in request.headers.getall("X-Stream-Protocol-Version", [])
        for name in value.split(",")
        if name.strip().replace(".", "").replace("-", "").isalnum()
    )
    try:
        remote, target = await dial(url)
    except (OSError, TimeoutError, RemoteRefused) as error:
        return web.Response(status=502, text=f"the container runtime cannot be reached: {error}")
    client = take_over(request)
    remote.write(upgrade_head(target, offered or default))
    await splice(client, remote)
    return Finished()

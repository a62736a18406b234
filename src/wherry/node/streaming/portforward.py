"""Port-forward over WebSocket: SPDY tunnelled in it (kubectl from 1.31), or two channels per port (elder clients).

Tunnel: every binary message is a piece of the client's own SPDY/3.1 session, passed on unread. Channels: for the n-th
port of the query, channel 2n carries data and 2n+1 errors; each starts with the port as two little-endian bytes.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import WSMsgType, web

from wherry.aio.connection import Dialled
from wherry.node.streaming.both_ways import both_ways
from wherry.node.streaming.remote import RemoteSession
from wherry.node.streaming.remotecommand import payload
from wherry.node.streaming.spdy import Data, Reset

TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = ("v4.channel.k8s.io", "portforward.k8s.io", "channel.k8s.io")
PROTOCOLS = (TUNNEL, *CHANNELS)
REMOTE_PROTOCOLS = ("portforward.k8s.io",)


async def tunnel(socket: web.WebSocketResponse, remote: Dialled) -> None:
    """Pass SPDY bytes both ways until a side hangs up; closes both. `remote` is already upgraded."""

    async def up() -> None:
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                remote.write(message.data)
                await remote.drain()

    async def down() -> None:
        while data := await remote.read():
            await socket.send_bytes(data)

    await both_ways(socket, remote, up, down())


async def channels(socket: web.WebSocketResponse, remote: RemoteSession, ports: Sequence[int]) -> None:
    """Carry every port over its two channels until a side hangs up; closes both."""
    to_channel: dict[int, int] = {}
    to_stream: dict[int, int] = {}
    for n, port in enumerate(ports):
        headers = {"port": str(port), "requestid": str(n)}
        error = remote.spdy.open({"streamtype": "error", **headers})
        remote.spdy.send(error, b"", end=True)
        data = remote.spdy.open({"streamtype": "data", **headers})
        to_channel |= {data: 2 * n, error: 2 * n + 1}
        to_stream[2 * n] = data
        for channel in (2 * n, 2 * n + 1):
            await socket.send_bytes(bytes((channel,)) + port.to_bytes(2, "little"))
    await remote.flush()

    async def up() -> None:
        async for message in socket:
            data = payload(message)
            if data and data[0] in to_stream:
                remote.spdy.send(to_stream[data[0]], data[1:])
                await remote.flush()

    await both_ways(socket, remote, up, _down(socket, remote, to_channel))


async def _down(socket: web.WebSocketResponse, remote: RemoteSession, to_channel: dict[int, int]) -> None:
    waiting = {stream for stream, channel in to_channel.items() if channel % 2 == 0}
    while waiting:
        events = await remote.events()
        if events is None:
            return
        for event in events:
            if isinstance(event, Data):
                if event.data and event.stream in to_channel:
                    await socket.send_bytes(bytes((to_channel[event.stream],)) + event.data)
                if event.end:
                    waiting.discard(event.stream)
            elif isinstance(event, Reset):
                waiting.discard(event.stream)

"""Exec and attach over WebSocket: channels of `v5.channel.k8s.io` and its elders, bridged to the runtime's SPDY.

Channel bytes: 0 stdin, 1 stdout, 2 stderr, 3 error (a v1 Status in JSON), 4 terminal size, 255 close (v5 only, so
that a client can end stdin). Binary protocols carry the channel as a byte; `base64.` ones carry it as a digit and the
rest in base64. The protocol alone says which: clients send either in frames that are marked as text or as binary.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import WSMessage, WSMsgType, web

from wherry.node.streaming.both_ways import both_ways
from wherry.node.streaming.remote import RemoteSession
from wherry.node.streaming.spdy import Data, Reset

BINARY = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
BASE64 = ("v4.base64.channel.k8s.io", "base64.channel.k8s.io")
PROTOCOLS = BINARY + BASE64
REMOTE_PROTOCOLS = ("v4.channel.k8s.io",)
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_NAMES = {ERROR: "error", STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", RESIZE: "resize"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams the client asked for."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False

    def channels(self) -> tuple[int, ...]:
        """Streams to open on the runtime, in the order in which it expects them."""
        found = [ERROR]
        found += [STDIN] if self.stdin else []
        found += [STDOUT] if self.stdout else []
        found += [STDERR] if self.stderr and not self.tty else []
        found += [RESIZE] if self.tty else []
        return tuple(found)


async def bridge(socket: web.WebSocketResponse, remote: RemoteSession, wanted: Wanted) -> None:
    """Carry one exec or attach session until the command ends or a side hangs up; closes both."""
    streams = {channel: remote.spdy.open({"streamtype": _NAMES[channel]}) for channel in wanted.channels()}
    await remote.flush()
    encode = _Encoder(socket.ws_protocol or "")
    await encode.send(socket, STDOUT if wanted.stdout else ERROR, b"")
    down = _to_client(socket, remote, {stream: channel for channel, stream in streams.items()}, encode)
    await both_ways(socket, remote, partial(_to_runtime, socket, remote, streams), down)


class _Encoder:
    """Frames for the protocol that was agreed on."""

    def __init__(self, protocol: str) -> None:
        self._base64 = "base64" in protocol
        self._status = protocol.startswith(("v4", "v5"))

    async def send(self, socket: web.WebSocketResponse, channel: int, data: bytes) -> None:
        if channel == ERROR and data and not self._status:
            data = _plain_error(data)
            if not data:
                return
        if self._base64:
            await socket.send_str(str(channel) + base64.b64encode(data).decode())
        else:
            await socket.send_bytes(bytes((channel,)) + data)


def _plain_error(data: bytes) -> bytes:
    try:
        status = json.loads(data)
    except ValueError:
        return data
    if status.get("status") == "Success":
        return b""
    return str(status.get("message", "")).encode()


async def _to_runtime(socket: web.WebSocketResponse, remote: RemoteSession, streams: Mapping[int, int]) -> None:
    decode = _from_base64 if "base64" in (socket.ws_protocol or "") else bytes
    async for message in socket:
        frame = decode(payload(message))
        if not frame:
            continue
        channel, data = frame[0], frame[1:]
        if channel == CLOSE:
            if data and data[0] in streams:
                remote.spdy.send(streams[data[0]], b"", end=True)
        elif channel in streams and channel in (STDIN, RESIZE):
            remote.spdy.send(streams[channel], data)
        await remote.flush()


def payload(message: WSMessage) -> bytes:
    """The bytes of a frame, however it is marked; none of one that carries no data."""
    if message.type is WSMsgType.TEXT:
        return str(message.data).encode()
    return bytes(message.data) if message.type is WSMsgType.BINARY else b""


def _from_base64(text: bytes) -> bytes:
    if not text[:1].isdigit():
        return b""
    try:
        return bytes((int(text[:1]),)) + base64.b64decode(text[1:], validate=True)
    except binascii.Error:
        return b""


async def _to_client(
    socket: web.WebSocketResponse, remote: RemoteSession, channels: Mapping[int, int], encode: _Encoder
) -> None:
    waiting = {stream for stream, channel in channels.items() if channel in (STDOUT, STDERR, ERROR)}
    while waiting:
        events = await remote.events()
        if events is None:
            return
        for event in events:
            if isinstance(event, Data):
                channel = channels.get(event.stream)
                if channel is not None and event.data:
                    await encode.send(socket, channel, event.data)
                if event.end:
                    waiting.discard(event.stream)
            elif isinstance(event, Reset):
                waiting.discard(event.stream)

"""A fuzzer on what the agent reads in sessions: WebSocket frames of clients, SPDY frames of the runtime.

Over real sockets: whatever is sent, the session ends when its client goes, nothing is logged as a failure of ours, no
memory stays taken, and the next session works. WHERRY_FUZZ makes that many times as many cases, at random.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import struct
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import aiohttp
import pytest
from aiohttp import web

from wherry.aio.clock import LoopClock
from wherry.node.runtime.simulated import Simulated
from wherry.node.streaming import portforward, sessions
from wherry.node.streaming.remotecommand import Wanted
from wherry.node.streaming.sessions import Sessions
from wherry.node.streaming.spdy import Session

pytestmark = pytest.mark.looptime(False)

CASES = int(os.environ.get("WHERRY_FUZZ", "0"))
KINDS = ("v5.channel.k8s.io", "base64.channel.k8s.io", "portforward.k8s.io", portforward.TUNNEL)


class Streamer(Simulated):
    """A runtime whose streaming server is at `port`: it switches to SPDY, says `says`, and reads until it is left."""

    def __init__(self) -> None:
        super().__init__(LoopClock())
        self.port = self.open = 0
        self.says = b""
        self.hang_up = False
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
            writer.write(self.says)
            while not self.hang_up and await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.open -= 1
            self.left.set()

    async def exec_url(self, container_id: str, command: tuple[str, ...], **_: bool) -> str:
        return f"http://127.0.0.1:{self.port}/exec/token"

    async def port_forward_url(self, sandbox_id: str, ports: tuple[int, ...]) -> str:
        return f"http://127.0.0.1:{self.port}/portforward/token"


@dataclass
class World:
    """An agent's sessions behind a real HTTP server, and what failed in it."""

    runtime: Streamer
    host: str
    port: int

    def url(self, path: str) -> str:
        return f"http://{self.host}:{self.port}{path}"

    async def left(self) -> None:
        """Wait until the runtime has no session any more."""
        async with asyncio.timeout(5):
            while self.runtime.open:
                self.runtime.left.clear()
                await self.runtime.left.wait()

    async def send(self, kind: str, pieces: Iterable[bytes]) -> None:
        """Begin a session as a client, send these bytes after the handshake, and go."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        head = (
            f"GET /{'exec' if 'v5' in kind or 'base64' in kind else 'forward'} HTTP/1.1\r\nHost: x\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\nSec-WebSocket-Protocol: {kind}\r\n\r\n"
        )
        writer.write(head.encode())
        try:
            async with asyncio.timeout(5):
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
        except ConnectionError:
            pass  # it has had enough
        finally:
            writer.close()

    async def works(self) -> None:
        """A well-behaved session does what it should."""
        told = Session()
        told.send(1, b'{"status":"Success"}', end=True)
        told.send(5, b"hello", end=True)
        told.send(7, b"", end=True)
        self.runtime.says = bytes(told.outgoing)
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(self.url("/exec"), protocols=["v5.channel.k8s.io"]) as socket,
        ):
            found = [message.data async for message in socket]
        assert b"\x01hello" in found
        await self.left()


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    runtime = Streamer()
    listener = await asyncio.start_server(runtime.serve, "127.0.0.1", 0)
    runtime.port = listener.sockets[0].getsockname()[1]

    async def exec_(request: web.Request) -> web.StreamResponse:
        return await Sessions(runtime).exec(request, "c", ("id",), Wanted(stdin=True))

    async def forward(request: web.Request) -> web.StreamResponse:
        return await Sessions(runtime).port_forward(request, "s", (80, 443))

    app = web.Application()
    app.router.add_get("/exec", exec_)
    app.router.add_get("/forward", forward)
    # not a TestServer: that cancels the session of a client that goes, as no agent does
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield World(runtime, *runner.addresses[0])
    finally:
        await runner.cleanup()
        listener.close()


def frame(data: bytes, opcode: int = 2, *, end: bool = True, length: int | None = None, reserved: int = 0) -> bytes:
    """A client's frame; it may lie about its length."""
    size = len(data) if length is None else length
    first = bytes([(0x80 if end else 0) | reserved << 4 | opcode])
    if size < 126:
        told = bytes([0x80 | size])
    elif size < 65536:
        told = b"\xfe" + struct.pack(">H", size)
    else:
        told = b"\xff" + struct.pack(">Q", size)
    return first + told + b"\0\0\0\0" + data  # a mask of nothing


def good(random: Random, kind: str) -> bytes:
    """A frame that means something."""
    data = random.randbytes(random.choice((0, 1, 5, 200)))
    channel = random.choice((0, 1, 4, 255))
    if "base64" in kind:
        return frame(str(channel % 5).encode() + base64.b64encode(data), 1)
    return frame(bytes([channel]) + data, random.choice((1, 2)) if data.isascii() and channel < 128 else 2)


ODD: tuple[bytes, ...] = (
    frame(b"\0x", length=2**63 - 1), frame(b"\0x", length=2**64 - 1), frame(b"", 0), frame(b"\0a", 2, end=False) * 3,
    frame(b"\0a", 2, end=False) + frame(b"b", 0, end=False) + frame(b"c", 0), frame(b"\xff\xfe", 1), frame(b"", 3),
    frame(b"x" * 126, 9), frame(b"x", 9, end=False), frame(b"\x00", 8), frame(b"\x03\xe7", 8),
    frame(b"\x0b\xb8\xff", 8),
    frame(b"\0a", 2, reserved=4), frame(b"\0a", 2, reserved=7), b"\x82\x02\0a", b"\x82", b"\xff" * 20, b"\0" * 40,
    frame(b"\xff"), frame(b"\xff\xff"), frame(b"\xff\0") * 3, frame(b"\x63x"), frame(b"9!!!!", 1),
    frame("٣YQ==".encode(), 1),
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
)  # fmt: skip


def streams(kind: str) -> Iterator[tuple[bytes, ...]]:
    """What clients send: odd things one by one, then good ones, broken."""
    yield from ((one,) for one in ODD)
    yield from ((frame(b"\0hello"), one, frame(b"\0more")) for one in ODD)
    random = Random(time.time_ns() if CASES else kind)
    for _ in range(60 * max(CASES, 1)):
        pieces = [good(random, kind) for _ in range(random.randint(1, 4))]
        at = random.randrange(len(pieces))
        pieces[at] = broken(random, pieces[at])
        yield tuple(pieces)


def broken(random: Random, data: bytes) -> bytes:
    """The same with bytes changed, cut, doubled or put in."""
    found = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(found))
        match random.randrange(4):
            case 0:
                del found[at:]
            case 1:
                found[at:at] = random.randbytes(random.randint(1, 8))
            case 2 if at < len(found):
                found[at] = random.randrange(256)
            case _:
                found += found[at : at + 64]
    return bytes(found)


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_a_client_sends_its_session_ends_with_it(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running() as world:
        for pieces in streams(kind):
            await world.send(kind, pieces)
            await world.left()
        await world.works()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


SPDY_ODD: tuple[bytes, ...] = (
    b"\xff" * 8, b"\x80\x02\0\x01\0\0\0\x04abcd", b"\x80\x03\0\x03\0\0\0\x02ab", b"\x80\x03\0\x09\0\0\0\x04abcd",
    b"\x80\x03\0\x02\x01\0\0\x01a", b"\0\0\0\0\xff\xff\xff\xff" + b"x" * 1000, b"\0\0\xff\xff\0\0\0\x05hello",
    b"\x80\x03\0\x06\0\0\0\x04ping" * 1000, b"\x80\x03\0\x07\0\0\0\0", b"\0",
)  # fmt: skip


def replies() -> Iterator[bytes]:
    """What a runtime says: odd things one by one, then good ones, broken."""
    yield from SPDY_ODD
    random = Random(time.time_ns() if CASES else 1)
    for _ in range(60 * max(CASES, 1)):
        told = Session()
        for _ in range(random.randint(1, 4)):
            told.send(
                random.choice((1, 3, 5, 7, 9)), random.randbytes(random.randrange(300)), end=random.random() < 0.3
            )
        told.reset(5)
        yield broken(random, bytes(told.outgoing))


async def test_whatever_a_runtime_says_its_session_ends_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """The client is told that it is over, and no failure of ours is logged."""
    async with running() as world:
        world.runtime.hang_up = True
        async with aiohttp.ClientSession() as client:
            for said in replies():
                world.runtime.says = said
                for path, kind in (("/exec", KINDS[0]), ("/exec", KINDS[1]), ("/forward", KINDS[2])):
                    async with (
                        asyncio.timeout(5),
                        client.ws_connect(world.url(path), protocols=[kind]) as s,
                    ):
                        async for _ in s:
                            pass
                await world.left()
        world.runtime.hang_up = False
        await world.works()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def whole(size: int) -> Iterator[bytes]:
    """One message of `size`, in one frame."""
    yield frame(b"\0", length=size)
    for _ in range(size // 65536):
        yield bytes(65536)


def parts(size: int) -> Iterator[bytes]:
    """The same in many frames."""
    yield frame(bytes(65536), end=False)
    for _ in range(size // 65536):
        yield frame(bytes(65536), 0, end=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("message", [whole, parts])
async def test_a_message_without_end_takes_no_memory(
    monkeypatch: pytest.MonkeyPatch, kind: str, message: Callable[[int], Iterator[bytes]]
) -> None:
    """(Fails when messages may be of any size.)"""
    assert sessions.LARGEST_MESSAGE <= 32 * 1024 * 1024
    monkeypatch.setattr(sessions, "LARGEST_MESSAGE", 1024 * 1024)
    async with running() as world:
        tracemalloc.start()
        try:
            await world.send(kind, message(12 * 1024 * 1024))
            await world.left()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await world.works()
    assert peak < 6 * 1024 * 1024


def test_spdy_frames_take_no_more_memory_than_one_may_be_long() -> None:
    """A length that never comes is bounded by its 24 bits, and what was understood is not kept."""
    session = Session()
    session.receive(b"\0\0\0\x01\0\xff\xff\xff")
    tracemalloc.start()
    try:
        for _ in range(400):
            session.receive(bytes(65536))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024

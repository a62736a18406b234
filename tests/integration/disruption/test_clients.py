"""The clients of tests/disruption against a server that misbehaves on purpose: each sort of fault is counted, exactly
as often as it was made, and what is no fault is not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest

from tests.disruption import datagrams
from tests.disruption.datagrams import Queries
from tests.disruption.ground import Ground, Pace, Target, Targets
from tests.disruption.http import Requests
from tests.disruption.tally import Counts, Row, by_row
from tests.disruption.websocket import Messages

pytestmark = pytest.mark.looptime(False)
WAY = "way"
ROW = Row("kind", WAY)
NAME = "web-1"
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Behaviour = Callable[["Server", Writer, bytes], Awaitable[None]]


class Server:
    """Answers well, but every third request as `behaviour` does. `made`: how many of those there were."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour
        self.made = 0
        self.requests = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            await self.close()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # by `close`; a stream's own callback trips over it
                await self._talk(reader, writer)
        finally:
            self._talks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _talk(self, reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"Upgrade: websocket" in head:
                    await self._socket(head, reader, writer)
                    break
                self.requests += 1
                if self.behaviour is not None and self.requests % 3 == 0:
                    self.made += 1
                    await self.behaviour(self, writer, head)
                else:
                    writer.write(good(head))
                if writer.is_closing() or (b"Connection: close" in head and self.behaviour is not silent):
                    break

    async def _socket(self, head: bytes, reader: Reader, writer: Writer) -> None:
        writer.write(accepted(head))
        while not writer.is_closing():
            first, size = await reader.readexactly(2)
            size &= 127
            await reader.readexactly(4)  # the mask is zero
            data = await reader.readexactly(size)
            if first & 15 == 8:
                return
            self.requests += 1
            if self.behaviour is not None and self.requests % 3 == 0:
                self.made += 1
                await self.behaviour(self, writer, data)
            else:
                writer.write(bytes([0x81, size]) + data)


def number(head: bytes) -> bytes:
    return head.split(b" ", 2)[1].rsplit(b"/", 1)[-1]


def good(head: bytes, *, status: bytes = b"200 OK", name: str = NAME, said: bytes = b"") -> bytes:
    body = b"%b %b\n" % (said or number(head), name.encode())
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def accepted(head: bytes, magic: bytes = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11") -> bytes:
    key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    digest = base64.b64encode(hashlib.sha1(key + magic, usedforsecurity=False).digest())
    return b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %b\r\n\r\n" % digest


async def status_503(server: Server, writer: Writer, head: bytes) -> None:
    writer.write(good(head, status=b"503 Service Unavailable"))


async def anothers_answer(server: Server, writer: Writer, head: bytes) -> None:
    writer.write(good(head, said=b"999999"))


async def anothers_name(server: Server, writer: Writer, head: bytes) -> None:
    writer.write(good(head, name="web-2"))


async def half(server: Server, writer: Writer, head: bytes) -> None:
    writer.write(good(head)[:-3])
    await writer.drain()
    writer.close()


async def reset(server: Server, writer: Writer, head: bytes) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def unanswered(server: Server, writer: Writer, head: bytes) -> None:
    writer.close()


async def silent(server: Server, writer: Writer, head: bytes) -> None:
    """As if the packet had been lost."""


async def no_http(server: Server, writer: Writer, head: bytes) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")


async def said_last(server: Server, writer: Writer, head: bytes) -> None:
    writer.write(good(head).replace(b"Content-Length", b"Connection: close\r\nContent-Length"))
    await writer.drain()
    writer.close()


async def idle_close(server: Server, writer: Writer, head: bytes) -> None:
    writer.write(good(head))
    await writer.drain()
    writer.close()


async def farewell(server: Server, writer: Writer, data: bytes) -> None:
    writer.write(b"\x88\x02\x03\xe9")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()


async def another_message(server: Server, writer: Writer, data: bytes) -> None:
    writer.write(b"\x81\x03abc")


def ground(*targets: Target, patience: float = 10.0) -> Ground:
    made = Ground({WAY: Targets()}, patience=patience)
    made.targets[WAY].put(targets)
    return made


async def played(client: Requests | Messages | Queries, seen: Callable[[], bool]) -> Counts:
    """Let a client ask until `seen()`; what was counted."""
    shared = client.ground
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(client.run())
        while not seen():  # noqa: ASYNC110 - servers and tallies only count
            await asyncio.sleep(0.01)
        shared.stopping = True
    return by_row(shared.tally)[ROW]


def web(shared: Ground, *, kept: bool = False, pace: float = 0.005) -> Requests:
    return Requests(shared, ROW, Pace(pace, 0.0), "host", kept=kept)


def errors(shared: Ground) -> set[str]:
    return {failure.error.split(":")[0] for failure in shared.tally.failures}


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (status_503, "Wrong"),
        (anothers_answer, "Wrong"),
        (anothers_name, "Wrong"),
        (no_http, "Wrong"),
        (half, "Broken"),
        (silent, "Late"),
    ],
)
async def test_a_bad_answer_is_a_failure(behaviour: Behaviour, error: str, kept: bool) -> None:
    async with Server(behaviour).serving() as server:
        shared = ground(Target("127.0.0.1", server.port, NAME), patience=1.0 if behaviour is silent else 10.0)
        counts = await played(web(shared, kept=kept), lambda: server.made >= 4)
    assert counts.failed == server.made
    assert errors(shared) == {error}
    assert (counts.requests, counts.again, counts.stale, counts.cut) == (server.requests - server.made, 0, 0, 0)


@pytest.mark.parametrize("behaviour", [unanswered, reset])
async def test_a_new_connection_that_ends_without_an_answer_is_a_failure(behaviour: Behaviour) -> None:
    async with Server(behaviour).serving() as server:
        shared = ground(Target("127.0.0.1", server.port))
        counts = await played(web(shared), lambda: server.made >= 4)
    assert (counts.failed, counts.again) == (server.made, 0)
    assert errors(shared) == {"Unanswered"}


@pytest.mark.parametrize("behaviour", [unanswered, reset])
async def test_a_kept_connection_that_ends_without_an_answer_may_be_asked_again_once(behaviour: Behaviour) -> None:
    async with Server(behaviour).serving() as server:
        shared = ground(Target("127.0.0.1", server.port))
        counts = await played(web(shared, kept=True), lambda: server.made >= 4)
    assert (counts.failed, counts.again) == (0, server.made)
    assert counts.requests == server.requests - server.made


@pytest.mark.parametrize("behaviour", [said_last, idle_close])
async def test_the_end_of_an_idle_connection_is_nothing(behaviour: Behaviour) -> None:
    async with Server(behaviour).serving() as server:
        shared = ground(Target("127.0.0.1", server.port))
        counts = await played(web(shared, kept=True, pace=0.1), lambda: server.made >= 4)
    assert (counts.failed, counts.again, counts.requests) == (0, 0, server.requests)


async def test_a_refusal_is_a_failure() -> None:
    async with Server().serving() as server:
        shared = ground(Target("127.0.0.1", server.port))
    counts = await played(web(shared), lambda: shared.tally.total().failed >= 3)
    assert counts.requests == 0
    assert errors(shared) == {"NotConnected"}


async def test_an_endpoint_may_refuse_when_it_was_withdrawn_and_only_then() -> None:
    async with Server().serving() as server:
        async with Server().serving() as gone:
            pass
        here, there = Target("127.0.0.1", server.port, NAME), Target("127.0.0.1", gone.port, NAME)
        shared = ground(here, there)
        asyncio.get_running_loop().call_later(0.2, shared.targets[WAY].put, [here])
        counts = await played(web(shared), lambda: server.requests > 50)
        assert (counts.failed, counts.stale) == (0, 1)
        shared = ground(here, there)  # still an endpoint a second later
        counts = await played(web(shared), lambda: shared.tally.total().failed >= 1)
        assert counts.stale == 0


async def test_no_endpoint_at_all_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.disruption.ground.CONNECT", 0.1)
    shared = ground()
    counts = await played(web(shared), lambda: shared.tally.total().failed >= 2)
    assert counts.requests == 0
    assert errors(shared) == {"NotConnected"}


@pytest.mark.parametrize("late", [False, True])
async def test_what_is_in_flight_through_a_killed_process_is_cut_and_nothing_else(late: bool) -> None:
    async with Server(reset).serving() as server:
        target = Target("127.0.0.1", server.port)
        shared = ground(target)
        shared.killing("127.0.0.1", server.port + late)  # another process was killed
        counts = await played(web(shared), lambda: server.made >= 2)
        before = server.made
        assert (counts.failed, counts.cut) == ((before, 0) if late else (0, before))
        shared.stopping = False
        shared.killed(shared.now())
        counts = await played(web(shared), lambda: server.made >= before + 2)
        assert (counts.failed, counts.cut) == ((server.made, 0) if late else (server.made - before, before))


def messages(shared: Ground) -> Messages:
    return Messages(shared, ROW, Pace(0.02, 0.0), "host")


@pytest.mark.parametrize(
    ("behaviour", "error"), [(unanswered, "Broken"), (reset, "Broken"), (another_message, "Wrong"), (silent, "Late")]
)
async def test_a_websocket_that_fails(behaviour: Behaviour, error: str) -> None:
    async with Server(behaviour).serving() as server:
        shared = ground(Target("127.0.0.1", server.port), patience=1.0 if behaviour is silent else 10.0)
        counts = await played(messages(shared), lambda: server.made >= 3)
    assert counts.failed == server.made
    assert errors(shared) == {error}
    assert counts.requests == server.requests - server.made


async def test_a_websocket_that_says_farewell_is_opened_anew_and_its_message_sent_again() -> None:
    async with Server(farewell).serving() as server:
        shared = ground(Target("127.0.0.1", server.port))
        counts = await played(messages(shared), lambda: server.made >= 3 and server.requests > 9)
    assert (counts.failed, counts.again, counts.requests) == (0, server.made, server.requests - server.made)


async def test_an_idle_websocket_that_is_cut_is_a_failure() -> None:
    async def cut(server: Server, writer: Writer, data: bytes) -> None:
        writer.write(bytes([0x81, len(data)]) + data)
        await writer.drain()
        await reset(server, writer, data)

    async with Server(cut).serving() as server:
        shared = ground(Target("127.0.0.1", server.port))
        counts = await played(messages(shared), lambda: shared.tally.total().failed >= 2)
    assert (counts.failed, counts.requests) == (server.made, server.requests)


class Names(asyncio.DatagramProtocol):
    """A DNS server that answers every third query as `change` says: another answer, b"" for none."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        self._change = change
        self.queries = self.made = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.queries += 1
        answer = data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\xc0\0\2\1"
        if self.queries % 3 == 0:
            self.made += 1
            answer = self._change(answer)
        if answer:
            self._transport.sendto(answer, addr)  # type: ignore[arg-type]  # as it came


@contextlib.asynccontextmanager
async def names(change: Callable[[bytes], bytes]) -> AsyncIterator[tuple[Names, Target]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Names(change), local_addr=("127.0.0.1", 0))
    try:
        yield server, Target(*transport.get_extra_info("sockname"))
    finally:
        transport.close()


def queries(shared: Ground) -> Queries:
    return Queries(shared, ROW, Pace(0.005, 0.0), "web.test")


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer[:3] + b"\x82" + answer[4:],  # SERVFAIL
        lambda answer: answer[:6] + b"\0\0" + answer[8:],  # no record
        lambda answer: answer[:12] + b"\3wib" + answer[16:],  # another name
        lambda answer: answer[:8],
        lambda answer: answer[:2] + b"\1" + answer[3:],  # a query
    ],
)
async def test_a_bad_answer_to_a_query_is_a_failure(change: Callable[[bytes], bytes]) -> None:
    async with names(change) as (server, target):
        shared = ground(target)
        counts = await played(queries(shared), lambda: server.made >= 3)
    assert (counts.failed, counts.again, counts.requests) == (server.made, 0, server.queries - server.made)
    assert errors(shared) == {"Wrong"}


async def test_a_lost_datagram_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "RESEND", 0.1)
    async with names(lambda _: b"") as (server, target):
        shared = ground(target)
        counts = await played(queries(shared), lambda: server.made >= 3 and server.queries > 9)
    assert (counts.failed, counts.again) == (0, server.made)
    assert counts.requests == server.queries - server.made


async def test_nobody_listens_and_queries_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "RESEND", 0.1)
    async with names(lambda _: b"") as (_, target):
        pass
    shared = ground(target, patience=0.5)
    counts = await played(queries(shared), lambda: shared.tally.total().failed >= 2)
    assert counts.requests == 0
    assert errors(shared) == {"Late"}

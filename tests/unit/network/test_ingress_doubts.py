"""Pods of silent nodes: which are asked, which are given up, and what HAProxy is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.machinery.meta import Key
from wherry.network.ingress import doubts
from wherry.network.ingress.backends import PLAIN, Backend, Endpoint, Options, Protocol
from wherry.network.ingress.config import Shape, render
from wherry.network.ingress.doubts import Doubts, answers
from wherry.network.ingress.maps import FILES, NO_RULES, Desk, Doubtful, Wanted, commands
from wherry.network.ingress.routes import Picture

pytestmark = pytest.mark.looptime(False)
WEB = Backend(Key("d", "web"), "80", PLAIN)
HERE, THERE = Endpoint("10.244.0.2", 80), Endpoint("10.244.1.2", 80)
NAMES = {name: name for name in FILES}
EMPTY = Wanted({name: {} for name in FILES}, {}, NO_RULES)


def drawn(*endpoints: Endpoint, backend: Backend = WEB) -> Picture:
    return Picture(endpoints={backend: endpoints}, homes={HERE: "n1", THERE: "n2"})


def test_what_haproxy_is_told_as_a_node_falls_silent_and_comes_back() -> None:
    desk, picture, silent = Desk(), drawn(HERE, THERE), frozenset({"n2"})
    calm = desk.wanted(picture, {})
    resting = desk.wanted(picture, {}, {}, Doubtful(silent))
    given_up = desk.wanted(picture, {}, {}, Doubtful(silent, frozenset({THERE})))
    assert commands(calm, resting, NAMES) == ["set server http-0/s2 state drain"]
    assert commands(resting, given_up, NAMES) == ["shutdown sessions server http-0/s2"]
    assert commands(calm, given_up, NAMES) == ["set server http-0/s2 state drain", "shutdown sessions server http-0/s2"]
    assert commands(given_up, resting, NAMES) == []
    assert commands(given_up, calm, NAMES) == ["set server http-0/s2 state ready"]
    assert commands(EMPTY, given_up, NAMES)[:5] == [
        "set server http-0/s1 addr 10.244.0.2 port 80",
        "set server http-0/s1 state ready",
        "set server http-0/s2 addr 10.244.1.2 port 80",
        "set server http-0/s2 state drain",
        "shutdown sessions server http-0/s2",
    ]


def test_a_suspicion_takes_the_last_place_from_nobody() -> None:
    alone = Desk().wanted(drawn(THERE), {}, {}, Doubtful(frozenset({"n2"}), frozenset({THERE})))
    assert alone.resting == alone.given_up == frozenset()
    both = Desk().wanted(drawn(HERE, THERE), {}, {}, Doubtful(frozenset({"n1", "n2"}), frozenset({HERE, THERE})))
    assert both.resting == both.given_up == frozenset()


def test_what_may_have_been_done_is_not_sent_again() -> None:
    written = render(Shape(Path("/e")), Desk().size, {})
    assert "    retry-on conn-failure empty-response" in written
    assert "    http-request disable-l7-retry unless { method GET HEAD OPTIONS }\n" in written


@pytest.fixture
def frozen() -> Iterator[Endpoint]:
    """A kernel accepts there, and nobody reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Endpoint(*listener.getsockname())


async def test_a_process_that_is_frozen_answers_nothing(frozen: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "PATIENCE", 0.3)
    assert not await answers(frozen, "http")


async def test_to_be_refused_is_an_answer(frozen: Endpoint) -> None:
    gone = Endpoint(frozen.ip, frozen.port)
    with socket.create_server(("127.0.0.1", 0)) as other:
        gone = Endpoint(*other.getsockname())
    assert await answers(gone, "http")


@pytest.mark.parametrize(
    ("protocol", "begins"),
    [
        ("http", b"OPTIONS * HTTP/1.1\r\n"),
        ("https", b"\x16\x03\x01"),
        ("proxy", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0OPTIONS * HTTP/1.1\r\n"),
        ("h2c", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    ],
)
async def test_each_is_asked_in_its_own_words(protocol: Protocol, begins: bytes) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(len(begins)))
        writer.write(b"x")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert await answers(Endpoint(*server.sockets[0].getsockname()), protocol)
    assert heard == [begins]


async def test_only_pods_of_silent_nodes_are_asked_and_forgotten_with_the_silence(
    frozen: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "PATIENCE", 0.2)
    changed = asyncio.Event()
    asking = Doubts(changed.set)
    secure = replace_protocol("https")
    picture = Picture(endpoints={WEB: (frozen,), secure: (frozen, HERE)}, homes={frozen: "n2", HERE: "n1"})
    asking.ask(picture, frozenset())
    await asyncio.sleep(0.4)
    assert asking.hung == frozenset()
    asking.ask(picture, frozenset({"n2"}))
    async with asyncio.timeout(2):
        await changed.wait()
    assert asking.hung == {frozen}
    asking.ask(picture, frozenset())
    assert asking.hung == frozenset()
    asking.close()


def replace_protocol(protocol: Protocol) -> Backend:
    return WEB._replace(options=Options(protocol=protocol))

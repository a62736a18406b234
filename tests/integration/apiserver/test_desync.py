"""Requests that two servers could read differently (guarantees 4.3, row 9): over raw sockets, each is refused.

In every case a proxy in front might take the tail for part of the body while we take it for a request of its own, or
the other way round. We refuse: at most one answer, never one to the smuggled request, then the connection is closed.
(Fails with a parser in lenient mode, and with one that takes the last of two Content-Lengths.)
"""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

MAPS = b"/api/v1/namespaces/demo/configmaps"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"2\r\n{}\r\n0\r\n\r\n"


def post(*headers: bytes, body: bytes = b"") -> bytes:
    """A POST with these header lines."""
    lines = [b"POST " + MAPS + b" HTTP/1.1", b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CASES: dict[str, bytes] = {
    "length and chunks": post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=CHUNKED),
    "chunks and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=CHUNKED),
    "two lengths": post(b"Content-Length: 2", b"Content-Length: 40", body=b"{}"),
    "two lengths in one": post(b"Content-Length: 2, 40", body=b"{}"),
    "the same length twice": post(b"Content-Length: 2", b"Content-Length: 2", body=b"{}"),
    "signed length": post(b"Content-Length: +2", body=b"{}"),
    "negative length": post(b"Content-Length: -2", body=b"{}"),
    "hexadecimal length": post(b"Content-Length: 0x2", body=b"{}"),
    "length with underscore": post(b"Content-Length: 1_0", body=b"{}"),
    "length in other digits": post("Content-Length: ٢".encode(), body=b"{}"),
    "empty length": post(b"Content-Length: ", body=b"{}"),
    "space before the colon": post(b"Content-Length : 2", body=b"{}"),
    "chunked, then something": post(b"Transfer-Encoding: chunked, identity", body=CHUNKED),
    "unknown encoding": post(b"Transfer-Encoding: xchunked", body=CHUNKED),
    "chunked twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKED),
    "chunked with a tab": post(b"Transfer-Encoding:\x0bchunked", body=CHUNKED),
    "folded header": post(b"X-Folded: a", b" b: c", b"Content-Length: 2", body=b"{}"),
    "folded encoding": post(b"Transfer-Encoding:", b" chunked", body=CHUNKED),
    "header without a name": post(b": x", b"Content-Length: 2", body=b"{}"),
    "bare line feed in a header": post(b"X: a\nTransfer-Encoding: chunked", body=CHUNKED),
    "bare carriage return in a header": post(b"X: a\rTransfer-Encoding: chunked", b"Content-Length: 2", body=b"{}"),
    "NUL in a header": post(b"X: a\0b", b"Content-Length: 2", body=b"{}"),
    "chunk size with sign": post(b"Transfer-Encoding: chunked", body=b"+2\r\n{}\r\n0\r\n\r\n"),
    "chunk size with prefix": post(b"Transfer-Encoding: chunked", body=b"0x2\r\n{}\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": post(b"Transfer-Encoding: chunked", body=b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "chunk without its end": post(b"Transfer-Encoding: chunked", body=b"2\r\n{}xx0\r\n\r\n"),
    "chunk size ended by a line feed": post(b"Transfer-Encoding: chunked", body=b"2\n{}\r\n0\r\n\r\n"),
    "another version": b"GET " + MAPS + b" HTTP/1.9\r\nHost: x\r\n\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "control character in the path": b"GET /api/\x01v1 HTTP/1.1\r\nHost: x\r\n\r\n",
}


async def exchange(http: Http, data: bytes, seconds: float = 10) -> tuple[bytes, bool]:
    """What comes back, and whether the server closed the connection."""
    running = http.running
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=running.tls())
    found = b""
    try:
        writer.write(data)
        async with asyncio.timeout(seconds):
            while part := await reader.read(65536):
                found += part
    except TimeoutError:
        return found, False
    except ConnectionError:
        return found, True
    finally:
        writer.transport.abort()
    return found, True


async def test_the_server_answers_at_all(http: Http) -> None:
    """Two well-formed requests on one connection get two answers: the cases below prove something."""
    good = post(b"Content-Length: 2", body=b"{}")
    found, _ = await exchange(http, good + SMUGGLED, 2)
    assert found.count(b"HTTP/1.1 ") == 2
    found, _ = await exchange(http, post(b"Transfer-Encoding: chunked", body=CHUNKED) + SMUGGLED, 2)
    assert found.count(b"HTTP/1.1 ") == 2


async def test_what_is_ambiguous_is_refused(http: Http) -> None:
    """One refusal at most, nothing for the smuggled request, and the connection is closed."""

    async def refused(case: bytes) -> bytes | None:
        found, closed = await exchange(http, case + SMUGGLED)
        answers = [line.split()[1] for line in found.split(b"\r\n") if line.startswith(b"HTTP/1.")]
        good = closed and len(answers) <= 1 and all(code in (b"400", b"505", b"431", b"501") for code in answers)
        return None if good else found[:600]

    found = await asyncio.gather(*(refused(case) for case in CASES.values()))
    assert {name: answer for name, answer in zip(CASES, found, strict=True) if answer is not None} == {}


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000, b"GET /" + b"y" * 200_000])
async def test_a_head_without_end_is_cut(http: Http, head: bytes) -> None:
    """Header and request lines have a limit."""
    found, closed = await exchange(http, head)
    assert closed
    assert found.split(b" ", 2)[1:2] in ([b"400"], [b"431"], [b"414"], [])

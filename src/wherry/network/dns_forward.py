"""Forwarding: names outside the cluster are asked from the machine's own resolvers, unchanged.

Each UDP question goes out on a socket of its own (random port, random id: answers are hard to forge); an answer must
come from the server asked and carry the question asked. Servers are tried in order, the last good one first. A server
that does not answer in two seconds costs those; when none answers the client gets SERVFAIL.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import struct
from collections.abc import Callable

log = logging.getLogger(__name__)

_TIMEOUT = 2.0
_ROUNDS = 2
_MOST_ASKED = 1000


class _Ask(asyncio.DatagramProtocol):
    def __init__(self, query: bytes, question: bytes, answer: asyncio.Future[bytes]) -> None:
        self._query = query
        self._question = question
        self._answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        right = data[:2] == self._query[:2] and len(data) >= 12 and data[2] & 0x80
        if right and data[12 : 12 + len(self._question)].lower() == self._question and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


class Forwarder:
    """Asks upstream. `servers` gives the addresses to ask, read anew each time: laptops change networks."""

    def __init__(self, servers: Callable[[], tuple[str, ...]], port: int = 53) -> None:
        self._servers = servers
        self._port = port
        self._good = ""
        self._asked = 0

    async def ask(self, query: bytes, question_end: int, *, tcp: bool) -> bytes | None:
        """The upstream answer with the client's id; None when there is none to be had."""
        if self._asked >= _MOST_ASKED:
            return None
        self._asked += 1
        try:
            return await self._ask_around(query, query[12:question_end].lower(), tcp=tcp)
        finally:
            self._asked -= 1

    async def _ask_around(self, query: bytes, question: bytes, *, tcp: bool) -> bytes | None:
        servers = sorted(self._servers(), key=lambda server: server != self._good)
        for server in servers * _ROUNDS:
            fresh = secrets.token_bytes(2) + query[2:]
            try:
                async with asyncio.timeout(_TIMEOUT):
                    answer = await (self._tcp(server, fresh) if tcp else self._udp(server, fresh, question))
            except (TimeoutError, OSError, EOFError) as error:
                log.debug("resolver %s: %r", server, error)
                continue
            self._good = server
            return query[:2] + answer[2:]
        return None

    async def _udp(self, server: str, query: bytes, question: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Ask(query, question, answer), remote_addr=(server, self._port)
        )
        try:
            transport.sendto(query)
            return await answer
        finally:
            transport.close()

    async def _tcp(self, server: str, query: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(server, self._port)
        try:
            writer.write(struct.pack("!H", len(query)) + query)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            return await reader.readexactly(length)
        finally:
            writer.close()

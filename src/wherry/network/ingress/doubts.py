"""Doubts: which pods of nodes that give no sign do not answer either, so that nobody has to wait for them any longer.

A node's silence (`neighbours.py`) may be its agent's alone. So each endpoint there is asked itself, by the protocol
that it speaks, for as long as the silence lasts. One that leaves that unanswered is hung: HAProxy then ends what it has
there, and sends again elsewhere what may be sent twice. A process answers anything, if with an error; to be refused or
cut is an answer too, and HAProxy gets the same one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Callable

from wherry.network.ingress.backends import Endpoint, Protocol
from wherry.network.ingress.routes import Picture

PATIENCE = 3.0
"""Seconds an endpoint has for its first byte."""
AGAIN = 1.0
"""Seconds until it is asked again."""
_TOGETHER = 64
_OPTIONS = b"OPTIONS * HTTP/1.1\r\nHost: wherry\r\nUser-Agent: wherry\r\nConnection: close\r\n\r\n"
"""A ping, says RFC 9110, section 9.3.7."""
_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
"""PROXY protocol version 2: for the proxy itself, no client."""
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The preface, and empty SETTINGS, which are answered by the server's."""


class Doubts:
    """`hung`: the endpoints that do not answer. `changed()` is called when they are others."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._asking: dict[Endpoint, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_TOGETHER)
        self.hung: frozenset[Endpoint] = frozenset()

    def ask(self, picture: Picture, silent: frozenset[str]) -> None:
        """Ask the endpoints on silent nodes, and no others."""
        doubtful = {
            one: backend.options.protocol
            for backend, endpoints in (picture.endpoints.items() if silent else ())
            for one in endpoints
            if picture.homes.get(one) in silent
        }
        for one in [known for known in self._asking if known not in doubtful]:
            self._asking.pop(one).cancel()
        self.hung &= doubtful.keys()
        for one in doubtful.keys() - self._asking.keys():
            self._asking[one] = asyncio.get_running_loop().create_task(self._follow(one, doubtful[one]))

    def close(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        self._asking.clear()
        self.hung = frozenset()

    async def _follow(self, endpoint: Endpoint, protocol: Protocol) -> None:
        while True:
            async with self._room:
                heard = await answers(endpoint, protocol)
            hung = self.hung - {endpoint} if heard else self.hung | {endpoint}
            if hung != self.hung:
                self.hung = hung
                self._changed()
            await asyncio.sleep(AGAIN)


async def answers(endpoint: Endpoint, protocol: Protocol) -> bool:
    """Whether there is a process that answers."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(endpoint.ip, endpoint.port)
            writer.write(_greeting(protocol))
            await reader.read(1)
    except TimeoutError:
        return False
    except OSError as error:
        return error.errno not in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)
    finally:
        if writer is not None:
            writer.transport.abort()
    return True


def _greeting(protocol: Protocol) -> bytes:
    match protocol:
        case "https":
            return _client_hello()
        case "h2c":
            return _HTTP2
        case "proxy":
            return _LOCAL + _OPTIONS
        case "http":
            return _OPTIONS


def _client_hello() -> bytes:
    """The beginning of TLS. Nothing is ever said over it, so nobody is verified."""
    told, tells = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(told, tells, server_hostname="wherry").do_handshake()
    return tells.read()

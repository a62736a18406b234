"""Requests and answers as the API server's handlers see them, whatever HTTP library is underneath.

A handler gets a `Request` and returns one of three answers: `Response` (all bytes known), `Stream` (a long answer
written piece by piece, such as a watch or a log), or `Upgrade` (the connection is taken over: exec, attach,
port-forward, proxied WebSockets). Only `server.py` and `connections.py` know aiohttp.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from multidict import MultiMapping

from wherry.aio.connection import Connection
from wherry.machinery.errors import BadRequest

JSON = "application/json"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64 = 1 << 63


class Query:
    """A parsed query string: every name may occur several times."""

    __slots__ = ("_values", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, list[str]] = {}
        if not text:
            return
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError as error:
            raise BadRequest(f"invalid query: {error}") from None
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def first(self, name: str, default: str = "") -> str:
        """The first value of a name."""
        values = self._values.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        """Every value of a name."""
        return self._values.get(name, [])

    def flag(self, name: str) -> bool:
        """A boolean as upstream reads it: present and not "false" or "0"."""
        values = self._values.get(name)
        return bool(values) and values is not None and values[0].lower() not in ("false", "0")

    def number(self, name: str) -> int | None:
        """An integer, or None when absent. Raises BadRequest."""
        values = self._values.get(name)
        if not values or not values[0]:
            return None
        text = values[0]
        if not _INTEGER.fullmatch(text):
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        if len(text) > 100 or not -_INT64 <= int(text) < _INT64:
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
        return int(text)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> Sequence[str]:
        """The names that occur."""
        return tuple(self._values)


@dataclass(slots=True)
class Request:
    """One HTTP request. `path` is still percent-encoded; `session` lives as long as the connection."""

    method: str
    path: str
    query: Query
    headers: MultiMapping[str]  # case-insensitive
    remote: str
    session: MutableMapping[str, Any]
    certificate: Callable[[], bytes | None]
    """The client certificate in DER, verified by the TLS layer against the cluster's CA; None without one."""
    read: Callable[[], Awaitable[bytes]]
    """The whole body. Raises TooLarge, BadRequest, Timeout."""
    chunks: Callable[[], Awaitable[bytes]] | None = None
    """The next piece of an unbounded body, b"" at its end (for proxies)."""
    audit_id: str = ""
    annotations: dict[str, str] = field(default_factory=dict)
    """What authorisation and admission want the audit log to remember."""
    user: Any = None  # wherry.apiserver.authn.user.User, set by the pipeline


@dataclass(frozen=True, slots=True)
class Pieces:
    """A long body, made while it is sent, so that it neither holds the loop nor is there twice: `size` bytes in all.

    Of a list of objects, `head` is its JSON up to the items, and `items` are theirs.
    """

    size: int
    pieces: Iterable[bytes]
    head: bytes = b""
    items: Sequence[bytes] = ()


@dataclass(slots=True)
class Response:
    """A whole answer."""

    body: bytes | Pieces = b""
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    finish: Callable[[], None] | None = None
    """Called once it has been sent, or could not be."""


class Sink(Protocol):
    """Where a Stream writes."""

    async def write(self, data: bytes) -> None:
        """Write and wait while the client is slow. Raises ConnectionError when it is gone."""

    def push(self, data: bytes) -> bool:
        """Write at once, without waiting; False once the client is too far behind or gone: stop then."""

    @property
    def closed(self) -> bool:
        """Whether the client is gone."""

    def on_close(self, call: Callable[[], None]) -> None:
        """Call this when the client goes away."""


class Gather:
    """A Sink that keeps what is written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._calls: list[Callable[[], None]] = []

    async def write(self, data: bytes) -> None:
        """Keep a piece."""
        self.parts.append(data)

    def push(self, data: bytes) -> bool:
        """Keep a piece."""
        self.parts.append(data)
        return True

    @property
    def closed(self) -> bool:
        """It never is."""
        return False

    def on_close(self, call: Callable[[], None]) -> None:
        """Nobody closes it."""
        self._calls.append(call)


def nothing() -> None:
    """For a callback that nobody wants."""


@dataclass(slots=True)
class Stream:
    """A long answer: `run` writes it and returns when it is complete.

    A watch calls `begun` when it has told what there is and from then on waits.
    """

    run: Callable[[Sink], Awaitable[None]]
    content_type: str = JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    begun: Callable[[], None] = nothing
    finish: Callable[[], None] | None = None
    """Called at its end."""


@dataclass(slots=True)
class Upgrade:
    """Take the connection over: `run` gets it with nothing written yet and owns it until it returns."""

    run: Callable[[Connection], Awaitable[None]]
    finish: Callable[[], None] | None = None
    """Called at its end."""


Answer = Response | Stream | Upgrade

"""Visitors: an open load on a site at https, by its host name. What a site owes them is an answer, whole and right.

Open: visitors come at their times whether or not those before them have been served, so a site that is too slow gathers
a crowd, as it would outside. By turns they ask for each of the pages, on a new connection and on one that is kept.
The certificate is verified against the cluster's authority of sites, for the host name. Nothing is asked twice, with
one exception that every client makes (RFC 9110, 9.2.2): a kept connection that ended before any of an answer came is
opened anew, and counted in `again`.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import queue
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CROWD = 400
"""Visitors at a time; more than that wait before they ask, and their waiting counts."""
PATIENCE = 30.0
"""Seconds that one waits for a connection, and for each part of an answer."""
SHORT = 100
AGENT = "wherry-visitor"
"""Name of the client in the site's logs."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for, and what must be in the answer."""

    path: str
    holds: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """Where the site is, by which name, and who vouches for it (PEM)."""

    host: str
    address: str
    authority: str
    pages: tuple[Page, ...]
    port: int = 443


@dataclass(frozen=True, slots=True)
class Visit:
    """One request. `due`: when the visitor came (monotonic); `seconds`: from then to the end of the answer; `said`: the
    answer, where it is short; `error` is "" where it was right."""

    due: float
    seconds: float
    path: str
    kept: bool
    again: bool
    said: str
    error: str


class _Secure(http.client.HTTPSConnection):
    """Goes to an address, and asks for a host name there."""

    def __init__(self, site: Site, context: ssl.SSLContext) -> None:
        super().__init__(site.host, site.port, timeout=PATIENCE, context=context)
        self._to, self._tls = (site.address, site.port), context

    def connect(self) -> None:
        """See HTTPSConnection."""
        plain = socket.create_connection(self._to, PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


class Visitors:
    """Load while in the block, `rate` requests a second; another counts at once. Then `visits` tell."""

    def __init__(self, site: Site, rate: float) -> None:
        self.site, self._rate = site, rate
        self.visits: list[Visit] = []
        self._context = ssl.create_default_context(cadata=site.authority)
        self._kept: queue.LifoQueue[_Secure] = queue.LifoQueue()
        self._stop = threading.Event()
        self._moved = threading.Event()
        self._clock = threading.Thread(target=self._send, daemon=True)
        self._crowd = ThreadPoolExecutor(CROWD, "visitor")

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._moved.set()
        self._clock.join()
        self._crowd.shutdown(wait=True)
        while not self._kept.empty():
            self._kept.get_nowait().close()

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        self._moved.set()

    @property
    def failures(self) -> list[Visit]:
        """Those that were not answered as they should be."""
        return [one for one in list(self.visits) if one.error]

    def visit(self, page: Page, *, kept: bool) -> Visit:
        """One visit, now."""
        return self._visit(page, kept, time.monotonic())

    def _send(self) -> None:
        turns = itertools.cycle([(page, kept) for page in self.site.pages for kept in (False, True)])
        due = time.monotonic()
        while not self._stop.is_set():
            if self._moved.wait(max(0.0, due - time.monotonic())):
                self._moved.clear()  # the next one comes as if the rate had always been this
                due = min(due, time.monotonic() + 1 / self._rate)
                continue
            page, kept = next(turns)
            self._crowd.submit(self._come, page, kept, due)
            due += 1 / self._rate

    def _come(self, page: Page, kept: bool, due: float) -> None:
        self.visits.append(self._visit(page, kept, due))

    def _visit(self, page: Page, kept: bool, due: float) -> Visit:
        again, said, error = False, "", ""
        try:
            connection, used = self._connection(kept)
            try:
                said, error = self._ask(connection, page, kept)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if not used:
                    raise
                again = True
                connection = _Secure(self.site, self._context)
                said, error = self._ask(connection, page, kept)
        except (OSError, http.client.HTTPException) as fault:
            error = repr(fault)
        return Visit(due, time.monotonic() - due, page.path, kept, again, said, error)

    def _connection(self, kept: bool) -> tuple[_Secure, bool]:
        """A connection, and whether it has served before."""
        if kept:
            with contextlib.suppress(queue.Empty):
                return self._kept.get_nowait(), True
        return _Secure(self.site, self._context), False

    def _ask(self, connection: _Secure, page: Page, kept: bool) -> tuple[str, str]:
        """The answer where it is short, and what is wrong with it, "" if nothing. Raises OSError, HTTPException."""
        good = False
        try:
            headers = {"User-Agent": AGENT, "Connection": "keep-alive" if kept else "close"}
            connection.request("GET", page.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            good = True
        finally:
            if not kept or not good or answer.will_close:
                connection.close()
            else:
                self._kept.put(connection)
        said = body.decode("utf-8", "replace") if len(body) <= SHORT else ""
        if answer.status != 200:
            return said, f"status {answer.status}: {body[:SHORT]!r}"
        return said, "" if page.holds in body else f"not the page, but {len(body)} bytes: {body[:SHORT]!r}"


def percentile(visits: Sequence[Visit], share: float) -> float:
    """The seconds within which such a share of the visits was served; 0 without visits."""
    ordered = sorted(one.seconds for one in visits)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

"""Visitors of a site, in a process of their own: they ask over HTTPS all the while, and count what they got.

    python -m tests.support.visitors <<< '{"addresses": [...], "host": "...", "authority": "<PEM>", "clients": 4}'

For each address so many clients of each kind: one that connects anew for each request, one that keeps its connection,
and one that posts. Certificates are verified. They begin when every address has answered, and say so in a line; the
next is a Report as JSON, once standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

PATIENCE = 30.0
"""Seconds until a request counts as failed."""
WARM = 90.0
"""Seconds in which the site must come to answer."""
PAUSE = 0.1
"""Seconds between two requests of a client."""


class Seen(NamedTuple):
    """A request that was not answered 200, or the slowest. `at`: when it began, on the machine's monotonic clock."""

    method: str
    address: str
    at: float
    took: float
    outcome: str


@dataclass(slots=True)
class Report:
    """What they got. Anything but 200 is in `bad`."""

    answered: dict[str, int] = field(default_factory=dict)
    """Method -> how many got 200."""
    slowest: dict[str, Seen] = field(default_factory=dict)
    bad: list[Seen] = field(default_factory=list)

    def note(self, seen: Seen) -> None:
        """A request has ended."""
        if seen.outcome != "200":
            self.bad.append(seen)
            return
        self.answered[seen.method] = self.answered.get(seen.method, 0) + 1
        if seen.took > self.slowest.get(seen.method, seen).took or seen.method not in self.slowest:
            self.slowest[seen.method] = seen


def read(text: str) -> Report:
    """A Report from its JSON."""
    told = json.loads(text)
    slowest = {method: Seen(*one) for method, one in told["slowest"].items()}
    return Report(told["answered"], slowest, [Seen(*one) for one in told["bad"]])


@dataclass(slots=True)
class _Visitor:
    """One client. `kept`: it keeps its connection."""

    address: str
    host: str
    trust: ssl.SSLContext
    method: str
    kept: bool
    report: Report
    over: asyncio.Event
    _open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self) -> None:
        while not self.over.is_set():
            began = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    outcome = await self._ask()
            except (OSError, EOFError, ValueError) as error:
                outcome = f"{type(error).__name__} {error}"
            took = time.monotonic() - began
            self.report.note(Seen(self.method, self.address, began, took, outcome))
            if outcome != "200" or not self.kept:
                self._leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self.over.wait()
        self._leave()

    async def try_once(self) -> str:
        """One request, on a connection of its own: the answer's status, or what went wrong."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._ask()
        except (OSError, EOFError, ValueError) as error:
            return f"{type(error).__name__} {error}"
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._open is not None:
            self._open[1].transport.abort()
        self._open = None

    async def _ask(self) -> str:
        """One request; the answer's status."""
        if self._open is None:
            self._open = await asyncio.open_connection(self.address, 443, ssl=self.trust, server_hostname=self.host)
        reader, writer = self._open
        connection = "keep-alive" if self.kept else "close"
        length = "Content-Length: 0\r\n" if self.method == "POST" else ""
        head = f"{self.method} / HTTP/1.1\r\nHost: {self.host}\r\nConnection: {connection}\r\n{length}\r\n"
        writer.write(head.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        await _body(reader, answer)
        return answer.split(" ", 2)[1]


async def _served(visitor: _Visitor) -> None:
    """Wait until it is answered 200."""
    until = time.monotonic() + WARM
    while (outcome := await visitor.try_once()) != "200":
        if time.monotonic() > until:
            raise SystemExit(f"{visitor.address} does not serve the site: {outcome}")
        await asyncio.sleep(PAUSE)


async def _body(reader: asyncio.StreamReader, head: str) -> None:
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if "content-length" in fields:
        await reader.readexactly(int(fields["content-length"]))
    elif fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        await reader.read(-1)


async def visit(addresses: Sequence[str], host: str, authority: str, clients: int) -> Report:
    """Until standard input ends."""
    report, over = Report(), asyncio.Event()
    trust = ssl.create_default_context(cadata=authority)
    kinds = (("GET", False), ("GET", True), ("POST", False))
    for address in addresses:
        await _served(_Visitor(address, host, trust, "GET", False, report, over))
    print("ready", flush=True)  # noqa: T201 - its output
    async with asyncio.TaskGroup() as group:
        for address in addresses:
            for method, kept in kinds * clients:
                visitor = _Visitor(address, host, trust, method, kept, report, over)
                group.create_task(visitor.run())
        await asyncio.to_thread(sys.stdin.read)
        over.set()
    return report


def main() -> None:
    """See the module."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    print(json.dumps(asdict(asyncio.run(visit(**order)))))  # noqa: T201 - its output


if __name__ == "__main__":
    main()

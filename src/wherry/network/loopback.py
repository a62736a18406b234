"""Node ports on 127.0.0.1: a small relay, because packets on loopback cannot be translated to a pod without opening
127.0.0.0/8 to the network (route_localnet, CVE-2020-8558).

Woken by: the proxy, after each change of rules. TCP only. For each node port (and host port) with targets it listens on
127.0.0.1 and passes bytes both ways. A port that a program of the machine has taken stays that program's. A connection
through the relay ends with the agent; those through any other address do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Mapping

from wherry.network.services import Entry, Front, Target

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_CHUNK = 65536


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


class Loopback:
    """The relay of one node."""

    def __init__(self) -> None:
        self._wanted: dict[int, tuple[Target, ...]] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._turn = itertools.count()
        self._wake = asyncio.Event()
        self._refused: set[int] = set()

    def take(self, fronts: Mapping[Front, Entry]) -> None:
        """The fronts now in force (`Proxy.listen`)."""
        wanted = {
            front.port: entry.inside
            for front, entry in fronts.items()
            if front.protocol == "tcp" and front.address in ("", _HOST) and entry.inside
        }
        if wanted != self._wanted:
            self._wanted = wanted
            self._wake.set()

    async def run(self) -> None:
        """Keep listening on what is wanted until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._match()
        finally:
            for server in self._servers.values():
                server.close()
            self._servers.clear()

    async def _match(self) -> None:
        self._refused &= self._wanted.keys()
        for port in self._servers.keys() - self._wanted.keys():
            self._servers.pop(port).close()
        for port in self._wanted.keys() - self._servers.keys() - self._refused:
            try:
                self._servers[port] = await self._listen(port)
            except OSError as error:
                self._refused.add(port)
                log.info("port %d on %s is not relayed: %s", port, _HOST, error)

    async def _listen(self, port: int) -> asyncio.Server:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                await self._relay(port, reader, writer)
            writer.close()

        return await asyncio.start_server(accept, _HOST, port)

    async def _relay(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        targets = self._wanted.get(port, ())
        if not targets:
            return
        target = targets[next(self._turn) % len(targets)]
        to_reader, to_writer = await asyncio.open_connection(target.address, target.port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, to_writer))
                group.create_task(_pass(to_reader, writer))
        except* OSError:
            pass
        finally:
            to_writer.close()

"""DNS: answers cluster names on every node at the cluster's DNS address, over UDP and TCP; other names go upstream.

Woken by: queries, and changes of Services and EndpointSlices. Writes nothing. The address is on the node's lo
(`routes.prepare`), so pods reach their own node's server through their router and no packet is translated.
Invariants: an answer is never older than the last change seen; answers are remembered as bytes, all forgotten at each
change; answers with several records turn with each query, so clients that take the first spread.

ExternalName is resolved upstream along with the alias. The sockets outlive the process (`host.sockets`), so queries
wait while an agent is restarted, and what was last known (`dns_memory`) does, too: `dns_early` answers from it while
the agent is loaded, this server while the first complete list of services does not come. When nothing was known,
queries wait for that list: nobody is told "no such name" too early.

https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Service
from wherry.api.types.discovery import EndpointSlice
from wherry.host import sockets
from wherry.machinery.meta import Key, Object, key_of
from wherry.network import dns_memory
from wherry.network import dns_wire as wire
from wherry.network.dns_forward import Forwarder
from wherry.network.dns_records import Record, Zone
from wherry.network.dns_wire import Query
from wherry.network.proxy import SLICES_OF, service_of
from wherry.reconcile.cache import Caches

log = logging.getLogger(__name__)

R = TypeVar("R")
Question = tuple[bytes, tuple[str, int]]
"""A datagram and who sent it."""
_BATCH = 64  # datagrams answered before others get the loop
_REMEMBERED = 20_000
_TCP_IDLE = 30.0
_TCP_MOST = 500
_CHAIN = 8
_PATIENCE = 2.0
"""Seconds that a server waits for the first complete lists although it remembers what was there before."""


class Answers:
    """Questions to answers, without I/O: what is in the zone. `fresh` tells it that the zone changed."""

    def __init__(self, zone: Zone, revision: Callable[[], int]) -> None:
        self.zone = zone
        self._revision = revision
        self._known: dict[bytes, bytes] = {}
        self._turn = count()

    def fresh(self) -> None:
        """Forget remembered answers."""
        self._known.clear()

    def remembered(self, message: bytes) -> bytes | None:
        """The answer to the same bytes asked before."""
        known = self._known.get(message[2:])
        return message[:2] + known if known is not None else None

    def answer(self, message: bytes, query: Query) -> bytes | None:
        """The answer from the zone; None when it is not the zone's to give, or needs upstream (ExternalName)."""
        if query.klass != 1:
            return wire.reply(message, query, rcode=wire.REFUSED)
        if not self.zone.serves(query.name):
            return None
        found = self.zone.find(query.name)
        if found is None:
            return self._keep(message, wire.reply(message, query, authority=(self._soa(),), rcode=wire.NXDOMAIN))
        if found.cname:
            return None if query.type != wire.CNAME else wire.reply(message, query, (self.alias(found),))
        answers, additional = self._records(query, found)
        authority = () if answers else (self._soa(),)
        result = wire.reply(message, query, answers, authority=authority, additional=additional)
        return self._keep(message, result) if len(answers) < 2 else result

    def alias(self, found: Record) -> bytes:
        """The CNAME record of an ExternalName service."""
        return wire.record(b"", wire.CNAME, wire.encode_name(found.cname))

    def _keep(self, message: bytes, result: bytes) -> bytes:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[message[2:]] = result[2:]
        return result

    def _soa(self) -> bytes:
        return wire.soa(self.zone.name, self.zone.nameserver, self._revision())

    def _records(self, query: Query, found: Record) -> tuple[list[bytes], list[bytes]]:
        answers: list[bytes] = []
        additional: list[bytes] = []
        wanted = query.type
        if wanted in (wire.A, wire.ANY):
            answers += [wire.a(ip) for ip in self._turned(found.a)]
        if wanted in (wire.SRV, wire.ANY) and found.srv:
            weight = max(1, 100 // len(found.srv))
            answers += [wire.srv(port, target, weight) for port, target in self._turned(found.srv)]
            for target in dict.fromkeys(target for _, target in found.srv):
                owner, there = wire.encode_name(target), self.zone.find(target)
                additional += [wire.a(ip, owner) for ip in (there.a if there else ())]
        if wanted in (wire.PTR, wire.ANY):
            answers += [wire.record(b"", wire.PTR, wire.encode_name(name)) for name in found.ptr]
        if wanted in (wire.TXT, wire.ANY) and found.txt:
            answers.append(wire.txt(found.txt))
        if found.apex and wanted in (wire.SOA, wire.ANY):
            answers.append(self._soa())
        if found.apex and wanted in (wire.NS, wire.ANY):
            answers.append(wire.record(b"", wire.NS, wire.encode_name(self.zone.nameserver)))
        return answers, additional

    def _turned(self, items: tuple[R, ...]) -> tuple[R, ...]:
        """The same items, each call beginning with another one."""
        at = next(self._turn) % len(items) if len(items) > 1 else 0
        return items[at:] + items[:at]


@dataclass(frozen=True, slots=True)
class Files:
    """What outlives the process: `sockets` notes who holds them, `memory` holds what was last known."""

    sockets: Path
    memory: Path

    @classmethod
    def below(cls, root: Path) -> Self:
        """Those of the node with this folder."""
        return cls(root / "dns-sockets.json", root / "dns-memory.json")


def nobody() -> Iterable[Question]:
    """Nobody has answered before."""
    return ()


class Server:
    """The DNS server of one node, on `at` = (address, port). Without `files` nothing outlives the process. `before`
    ends who has answered until now (`dns_early`), and gives what is left to answer."""

    def __init__(
        self, caches: Caches, zone: Zone, forward: Forwarder, at: tuple[str, int], files: Files | None = None,
        before: Callable[[], Iterable[Question]] = nobody,
    ) -> None:  # fmt: skip
        self._caches = caches
        self._answers = Answers(zone, lambda: caches.of(SERVICE).revision)
        self._zone = zone
        self._forward = forward
        self._at = at
        self._files = files
        self._before = before
        self._tcp = 0
        self._complete = False
        caches.of(SERVICE).listen(self._on_service)
        caches.of(ENDPOINTSLICE).listen(self._on_slice)

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when the address cannot be bound."""
        files = self._files
        udp, tcp = await asyncio.to_thread(self._sockets)
        with udp, tcp:
            remembered = await asyncio.to_thread(dns_memory.load, files.memory, self._zone) if files else frozenset()
            # queries wait in the socket until there is something to answer them from; meanwhile `before` answers
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE if remembered else None):
                    await self._caches.synced((SERVICE, ENDPOINTSLICE))
                    self._begin(remembered)
            async with asyncio.TaskGroup() as group:
                server = await asyncio.start_server(self._accept, sock=tcp)
                loop = asyncio.get_running_loop()
                try:
                    loop.add_reader(udp, self._readable, udp, group)
                    group.create_task(self._take_over(udp, group))
                    if not self._complete:
                        await self._caches.synced((SERVICE, ENDPOINTSLICE))
                        self._begin(remembered)
                    if files:
                        await dns_memory.Memory(self._caches, files.memory).run()
                    await loop.create_future()
                finally:
                    loop.remove_reader(udp)
                    server.close()

    async def _take_over(self, udp: socket.socket, group: asyncio.TaskGroup) -> None:
        """End who has answered until now, and answer what is left."""
        for message, client in await asyncio.to_thread(self._before):
            self._take(udp, message, client, group)

    def _sockets(self) -> tuple[socket.socket, socket.socket]:
        return sockets.kept(self._files.sockets, *self._at) if self._files else sockets.bound(*self._at)

    def _begin(self, remembered: frozenset[Key]) -> None:
        """From what was remembered to what is: in one step, as a service whose endpoints are not seen yet has none."""
        self._complete = True
        for key in remembered | self._caches.of(SERVICE).objects.keys():
            self._update(key)

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        known = new or old
        if known is not None:
            self._update(key_of(known))

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        for piece in (old, new):
            if isinstance(piece, EndpointSlice):
                self._update(service_of(piece))

    def _update(self, key: Key) -> None:
        if not self._complete:
            return
        service: Service | None = self._caches.of(SERVICE).objects.get(key)
        if service is None:
            self._zone.drop(key)
        else:
            self._zone.put(service, self._caches.of(ENDPOINTSLICE).indexed(SLICES_OF, str(key)))
        self._answers.fresh()

    def _readable(self, udp: socket.socket, group: asyncio.TaskGroup) -> None:
        for _ in range(_BATCH):
            try:
                message, client = udp.recvfrom(4096)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                log.debug("datagram: %s", error)
                return
            self._take(udp, message, client, group)

    def _take(self, udp: socket.socket, message: bytes, client: tuple[str, int], group: asyncio.TaskGroup) -> None:
        known = self._answers.remembered(message)
        if known is not None:
            _send(udp, known, client)
            return
        result = self._quick(message)
        if isinstance(result, Query):
            group.create_task(self._datagram(udp, message, result, client))
        else:
            _send(udp, result, client)

    def _quick(self, message: bytes) -> bytes | Query:
        """The answer if it needs no waiting, cut to fit a datagram; else the query."""
        try:
            query = wire.read(message)
        except wire.Malformed as error:
            return wire.error(message, error.rcode)
        result = self._answers.answer(message, query)
        return query if result is None else wire.fit(result, query)

    async def _datagram(self, udp: socket.socket, message: bytes, query: Query, client: tuple[str, int]) -> None:
        try:
            answer = await self._resolve(message, query, tcp=False)
        except Exception:
            log.exception("no answer for %r", query.name)
            answer = wire.reply(message, query, rcode=wire.SERVFAIL)
        _send(udp, wire.fit(answer, query), client)

    async def _resolve(self, message: bytes, query: Query, *, tcp: bool) -> bytes:
        """The answer, whoever has to be asked."""
        result = self._answers.answer(message, query)
        if result is not None:
            return result
        if self._zone.serves(query.name):
            return await self._external(message, query)
        forwarded = await self._forward.ask(message, query.end, tcp=tcp)
        return forwarded or wire.reply(message, query, rcode=wire.SERVFAIL)

    async def _external(self, message: bytes, query: Query) -> bytes:
        """An ExternalName service: the alias, and what it leads to, inside the cluster or upstream."""
        records: list[bytes] = []
        owner, name = b"", query.name
        for _ in range(_CHAIN):
            found = self._zone.find(name)
            if found is None or not found.cname:
                break
            records.append(wire.record(owner, wire.CNAME, wire.encode_name(found.cname)))
            owner, name = wire.encode_name(found.cname), found.cname
        inside = self._zone.find(name) if self._zone.serves(name) else None
        if inside is not None and query.type == wire.A:
            records += [wire.a(ip, owner) for ip in inside.a]
        elif not self._zone.serves(name):
            records += await self._upstream(name, query.type)
        return wire.reply(message, query, records)

    async def _upstream(self, name: str, kind: int) -> list[bytes]:
        """The records of a name outside, each with its owner in full. dnspython reads what others wrote."""
        import dns.message  # noqa: PLC0415, RUF100 - 8 MB that only ExternalName needs
        import dns.name  # noqa: PLC0415, RUF100 - as above

        question = wire.encode_name(name) + struct.pack("!HH", kind, 1)
        asked = b"\0\0" + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + question
        answer = await self._forward.ask(asked, len(asked), tcp=False)
        if answer is None:
            return []
        try:
            parsed = dns.message.from_wire(answer)
        except (dns.exception.DNSException, ValueError):
            return []
        return [
            wire.record(rrset.name.to_wire() or b"\0", rrset.rdtype, rdata.to_wire() or b"", rrset.ttl)
            for rrset in parsed.answer
            for rdata in rrset
        ]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._tcp >= _TCP_MOST:
            writer.close()
            return
        self._tcp += 1
        try:
            await self._converse(reader, writer)
        except (OSError, EOFError, TimeoutError):
            pass
        finally:
            self._tcp -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_TCP_IDLE):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                message = await reader.readexactly(length)
            try:
                query = wire.read(message)
            except wire.Malformed as error:
                result = wire.error(message, error.rcode)
            else:
                result = await self._resolve(message, query, tcp=True)
            if not result:
                return
            writer.write(struct.pack("!H", len(result)) + result)
            async with asyncio.timeout(_TCP_IDLE):
                await writer.drain()


def _send(udp: socket.socket, answer: bytes, client: tuple[str, int]) -> None:
    if answer:
        with contextlib.suppress(OSError):
            udp.sendto(answer, client)

"""DNS messages as bytes: reading the question of a query, writing answers. Pure.

Only what cluster DNS answers by itself: A, SRV, PTR, CNAME, TXT, SOA, NS; the rest is passed on or refused. A query
that cannot be read raises Malformed.

https://www.rfc-editor.org/rfc/rfc1035#section-4 https://www.rfc-editor.org/rfc/rfc6891
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
TTL = 5
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_AT_QUESTION = b"\xc0\x0c"
_SIZE = 1232  # what one unfragmented packet carries anywhere
_MOST = 4096


class Malformed(Exception):
    """Not a query that can be answered; `rcode` is what to say."""

    def __init__(self, rcode: int) -> None:
        super().__init__(f"rcode {rcode}")
        self.rcode = rcode


@dataclass(frozen=True, slots=True)
class Query:
    """A question. `end` is where it ends in the message; `size` the largest datagram the client takes."""

    name: str
    type: int
    klass: int
    flags: int
    end: int
    size: int
    edns: bool


def read(message: bytes) -> Query:
    """The question of a query. Raises Malformed."""
    if len(message) < 17:
        raise Malformed(FORMERR)
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(message)
    if flags & 0x7800:
        raise Malformed(NOTIMP)
    if flags & 0x8000 or questions != 1 or answers or authorities or additional > 1:
        raise Malformed(FORMERR)
    labels: list[bytes] = []
    at = 12
    try:
        while length := message[at]:
            if length > 63 or at > 12 + 255:
                raise Malformed(FORMERR)
            labels.append(message[at + 1 : at + 1 + length])
            at += 1 + length
        kind, klass = struct.unpack_from("!HH", message, at + 1)
    except (IndexError, struct.error) as error:
        raise Malformed(FORMERR) from error
    name = b".".join(labels).lower().decode("latin-1")
    size, edns = _edns(message, at + 5) if additional else (512, False)
    return Query(name, kind, klass, flags, at + 5, size, edns)


def _edns(message: bytes, at: int) -> tuple[int, bool]:
    if len(message) < at + 11 or message[at] != 0:
        raise Malformed(FORMERR)
    kind, size, _, _ = _RECORD.unpack_from(message, at + 1)
    if kind != OPT:
        return 512, False
    return max(512, min(size, _MOST)), True


@lru_cache(8192)
def encode_name(name: str) -> bytes:
    """A name in full, without compression. Raises ValueError for labels over 63 bytes."""
    parts = [label.encode("latin-1") for label in name.split(".") if label]
    if any(len(part) > 63 for part in parts):
        raise ValueError(name)
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def record(owner: bytes, kind: int, data: bytes, ttl: int = TTL) -> bytes:
    """One resource record of class IN. `owner` is encoded; b"" is the question's name."""
    return (owner or _AT_QUESTION) + _RECORD.pack(kind, 1, ttl, len(data)) + data


def a(ip: str, owner: bytes = b"") -> bytes:
    """An address record."""
    return record(owner, A, IPv4Address(ip).packed)


def srv(port: int, target: str, weight: int) -> bytes:
    """A service record, priority 0."""
    return record(b"", SRV, struct.pack("!HHH", 0, weight, port) + encode_name(target))


def txt(text: str) -> bytes:
    """A text record of one string."""
    data = text.encode()[:255]
    return record(b"", TXT, bytes((len(data),)) + data)


def soa(zone: str, nameserver: str, serial: int) -> bytes:
    """The zone's start of authority, for its own name or to bound how long "no" is believed."""
    numbers = struct.pack("!IIIII", serial & 0xFFFFFFFF, 7200, 1800, 86400, TTL)
    data = encode_name(nameserver) + encode_name(f"hostmaster.{zone}") + numbers
    return record(encode_name(zone), SOA, data)


def reply(
    message: bytes,
    query: Query,
    answers: Iterable[bytes] = (),
    *,
    authority: Iterable[bytes] = (),
    additional: Iterable[bytes] = (),
    rcode: int = NOERROR,
) -> bytes:
    """The answer to `message`, with our authority."""
    said, below, more = list(answers), list(authority), list(additional)
    if query.edns:
        more.append(_opt())
    flags = 0x8480 | (query.flags & 0x0100) | rcode
    header = message[:2] + struct.pack("!HHHHH", flags, 1, len(said), len(below), len(more))
    return b"".join((header, message[12 : query.end], *said, *below, *more))


def _opt() -> bytes:
    return b"\0" + _RECORD.pack(OPT, _SIZE, 0, 0)


def fit(answer: bytes, query: Query) -> bytes:
    """The answer if a datagram to this client carries it, else the note to ask again over TCP."""
    if len(answer) <= query.size:
        return answer
    flags = struct.unpack_from("!H", answer, 2)[0] | 0x0200
    tail = _opt() if query.edns else b""
    return answer[:2] + struct.pack("!HHHHH", flags, 1, 0, 0, 1 if query.edns else 0) + answer[12 : query.end] + tail


def error(message: bytes, rcode: int) -> bytes:
    """A bare refusal, for queries that could not be read. Empty when there is not even a header."""
    if len(message) < 12 or message[2] & 0x80:
        return b""
    flags = 0x8000 | (struct.unpack_from("!H", message, 2)[0] & 0x7900) | rcode
    return message[:2] + struct.pack("!HHHHH", flags, 0, 0, 0, 0)

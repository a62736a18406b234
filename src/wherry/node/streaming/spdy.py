"""SPDY/3.1, the client's half: enough to run exec, attach and port-forward sessions against a container runtime.

Frames and header blocks as in the SPDY/3.1 draft; no flow control windows, as the peers here (container runtimes'
streaming servers) keep none. Session is sans-I/O: feed it received bytes, it answers with events and keeps what must be
sent in `outgoing`.
https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from wherry.node.streaming.spdy_dictionary import DICTIONARY

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 0x01
_CONTROL = 0x8000
_VERSION = 3
MAX_FRAME = 16 * 1024 * 1024 - 1


class ProtocolError(ConnectionError):
    """The peer does not speak SPDY/3.1: as good as gone."""


class Data(NamedTuple):
    """Bytes on a stream; `end` when the peer will send no more on it."""

    stream: int
    data: bytes
    end: bool


class Reset(NamedTuple):
    """The peer ended a stream early."""

    stream: int
    code: int


class Away(NamedTuple):
    """The peer will accept no new streams."""


Event = Data | Reset | Away


class Session:
    """One connection after the upgrade. Stream ids are odd: ours."""

    def __init__(self) -> None:
        self.outgoing = bytearray()
        self._received = bytearray()
        self._next = 1
        self._packer = zlib.compressobj(zdict=DICTIONARY)

    def open(self, headers: Mapping[str, str]) -> int:
        """Open a stream with these headers (names in lower case); answers its id."""
        stream, self._next = self._next, self._next + 2
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            block += struct.pack(">I", len(name)) + name.encode() + struct.pack(">I", len(value)) + value.encode()
        packed = self._packer.compress(block) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        self._control(SYN_STREAM, 0, struct.pack(">IIBB", stream, 0, 0, 0) + packed)
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Queue bytes on a stream, the last ones with `end`."""
        self.outgoing += struct.pack(">II", stream, (FIN << 24 if end else 0) | len(data)) + data

    def reset(self, stream: int) -> None:
        """Give a stream up (CANCEL)."""
        self._control(RST_STREAM, 0, struct.pack(">II", stream, 5))

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the peer; answers what they mean. Raises ProtocolError."""
        self._received += data
        events: list[Event] = []
        while len(self._received) >= 8:
            first, second = struct.unpack_from(">II", self._received)
            flags, length = second >> 24, second & 0xFFFFFF
            if len(self._received) < 8 + length:
                break
            body = bytes(self._received[8 : 8 + length])
            del self._received[: 8 + length]
            events += self._frame(first, flags, body)
        return events

    def _frame(self, first: int, flags: int, body: bytes) -> list[Event]:
        if not first >> 31:
            return [Data(first, body, bool(flags & FIN))]
        if first >> 16 & 0x7FFF != _VERSION:
            raise ProtocolError(f"version {first >> 16 & 0x7FFF}")
        kind = first & 0xFFFF
        if kind == PING:
            self._control(PING, 0, body)
        elif kind == RST_STREAM and len(body) >= 8:
            return [Reset(*struct.unpack_from(">II", body))]
        elif kind == GOAWAY:
            return [Away()]
        elif kind in (SYN_REPLY, HEADERS) and flags & FIN and len(body) >= 4:
            return [Data(struct.unpack_from(">I", body)[0], b"", end=True)]
        return []

    def _control(self, kind: int, flags: int, body: bytes) -> None:
        head = struct.pack(">HHI", _CONTROL | _VERSION, kind, flags << 24 | len(body))
        self.outgoing += head + body

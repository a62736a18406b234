"""The wire format of protobuf, as far as it is written here. Pure. https://protobuf.dev/programming-guides/encoding/"""

from __future__ import annotations

VARINT, FIXED64, BYTES = 0, 1, 2
"""Wire types."""
_BYTE = tuple(bytes([number]) for number in range(128))


def varint(value: int) -> bytes:
    """An integer from 0 to 2**64 - 1, in as few bytes as it takes."""
    if value < 128:
        return _BYTE[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(value: int) -> bytes:
    """A signed integer: one below zero takes ten bytes."""
    return varint(value & 0xFFFFFFFFFFFFFFFF)


def tag(number: int, wire: int) -> bytes:
    """What stands before the value of a field."""
    return varint(number << 3 | wire)


def field(number: int, content: bytes) -> bytes:
    """A field that holds text, bytes or a message."""
    return b"%b%b%b" % (varint(number << 3 | BYTES), varint(len(content)), content)

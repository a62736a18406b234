"""Chain: lines linked by hashes, so that a changed, removed or inserted line shows. Pure.

A line is a JSON object whose last field is `"chain":"<number>.<sha-256>"`; the hash covers the hash before, the number
and the rest of the line. A file begins with a link, `{"kind":"Link","after":"<number>.<hash>",...}`, so that files
follow each other even when older ones are gone. What the chain cannot show by itself is that its end was cut off: who
wants that compares with the head kept elsewhere (`audit.head`, or the last record that the webhook got).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

_TAIL = re.compile(rb',"chain":"(\d{1,18})\.([0-9a-f]{64})"}$')


class Head(NamedTuple):
    """The newest line: its number, counted from 1, and its hash in hex."""

    number: int = 0
    hash: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.number}.{self.hash}"


class Tampered(Exception):
    """The chain is broken; the text says where."""


def _hash(before: str, number: int, body: bytes) -> str:
    digest = hashlib.sha256(b"%b\n%d\n" % (before.encode(), number))
    digest.update(body)
    return digest.hexdigest()


def linked(head: Head, record: bytes) -> tuple[Head, bytes]:
    """A record (a JSON object on one line) as the next line, with its line feed."""
    body = record[:-1]
    number = head.number + 1
    digest = _hash(head.hash, number, body)
    return Head(number, digest), b'%b,"chain":"%d.%b"}\n' % (body, number, digest.encode())


def head_of(line: bytes) -> Head | None:
    """The head after a line, as the line itself says; None when it is no whole line."""
    found = _TAIL.search(line.rstrip(b"\n"))
    return None if found is None else Head(int(found[1]), found[2].decode())


def follow(lines: Iterable[bytes], head: Head | None, name: str) -> tuple[Head | None, int]:
    """Check lines that come after `head` (None: nobody knows what was before); the new head, and how many records.

    Raises Tampered. A line that was cut short when the machine died is fine if the link after it says so.
    """
    records = 0
    torn: bytes | None = None
    for at, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\n")
        told = head_of(line)
        if told is None:
            if torn is not None:
                raise Tampered(f"{name}, line {at}: not a record of this log")
            torn = line
            continue
        body = line[: line.rindex(b',"chain":"')]
        link = _link(line)
        if head is None:
            if link is None:
                raise Tampered(f"{name}, line {at}: the first line does not say what it follows")
            head = _parse(link.after, name, at)
        if torn is not None and (link is None or link.torn != hashlib.sha256(torn).hexdigest()):
            raise Tampered(f"{name}, line {at - 1}: not a record of this log")
        torn = None
        if link is not None and link.after != str(head):
            raise Tampered(f"{name}, line {at}: follows {link.after}, but {head} was before")
        if told.number != head.number + 1 or told.hash != _hash(head.hash, told.number, body):
            raise Tampered(f"{name}, line {at}: does not follow the line before it")
        head = told
        records += link is None
    if torn is not None:
        raise Tampered(f"{name}: the last line is cut short")
    return head, records


class Link(msgspec.Struct, frozen=True, tag_field="kind", tag="Link", omit_defaults=True):
    """The first line of a file, and the one after a gap: `torn` is the hash of the line that was cut short before it,
    `lost` how many records could not be written."""

    after: str
    time: str
    torn: str = ""
    lost: int = 0


_LINKS = msgspec.json.Decoder(Link)


def _link(line: bytes) -> Link | None:
    if not line.startswith(b'{"kind":"Link"'):
        return None
    try:
        return _LINKS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _parse(text: str, name: str, at: int) -> Head:
    number, _, digest = text.partition(".")
    if not number.isdigit() or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise Tampered(f"{name}, line {at}: {text!r} is no place in a log")
    return Head(int(number), digest)

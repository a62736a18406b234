"""PEM: the blocks in a text, as Go's encoding/pem finds them; anything else between them is passed over.

https://www.rfc-editor.org/rfc/rfc7468
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = re.compile(
    r"(?:^|\n)-----BEGIN ([^\n-]+)-----[ \t\r]*\n(.*?)(?:^|(?<=\n))-----END \1-----[ \t\r]*(?=\n|$)", re.DOTALL
)


class Block(NamedTuple):
    """`label` as in BEGIN and END; `headers`: whether there were any; `data`: decoded."""

    label: str
    headers: bool
    data: bytes


def blocks(text: str) -> Iterator[Block]:
    """Every well-formed block; a malformed one is passed over."""
    for found in _BLOCK.finditer(text):
        head, empty, body = found[2].partition("\n\n")
        headers = bool(empty) and ":" in head
        try:
            data = base64.b64decode(re.sub(r"\s", "", body if headers else found[2]), validate=True)
        except (binascii.Error, ValueError):
            continue
        yield Block(found[1], headers, data)


def encode(label: str, data: bytes) -> str:
    """One block: lines of 64 letters."""
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))

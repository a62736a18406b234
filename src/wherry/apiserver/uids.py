"""Random UUIDs (version 4) without a system call for each: the kernel's randomness is fetched for many at once.

Every fetch gives up the interpreter lock, which a busy store thread may take: that is what costs.
https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-4
"""

from __future__ import annotations

import os

_AT_ONCE = 128
_VARIANT = "89ab"


class Uids:
    """Call it for a new UUID in its text form. For one thread."""

    __slots__ = ("_digits",)

    def __init__(self) -> None:
        self._digits: list[str] = []

    def __call__(self) -> str:
        """`xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx`, never the same twice."""
        if not self._digits:
            text = os.urandom(16 * _AT_ONCE).hex()
            self._digits = [text[start : start + 32] for start in range(0, len(text), 32)]
        d = self._digits.pop()
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[int(d[16], 16) & 3]}{d[17:20]}-{d[20:]}"

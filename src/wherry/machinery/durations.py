"""Durations as Go writes and reads them: `1h30m`, `-1.5s`, `500ms`, `0`, to the nanosecond.

https://pkg.go.dev/time#ParseDuration
"""

from __future__ import annotations

import re

SECOND = 1_000_000_000
_PART = re.compile(r"(\d*)(?:\.(\d*))?([a-zµμ]+)", re.ASCII)
_UNITS = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND
}  # fmt: skip


def nanoseconds(text: str) -> int:
    """The length that a text says, in nanoseconds. Raises ValueError."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    if rest == "0":
        return 0
    total, position = 0, 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None or not (part[1] or part[2]) or part[3] not in _UNITS:
            raise ValueError(f'invalid duration "{text}"')
        unit = _UNITS[part[3]]
        fraction = part[2] or ""
        total += int(part[1] or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = part.end()
    if not rest:
        raise ValueError(f'invalid duration "{text}"')
    return sign * total


def duration_seconds(text: str) -> float:
    """The same in seconds. Raises ValueError."""
    return nanoseconds(text) / SECOND

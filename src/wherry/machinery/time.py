"""Time on the wire: RFC 3339 in UTC. `Time` has whole seconds, `MicroTime` exactly six decimals, as metav1 writes.

Both are strings that sort as they should, so objects stay cheap; convert at the edges of arithmetic with `seconds`,
`time_at` and `micro_time_at`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_PATTERN = re.compile(r"^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$", re.ASCII)
_REMEMBERED = 1024  # the same few moments are read again with every copy of an object


class Time(str):
    """metav1.Time: `2006-01-02T15:04:05Z`."""

    __slots__ = ()


class MicroTime(str):
    """metav1.MicroTime: `2006-01-02T15:04:05.000000Z`."""

    __slots__ = ()


def datetime_at(now: float) -> datetime:
    """The moment of an epoch second, in UTC."""
    return datetime.fromtimestamp(now, UTC)


def time_at(now: float) -> Time:
    """The Time of an epoch second (fractions are cut)."""
    return _time_at(int(now))


@lru_cache(maxsize=_REMEMBERED)
def _time_at(second: int) -> Time:
    return Time(f"{datetime.fromtimestamp(second, UTC).isoformat()[:19]}Z")


def micro_time_at(now: float) -> MicroTime:
    """The MicroTime of an epoch second with fractions."""
    return MicroTime(f"{datetime.fromtimestamp(now, UTC).isoformat(timespec='microseconds')[:26]}Z")


@lru_cache(maxsize=_REMEMBERED)
def seconds(text: str) -> float:
    """Epoch seconds of an RFC 3339 text. Raises ValueError when it is none."""
    found = _PATTERN.match(text)
    if found is None:
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse')
    whole, fraction, zone = found.groups()
    moment = datetime.fromisoformat(whole.upper() + ("+00:00" if zone in "Zz" else zone))
    return moment.timestamp() + (float(fraction) if fraction else 0.0)


@lru_cache(maxsize=_REMEMBERED)
def parse_time(text: str) -> Time:
    """Read any RFC 3339 text into its canonical Time. Raises ValueError."""
    if len(text) == 20 and text[-1] == "Z" and text[10] == "T" and _PATTERN.match(text):
        seconds(text)
        return Time(text)
    return time_at(seconds(text))


def parse_micro_time(text: str) -> MicroTime:
    """Read any RFC 3339 text into its canonical MicroTime. Raises ValueError."""
    if len(text) == 27 and text[-1] == "Z" and text[19] == "." and _PATTERN.match(text):
        seconds(text)
        return MicroTime(text)
    return micro_time_at(seconds(text))

"""Parts of times and durations: getFullYear, getHours, ...; in UTC or in a named zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, Run, overload
from wherry.machinery.cel.values import SECOND, Duration, Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)

Part = Callable[[datetime], int]


def _zone(name: str) -> tzinfo:
    found = _OFFSET.fullmatch(name)
    if found is not None:
        minutes = int(found[2]) * 60 + int(found[3])
        try:
            return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
        except ValueError:
            raise EvaluationError(f"unknown time zone {name}") from None
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, KeyError):
        raise EvaluationError(f"unknown time zone {name}") from None


def _local(at: Timestamp, zone: tzinfo) -> datetime:
    try:
        return (_EPOCH + timedelta(seconds=at.nanos // SECOND)).astimezone(zone)
    except OverflowError:
        raise EvaluationError("timestamp overflow") from None


_PARTS: tuple[tuple[str, str, Part], ...] = (
    ("getFullYear", "year", lambda at: at.year),
    ("getMonth", "month", lambda at: at.month - 1),
    ("getDayOfYear", "day_of_year", lambda at: at.timetuple().tm_yday - 1),
    ("getDayOfMonth", "day_of_month", lambda at: at.day - 1),
    ("getDate", "day_of_month_1_based", lambda at: at.day),
    ("getDayOfWeek", "day_of_week", lambda at: at.isoweekday() % 7),
    ("getHours", "hours", lambda at: at.hour),
    ("getMinutes", "minutes", lambda at: at.minute),
    ("getSeconds", "seconds", lambda at: at.second),
)
_SPANS = (
    ("getHours", "hours", 3600 * SECOND),
    ("getMinutes", "minutes", 60 * SECOND),
    ("getSeconds", "seconds", SECOND),
    ("getMilliseconds", "milliseconds", SECOND // 1000),
)


def _part(part: Part) -> Run:
    def run(at: Timestamp, zone: str = "") -> int:
        return part(_local(at, _zone(zone)))

    return run


def _milliseconds(at: Timestamp, zone: str = "") -> int:
    _zone(zone)
    return at.nanos % SECOND // 1_000_000


def _span(unit: int) -> Run:
    def run(span: Duration) -> int:
        whole = abs(span.nanos) // unit
        return -whole if span.nanos < 0 else whole

    return run


def _declared() -> list[Overload]:
    found: list[Overload] = []
    for function, name, run in [
        *((function, name, _part(part)) for function, name, part in _PARTS),
        ("getMilliseconds", "milliseconds", _milliseconds),
    ]:
        found.append(overload(f"timestamp_to_{name}", f"[timestamp] {function}() -> int", run))
        found.append(overload(f"timestamp_to_{name}_with_tz", f"[timestamp] {function}(string) -> int", run))
    for function, name, unit in _SPANS:
        found.append(overload(f"duration_to_{name}", f"[duration] {function}() -> int", _span(unit)))
    return found


TIMES: tuple[Overload, ...] = tuple(_declared())

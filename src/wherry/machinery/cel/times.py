"""Times and durations as text: RFC 3339 and Go's durations, to the nanosecond."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.values import SECOND, Duration, Timestamp
from wherry.machinery.durations import nanoseconds

MIN_INT, MAX_INT = -(1 << 63), (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = -62135596800 * SECOND
LATEST = 253402300799 * SECOND + 999_999_999

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)


def parse_timestamp(text: str) -> Timestamp:
    """RFC 3339. Raises EvaluationError."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise EvaluationError("timestamp conversion error: invalid timestamp")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction = int(((found[7] or "") + "000000000")[:9])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise EvaluationError("timestamp conversion error: invalid timestamp") from None
    offset = 0
    if found[8]:
        if int(found[9]) > 23 or int(found[10]) > 59:
            raise EvaluationError("timestamp conversion error: invalid timestamp")
        offset = (int(found[9]) * 60 + int(found[10])) * (60 if found[8] == "+" else -60)
    return in_range((int((moment - _EPOCH) / timedelta(seconds=1)) - offset) * SECOND + fraction)


def in_range(nanos: int) -> Timestamp:
    """A timestamp in the years 1 to 9999. Raises EvaluationError."""
    if not EARLIEST <= nanos <= LATEST:
        raise EvaluationError("timestamp overflow")
    return Timestamp(nanos)


def parse_date(text: str) -> Timestamp:
    """`2006-01-02`, at midnight. Raises EvaluationError."""
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None:
        raise EvaluationError("timestamp conversion error: invalid date")
    return Timestamp((day - _EPOCH.date()).days * 86400 * SECOND)


def parse_duration(text: str) -> Duration:
    """Go's notation: `1h30m`, `-1.5s`, `0`. Raises EvaluationError."""
    try:
        nanos = nanoseconds(text)
    except ValueError:
        nanos = MAX_INT + 1
    if not MIN_INT <= nanos <= MAX_INT:
        raise EvaluationError("duration conversion error: invalid duration")
    return Duration(nanos)


def duration_text(value: Duration) -> str:
    """As `string(duration)` prints it: seconds, `90s`, `0.5s`."""
    whole, part = divmod(abs(value.nanos), SECOND)
    fraction = f".{part:09}".rstrip("0") if part else ""
    return f"{'-' if value.nanos < 0 else ''}{whole}{fraction}s"


def timestamp_text(value: Timestamp) -> str:
    """As `string(timestamp)` prints it: RFC 3339 in UTC."""
    seconds, part = divmod(value.nanos, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    fraction = f".{part:09}".rstrip("0") if part else ""
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}{fraction}Z"

"""Cron schedules: five fields, or a descriptor such as @daily or @every 1h30m.

https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
Times are epoch seconds. Where a clock is set forward, times that do not exist are skipped; where it is set back, those
that occur twice are met twice.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wherry.machinery.durations import duration_seconds

MONTHS = {
    name: i
    for i, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
DAYS = {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS_AHEAD = 5
_ZONE_PART = re.compile(r"(?!-)[A-Za-z.\-_0-9+]{1,14}", re.ASCII)


class _Field(NamedTuple):
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field(0, 59, {}),
    _Field(0, 23, {}),
    _Field(1, 31, {}),
    _Field(1, 12, MONTHS),
    _Field(0, 6, DAYS),
)


class Schedule(NamedTuple):
    """A parsed schedule. `every`: seconds between runs, where the schedule is an interval; else the five sets hold."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True  # the day of the month is not restricted
    any_weekday: bool = True
    every: int = 0

    def next(self, after: float, zone: tzinfo = UTC) -> float | None:
        """The first time strictly after `after`; None if there is none within five years."""
        if self.every:
            return float(int(after) + self.every)
        first = datetime.fromtimestamp(after, zone).date()
        for offset in range(366 * _YEARS_AHEAD):
            day = first + timedelta(days=offset)
            if self._falls_on(day) and (found := self._within(day, after, zone)) is not None:
                return found
        return None

    def _falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_date and by_weekday
        return by_date or by_weekday

    def _within(self, day: date, after: float, zone: tzinfo) -> float | None:
        found: list[float] = []
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                wall = time(hour, minute)
                for fold in (0, 1):
                    local = datetime.combine(day, wall, zone).replace(fold=fold)
                    moment = local.timestamp()
                    exists = datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == datetime.combine(day, wall)
                    if exists and moment > after:
                        found.append(moment)
            if found:  # a later hour can only come before when the clock is set back, by one hour
                return min(found)
        return None


def parse(text: str) -> Schedule:
    """Read a schedule, without a time zone in it. Raises ValueError in the words that clients know."""
    if not text:
        raise ValueError("empty spec string")
    if text.startswith("@"):
        return _descriptor(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (_field(part, kind) for part, kind in zip(fields, _FIELDS, strict=True))
    return Schedule(minutes, hours, days, months, weekdays, _is_any(fields[2]), _is_any(fields[4]))


def _is_any(field: str) -> bool:
    return any(part in ("*", "?") for part in field.split(","))


def _descriptor(text: str) -> Schedule:
    if text in DESCRIPTORS:
        return parse(DESCRIPTORS[text])
    if text.startswith("@every "):
        length = text.removeprefix("@every ")
        try:
            seconds = duration_seconds(length)
        except ValueError as error:
            raise ValueError(f"failed to parse duration {text}: time: {error}") from None
        return Schedule(every=max(int(seconds), 1))
    raise ValueError(f"unrecognized descriptor: {text}")


def _field(text: str, kind: _Field) -> frozenset[int]:
    return frozenset().union(*(_range(part, kind) for part in text.split(",") if part))


def _range(text: str, kind: _Field) -> frozenset[int]:
    ends, *steps = text.split("/")
    low_text, *high_text = ends.split("-")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    if len(high_text) > 1:
        raise ValueError(f"too many hyphens: {text}")
    if low_text in ("*", "?"):
        low, high = kind.low, kind.high
    else:
        low = _number(low_text, kind)
        high = _number(high_text[0], kind) if high_text else kind.high if steps else low
    step = _integer(steps[0]) if steps else 1
    if low < kind.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({kind.low}): {text}")
    if high > kind.high:
        raise ValueError(f"end of range ({high}) above maximum ({kind.high}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return frozenset(range(low, high + 1, step))


def _number(text: str, kind: _Field) -> int:
    named = kind.names.get(text.lower())
    return _integer(text) if named is None else named


def _integer(text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number


def zone(name: str | None) -> tzinfo:
    """The time zone of a CronJob; UTC for none. Raises ValueError for an unknown one."""
    if name is None:
        return UTC
    if not all(part not in (".", "..") and _ZONE_PART.fullmatch(part) for part in name.split("/")):
        raise ValueError(f"unknown time zone {name}")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name}") from None

"""Cron schedules: what is met, what is skipped when clocks change, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from wherry.api.batch.schedule import parse, zone


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(moment: float | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("schedule", "after", "following"),
    [
        ("*/15 * * * *", "2026-01-01T00:00", "2026-01-01T00:15"),
        ("0 3 * * *", "2026-01-01T03:00", "2026-01-02T03:00"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 13 * fri", "2026-01-01T00:00", "2026-01-02T00:00"),  # either day will do
        ("0 0 * * mon", "2026-01-01T00:00", "2026-01-05T00:00"),
        ("0 0 31 4 *", "2026-01-01T00:00", ""),
        ("@hourly", "2026-01-01T00:30", "2026-01-01T01:00"),
        ("@every 90m", "2026-01-01T00:30", "2026-01-01T02:00"),
        ("5/20 1-2 ? jan,dec *", "2026-01-31T02:45", "2026-12-01T01:05"),
    ],
)
def test_next(schedule: str, after: str, following: str) -> None:
    assert shown(parse(schedule).next(at(after))) == following


def test_time_zones_and_changing_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    nightly = parse("30 2 * * *")
    # 29 March 2026 has no half past two in Berlin
    assert shown(nightly.next(at("2026-03-28T12:00"), berlin)) == "2026-03-30T00:30"
    # 25 October 2026 has two
    first = nightly.next(at("2026-10-24T12:00"), berlin)
    assert shown(first) == "2026-10-25T00:30"
    assert first is not None
    assert shown(nightly.next(first, berlin)) == "2026-10-25T01:30"


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
    ],
)
def test_refused(schedule: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared
        parse(schedule)
    assert str(caught.value) == why


@pytest.mark.parametrize("name", ["", "..", "../etc/passwd", "Mars/Olympus", "/etc/localtime"])
def test_unknown_zones(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        zone(name)

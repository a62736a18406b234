"""Times on the wire: four digits of the year, whatever the year."""

from __future__ import annotations

import pytest

from wherry.machinery.time import micro_time_at, seconds, time_at


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("0001-01-01T00:00:02Z", "0001-01-01T00:00:02.000000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("2026-11-25T21:06:08Z", "2026-11-25T21:06:08.000000Z"),
    ],
)
def test_there_and_back(text: str, micro: str) -> None:
    assert time_at(seconds(text)) == text
    assert micro_time_at(seconds(text)) == micro


def test_fractions() -> None:
    assert (time_at(1.75), micro_time_at(1.75)) == ("1970-01-01T00:00:01Z", "1970-01-01T00:00:01.750000Z")

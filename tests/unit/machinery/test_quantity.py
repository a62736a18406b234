"""Quantities: what Go's resource.Quantity reads, and how it writes it back."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wherry.machinery.quantity import (
    Quantity,
    amount,
    compare,
    difference,
    from_bytes,
    from_milli,
    milli,
    parse_quantity,
    total,
    whole,
)

CANONICAL = [
    ("1000m", "1"),
    ("0.5", "500m"),
    (".5", "500m"),
    ("1.5", "1500m"),
    ("1.500", "1.500"),
    ("1024Mi", "1Gi"),
    ("1.5Gi", "1536Mi"),
    ("0.5Ki", "512"),
    ("1.1i", None),
    ("1000Ki", "1000Ki"),
    ("3e3", "3e3"),
    ("1e4", "10e3"),
    ("0.5e3", "500"),
    ("100M", "100M"),
    ("1000", "1k"),
    ("1500", "1500"),
    ("0", "0"),
    ("-0.0", "0"),
    ("-1.5", "-1500m"),
    ("1500000n", "1500u"),
    ("0.1n", "1n"),
    ("-0.1n", "-1n"),
    ("1e-12", "1e-9"),
    ("1.2Mi", "1258291200m"),
    ("9Ei", "9223372036854775807"),
    ("12345678901234567890", "12345678901234567890"),
    (" 5 ", "5"),
]


@pytest.mark.parametrize(("text", "written"), CANONICAL)
def test_canonical(text: str, written: str | None) -> None:
    if written is None:
        with pytest.raises(ValueError, match="unable to parse quantity's suffix"):
            parse_quantity(text)
        return
    found = parse_quantity(text)
    assert found == written
    assert type(found) is Quantity
    assert parse_quantity(str(found)) == written


@pytest.mark.parametrize("value", [(0.5, "500m"), (2, "2"), (1e21, "1e21"), (3000, "3k")])
def test_numbers(value: tuple[float, str]) -> None:
    assert amount(parse_quantity(value[0])) == amount(value[1])


@pytest.mark.parametrize("text", ["", "aoeu", "1.1.M", "1+1.0M", "1 1", "1é"])
def test_refused_form(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["0.1mi", "0.1am", "1e", "1-5", "--1", "1e999999999", "1e99999999999999999999"])
def test_refused_suffix(text: str) -> None:
    with pytest.raises(ValueError, match=r"quantity's suffix|regular expression"):
        parse_quantity(text)


def test_a_million_digits_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="unable to parse numeric part of quantity"):
        parse_quantity("1" * 1_000_000)


def test_numbers_out() -> None:
    assert amount("2Gi") == 2 * 2**30
    assert amount("1500m") == Fraction(3, 2)
    assert (milli("0.0001"), milli("1.5"), whole("1500m"), whole("1Ki")) == (1, 1500, 2, 1024)
    assert (from_milli(1500), from_milli(2000), from_bytes(2**31), from_bytes(1000)) == ("1500m", "2", "2Gi", "1k")


def test_arithmetic() -> None:
    assert total(["1Gi", "512Mi"]) == "1536Mi"
    assert total(["0", "500m", "1Gi"]) == "1073741824500m"
    assert total([]) == "0"
    assert difference("2", "500m") == "1500m"
    assert (compare("1", "1000m"), compare("1Gi", "1G"), compare("1", "2")) == (0, 1, -1)


@pytest.mark.parametrize("text", ["-8388608Ti", "-8589934592Gi"])
def test_what_is_too_far_below_zero_is_capped_as_above_it(text: str) -> None:
    assert str(parse_quantity(text)) == "-9223372036854775807"


SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "e3", "E-2", "e0")


@example(-8388608, 0, "Ti")
@given(st.integers(-(10**9), 10**9), st.integers(0, 6), st.sampled_from(SUFFIXES))
def test_the_canonical_form_loses_nothing(digits: int, places: int, suffix: str) -> None:
    text = f"{Decimal(digits).scaleb(-places):f}{suffix}"
    factors = {"": 1, "Ki": 1024, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    written = parse_quantity(text)
    assert parse_quantity(str(written)) == written
    assert amount(written) == amount(text)
    if suffix in ("", "Ki", "Mi", "Gi", "Ti") and 1 - 2**63 < amount(written) < 2**63 - 1:  # the rest is capped
        assert amount(written) == Fraction(digits, 10**places) * Fraction(factors[suffix])

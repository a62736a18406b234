"""Quantity: amounts with suffixes (100m, 1.5, 2Gi, 3e3), exact and in Kubernetes' canonical form.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
Canonical: no fraction, the largest suffix that loses nothing, in the family the text was written in (decimal, binary or
exponent); nothing is finer than a billionth, and finer text is rounded away from zero. A text that is canonical up to
its sign and leading zeros is kept letter by letter, as the Go implementation does ("1.500" stays, "1.5" is "1500m").
A `Quantity` is a str: equal texts are equal amounts, but equal amounts may differ in text, so compare with `compare`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Final


class Quantity(str):
    """A canonical quantity; compare and add through `amount` and `total`."""

    __slots__ = ()


_FORMAT_WRONG: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_NUMBER_WRONG: Final = "unable to parse numeric part of quantity"
_SUFFIX_WRONG: Final = "unable to parse quantity's suffix"

_TEXT = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_SUFFIX = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO: Final = 10**9
_MOST: Final = (2**63 - 1) * _NANO  # where binary amounts are capped
# Longer numbers mean nothing and would cost quadratic time.
_MAX_DIGITS: Final = 400


def parse_quantity(value: str | float) -> Quantity:
    """Read a quantity (a JSON string or number) into its canonical form. Raises ValueError with upstream's wording."""
    if type(value) is Quantity:
        return value
    return _read(str(value))[0]


@lru_cache(maxsize=8192)
def _read(value: str) -> tuple[Quantity, int, str]:
    """(canonical text, billionths, family: "decimal" | "binary" | "exponent")."""
    text = value.strip()
    found = _TEXT.fullmatch(text)
    if not text or found is None:
        raise ValueError(_FORMAT_WRONG)
    sign, whole, fraction, suffix = found[1], found[2] or "0", found[3] or "", found[4]
    family, exponent = _suffix(suffix)
    if len(whole) + len(fraction) > _MAX_DIGITS:
        raise ValueError(_NUMBER_WRONG)
    digits = int(whole + fraction)
    if family == "binary":
        nanos = min(_round_up(digits * 2**exponent, 9 - len(fraction)), _MOST)
    else:
        nanos = _round_up(digits, 9 + exponent - len(fraction))
    if sign == "-":
        nanos = -nanos
    if digits and _kept(whole, fraction, family, exponent):
        return Quantity(text), nanos, family
    return _render(nanos, family), nanos, family


def _suffix(suffix: str) -> tuple[str, int]:
    """The family a suffix belongs to, and its exponent of 10 or 2."""
    if suffix in _DECIMAL:
        return "decimal", _DECIMAL[suffix]
    if suffix in _BINARY:
        return "binary", _BINARY[suffix]
    found = _EXPONENT.fullmatch(suffix)
    # Upstream takes any exponent; nothing measured in this world needs more than `_MAX_DIGITS` digits.
    if found is None or len(found[1]) > 9 or int(found[1]) > _MAX_DIGITS:
        raise ValueError(_SUFFIX_WRONG)
    return "exponent", int(found[1])


def _round_up(digits: int, power: int) -> int:
    """digits * 10**power as an integer, rounded up."""
    if power >= 0:
        return int(digits * 10**power)
    if -power > 2 * _MAX_DIGITS:  # surely less than one
        return min(digits, 1)
    return int(-(-digits // 10**-power))


def _kept(whole: str, fraction: str, family: str, exponent: int) -> bool:
    """Whether upstream keeps the text as written: it is short enough for its fast path and looks canonical."""
    if family == "binary":
        return not fraction and 15 - len(whole) - exponent * 3 // 10 - 1 >= 0 and int(whole) & 7 != 0
    scale = exponent - len(fraction)
    shifted = whole + fraction
    short = len(shifted) <= 18 and scale >= -9
    return short and scale % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"


def _render(nanos: int, family: str) -> Quantity:
    if nanos == 0:
        return Quantity("0")
    if family == "binary" and abs(nanos) >= 1024 * _NANO and nanos % _NANO == 0:
        units, power = nanos // _NANO, 0
        while units % 1024 == 0:
            units //= 1024
            power += 1
        return Quantity(f"{units}{_BINARY_SUFFIX[power]}")
    units, exponent = nanos, -9
    while units % 1000 == 0:
        units //= 1000
        exponent += 3
    if family == "exponent":
        return Quantity(f"{units}e{exponent}" if exponent else units)
    if exponent > 18:
        units, exponent = units * 10 ** (exponent - 18), 18
    return Quantity(f"{units}{_DECIMAL_SUFFIX[exponent]}")


@lru_cache(maxsize=8192)
def amount(quantity: str) -> int | Fraction:
    """The exact number: an int where it is whole, else a Fraction. Raises ValueError for text that is no quantity."""
    nanos = _read(quantity)[1]
    return nanos // _NANO if nanos % _NANO == 0 else Fraction(nanos, _NANO)


def milli(quantity: str) -> int:
    """The number in thousandths, rounded up: CPU in millicores."""
    return -(-_read(quantity)[1] // 10**6)


def whole(quantity: str) -> int:
    """The number as an integer, rounded up: memory in bytes, counts."""
    return -(-_read(quantity)[1] // _NANO)


def total(quantities: Iterable[str]) -> Quantity:
    """The sum, in the family of the first that is not zero; "0" for none."""
    sum_of, family = 0, ""
    for quantity in quantities:
        _, nanos, own = _read(quantity)
        if nanos and not sum_of:
            family = own
        sum_of += nanos
    return _render(sum_of, family or "decimal")


def difference(quantity: str, less: str) -> Quantity:
    """quantity - less, in the family of the first (of the second where the first is zero)."""
    _, nanos, family = _read(quantity)
    _, other, own = _read(less)
    return _render(nanos - other, family if nanos else own)


def compare(one: str, other: str) -> int:
    """Negative, 0 or positive as `one` is less than, equal to or more than `other`."""
    left, right = _read(one)[1], _read(other)[1]
    return (left > right) - (left < right)


def from_milli(thousandths: int) -> Quantity:
    """1500 -> "1500m", 2000 -> "2"."""
    return _render(thousandths * 10**6, "decimal")


def from_bytes(count: int) -> Quantity:
    """2**30 -> "1Gi"; below 1024 in plain digits."""
    return _render(count * _NANO, "binary")

"""semver(): versions as https://semver.org orders them.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-semver-library
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.types import Opaque, Type

SEMVER_TYPE = Opaque("kubernetes.Semver")
_PART = re.compile(r"[0-9A-Za-z-]+", re.ASCII)
_LONGEST = 19


@dataclass(frozen=True, slots=True)
class Version:
    """A version. Build data is left out: it does not count."""

    numbers: tuple[int, int, int]
    pre: tuple[tuple[int, int, str], ...] = ()
    """(0, number, "") or (1, 0, text): numbers come before text."""

    @property
    def cel_type(self) -> Type:
        """kubernetes.Semver"""
        return SEMVER_TYPE


def parse_version(text: str) -> Version:
    """Raises ValueError with upstream's wording."""
    if not text:
        raise ValueError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise ValueError("No Major.Minor.Patch elements found")
    rest, plus, build = parts[2].partition("+")
    patch, dash, pre = rest.partition("-")
    numbers = (_number("Major", parts[0]), _number("Minor", parts[1]), _number("Patch", patch))
    found = tuple(_pre(part) for part in pre.split(".")) if dash else ()
    for part in build.split(".") if plus else ():
        if not part:
            raise ValueError("Build meta data is empty")
        if not _PART.fullmatch(part):
            raise ValueError(f'Invalid character(s) found in build meta data "{part}"')
    return Version(numbers, found)


def _number(what: str, text: str) -> int:
    if not re.fullmatch("[0-9]+", text):
        raise ValueError(f'Invalid character(s) found in {what.lower()} number "{text}"')
    if len(text) > 1 and text.startswith("0"):
        raise ValueError(f'{what} number must not contain leading zeroes "{text}"')
    if len(text) > _LONGEST:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _pre(text: str) -> tuple[int, int, str]:
    if not text:
        raise ValueError("Prerelease is empty")
    if re.fullmatch("[0-9]+", text) and len(text) <= _LONGEST:
        if len(text) > 1 and text.startswith("0"):
            raise ValueError(f'Numeric PreRelease version must not contain leading zeroes "{text}"')
        return 0, int(text), ""
    if not _PART.fullmatch(text):
        raise ValueError(f'Invalid character(s) found in prerelease "{text}"')
    return 1, 0, text


def normalized(text: str) -> str:
    """`v1.02` as `1.2.0`. Raises ValueError."""
    parts = [_stripped(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and re.search(r"[+-]", parts[-1]):
        raise ValueError("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, "0", "0"][:3])


def _stripped(part: str) -> str:
    if len(part) <= 1:
        return part
    bare = part.lstrip("0")
    return bare if bare[:1].isdigit() and bare[:1].isascii() else f"0{bare}"


def _semver(text: str, lenient: bool = False) -> Version:  # noqa: FBT001, FBT002
    try:
        return parse_version(normalized(text) if lenient else text)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _is_semver(text: str, lenient: bool = False) -> bool:  # noqa: FBT001, FBT002
    try:
        _semver(text, lenient)
    except EvaluationError:
        return False
    return True


def _compare(own: Version, other: Version) -> int:
    left = (own.numbers, not own.pre, own.pre)
    right = (other.numbers, not other.pre, other.pre)
    return (left > right) - (left < right)


SEMVER: tuple[Overload, ...] = (
    overload("string_to_semver", "semver(string) -> kubernetes.Semver", _semver, costs.first),
    overload("string_bool_to_semver", "semver(string, bool) -> kubernetes.Semver", _semver, costs.first),
    overload("is_semver_string", "isSemver(string) -> bool", _is_semver, costs.first),
    overload("is_semver_string_bool", "isSemver(string, bool) -> bool", _is_semver, costs.first),
    overload(
        "semver_is_greater_than",
        "[kubernetes.Semver] isGreaterThan(kubernetes.Semver) -> bool",
        lambda own, other: _compare(own, other) > 0,
    ),
    overload(
        "semver_is_less_than",
        "[kubernetes.Semver] isLessThan(kubernetes.Semver) -> bool",
        lambda own, other: _compare(own, other) < 0,
    ),
    overload("semver_compare_to", "[kubernetes.Semver] compareTo(kubernetes.Semver) -> int", _compare),
    overload("semver_major", "[kubernetes.Semver] major() -> int", lambda own: own.numbers[0]),
    overload("semver_minor", "[kubernetes.Semver] minor() -> int", lambda own: own.numbers[1]),
    overload("semver_patch", "[kubernetes.Semver] patch() -> int", lambda own: own.numbers[2]),
)

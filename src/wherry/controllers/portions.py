"""Portions: maxSurge, maxUnavailable, minAvailable: a count, or a percentage of a whole."""

from __future__ import annotations


def portion(value: int | str | None, whole: int, *, up: bool) -> int:
    """How many of `whole`; percentages are rounded up or down. None and nonsense, which validation refuses, are 0."""
    if isinstance(value, str):
        digits = value.removesuffix("%")
        if not digits.isdecimal():
            return 0
        scaled = int(digits) * whole
        return -(-scaled // 100) if up else scaled // 100
    return value or 0


def surge_and_unavailable(surge: int | str | None, unavailable: int | str | None, whole: int) -> tuple[int, int]:
    """The pair of a rolling update; never both 0, or nothing could ever move."""
    more, fewer = portion(surge, whole, up=True), portion(unavailable, whole, up=False)
    return (more, 1) if more == 0 and fewer == 0 else (more, fewer)

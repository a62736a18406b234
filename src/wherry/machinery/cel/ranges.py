"""Range: from least to most, of a size or a cost; arithmetic that stops at 2**64 - 1, as upstream's does."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from wherry.machinery.cel.types import UNBOUNDED


class Range(NamedTuple):
    """Inclusive."""

    least: int
    most: int

    def plus(self, other: Range) -> Range:
        """The sum."""
        return Range(min(self.least + other.least, UNBOUNDED), min(self.most + other.most, UNBOUNDED))

    def times(self, other: Range) -> Range:
        """The product."""
        return Range(min(self.least * other.least, UNBOUNDED), min(self.most * other.most, UNBOUNDED))

    def scaled(self, factor: float) -> Range:
        """Multiplied, and rounded up."""
        return Range(_scaled(self.least, factor), _scaled(self.most, factor))

    def union(self, other: Range) -> Range:
        """What covers both."""
        return Range(min(self.least, other.least), max(self.most, other.most))


def _scaled(value: int, factor: float) -> int:
    result = float(value) * factor
    return UNBOUNDED if result >= float(UNBOUNDED) else ceil(result)


def fixed(value: int) -> Range:
    """Exactly this."""
    return Range(value, value)


NOTHING = Range(0, 0)
ONE = Range(1, 1)
UNKNOWN = Range(0, UNBOUNDED)
EMPTY = Range(UNBOUNDED, 0)
"""What a union starts from."""

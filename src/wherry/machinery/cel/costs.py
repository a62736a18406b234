"""What calls cost at run time, in units, as upstream counts.

https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from wherry.machinery.cel.operators import size_of

PER_CHARACTER = 0.1
PER_PATTERN_CHARACTER = 0.25
MAKE_LIST, MAKE_MAP, MAKE_OBJECT = 10, 30, 40


def traversed(count: float) -> int:
    """Reading so many characters."""
    return ceil(count * PER_CHARACTER)


def first(args: Sequence[Any], _: Any) -> int:
    """Reading the first argument."""
    return traversed(size_of(args[0]))


def first_twice(args: Sequence[Any], _: Any) -> int:
    """Reading the first argument and writing about as much."""
    return ceil(size_of(args[0]) * 2 * PER_CHARACTER)


def second(args: Sequence[Any], _: Any) -> int:
    """Reading the second argument."""
    return traversed(size_of(args[1]))


def both(args: Sequence[Any], _: Any) -> int:
    """Reading both arguments."""
    return traversed(size_of(args[0]) + size_of(args[1]))


def shorter(args: Sequence[Any], _: Any) -> int:
    """Comparing two arguments as far as the shorter goes."""
    return traversed(min(size_of(args[0]), size_of(args[1])))


def compared(args: Sequence[Any], _: Any) -> int:
    """Comparing two values for equality."""
    if hasattr(args[0], "cel_type"):
        return 1
    return traversed(min(size_of(args[0]), size_of(args[1])))


def search(args: Sequence[Any], _: Any) -> int:
    """Looking for the second argument within the first."""
    return traversed(size_of(args[0])) * traversed(size_of(args[1]))


def pattern(args: Sequence[Any], _: Any) -> int:
    """Matching the first argument against the second."""
    return traversed(1 + size_of(args[0])) * ceil(size_of(args[1]) * PER_PATTERN_CHARACTER)


def items_of_second(args: Sequence[Any], _: Any) -> int:
    """Looking at each item of the second argument."""
    return size_of(args[1])


def everything_in_first(args: Sequence[Any], _: Any) -> int:
    """Walking through the first argument to its leaves."""
    return traversal(args[0])


def traversal(value: Any) -> int:
    """Walking through a value to its leaves."""
    if isinstance(value, str):
        return int(len(value.encode("utf-8", "surrogatepass")) * PER_CHARACTER)
    if isinstance(value, bytes):
        return int(len(value) * PER_CHARACTER)
    if isinstance(value, Mapping):
        return sum(traversal(key) + traversal(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(traversal, value))
    return 1

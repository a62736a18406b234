"""Values that Python lacks: unsigned integers, nanosecond times, optionals, types, lists that are sets or maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wherry.machinery.cel.types import Type

SECOND = 1_000_000_000


class Uint(int):
    """uint: 0 to 2**64-1. Arithmetic is the operators' (`operators.py`), which check for overflow."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A point in time: nanoseconds since 1970 UTC, years 1 to 9999."""

    nanos: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time in nanoseconds; a 64-bit integer."""

    nanos: int


@dataclass(frozen=True, slots=True)
class Optional:
    """optional_type: a value, or none. Compare with `values_equal`, not `==`."""

    present: bool
    value: Any = None


NONE = Optional(present=False)


def some(value: object) -> Optional:
    """optional.of(value)"""
    return Optional(present=True, value=value)


@dataclass(frozen=True, slots=True)
class TypeValue:
    """What `type(x)` gives: known by its name."""

    type: Type


class Lazy:
    """A value that is worked out at most once, when an expression first asks. `make` may raise EvaluationError."""

    __slots__ = ("_made", "_make", "_value")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made = False
        self._value: Any = None

    def get(self) -> Any:
        """The value."""
        if not self._made:
            self._value = self._make()
            self._made = True
        return self._value


class Record(dict[str, Any]):
    """An object built by an expression (`Object.spec{...}`): a dict that knows its type's name."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.type_name = type_name


class UniqueList(list[Any]):
    """A list of list-type set (`keys` empty) or map: == ignores the order, + overwrites what is already there."""

    __slots__ = ("keys",)

    def __init__(self, items: Iterable[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

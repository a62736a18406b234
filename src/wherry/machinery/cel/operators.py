"""Operators: equality across types, ordering, and arithmetic that refuses to overflow.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#numeric-values
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.times import in_range
from wherry.machinery.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    ListOf,
    MapOf,
    Type,
    TypeOf,
)  # fmt: skip
from wherry.machinery.cel.types import (
    Optional as OptionalType,
)
from wherry.machinery.cel.values import Duration, Optional, Record, Timestamp, TypeValue, Uint, UniqueList

MIN_INT, MAX_INT, MAX_UINT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
_NUMBERS = (int, float)
_SIMPLE: dict[type, Type] = {
    type(None): NULL, bool: BOOL, int: INT, Uint: UINT, float: DOUBLE, str: STRING, bytes: BYTES,
    Timestamp: TIMESTAMP, Duration: DURATION, list: ListOf(DYN), tuple: ListOf(DYN), UniqueList: ListOf(DYN),
    dict: MapOf(DYN, DYN), Optional: OptionalType(DYN), TypeValue: TypeOf(DYN),
}  # fmt: skip


def no_overload() -> EvaluationError:
    """The operation does not exist for these values."""
    return EvaluationError("no such overload")


def type_of(value: Any) -> Type:
    """The type of a value at run time."""
    found = _SIMPLE.get(value.__class__)
    if found is not None:
        return found
    if isinstance(value, Record):
        return Type("object", value.type_name)
    own = getattr(value, "cel_type", None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    if isinstance(value, Mapping):
        return MapOf(DYN, DYN)
    return ListOf(DYN) if isinstance(value, Sequence) else DYN


def is_number(value: Any) -> bool:
    """Whether it is an int, uint or double."""
    return isinstance(value, _NUMBERS) and value.__class__ is not bool


def size_of(value: Any) -> int:
    """What it counts for in costs: the length of text, bytes, lists and maps; 1 for all else."""
    kind = value.__class__
    if kind is str or kind is list or kind is dict or kind is bytes:
        return len(value)
    if isinstance(value, Optional):
        return size_of(value.value) if value.present else 1
    return len(value) if isinstance(value, (Mapping, Sequence)) else getattr(value, "cel_size", 1)


# --- Equality and order ---


def equal(left: Any, right: Any) -> bool:
    """== : numbers by value whatever their types, different types are unequal."""
    kind = left.__class__
    if kind is right.__class__ and (kind is str or kind is int or kind is bool or kind is float):
        return bool(left == right)
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return _lists_equal(left, right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return _maps_equal(left, right)
    return _others_equal(left, right)


def _others_equal(left: Any, right: Any) -> bool:
    if isinstance(left, Optional) and isinstance(right, Optional):
        return left.present == right.present and (not left.present or equal(left.value, right.value))
    if isinstance(left, TypeValue) and isinstance(right, TypeValue):
        return left.type.name == right.type.name
    return left.__class__ is right.__class__ and bool(left == right)


def _lists_equal(left: Sequence[Any], right: Sequence[Any]) -> bool:
    if len(left) != len(right):
        return False
    if isinstance(left, UniqueList):
        return _unordered_equal(left, right)
    return all(map(equal, left, right))


def _unordered_equal(left: UniqueList, right: Sequence[Any]) -> bool:
    if not left.keys:
        return all(any(equal(one, other) for other in right) for one in left) and all(
            any(equal(one, other) for other in left) for one in right
        )
    by_key = {item_key(one, left.keys): one for one in right}
    return all((key := item_key(one, left.keys)) in by_key and equal(one, by_key[key]) for one in left)


def item_key(item: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    """What identifies an item of a list that is a map."""
    if not isinstance(item, Mapping):
        return (repr(item),)
    return tuple(repr(item.get(key)) for key in keys)


def _maps_equal(left: Mapping[Any, Any], right: Mapping[Any, Any]) -> bool:
    if len(left) != len(right) or isinstance(left, Record) != isinstance(right, Record):
        return False
    if isinstance(left, Record) and isinstance(right, Record) and left.type_name != right.type_name:
        return False
    return all(has_key(right, key) and equal(value, right[key]) for key, value in left.items())


def has_key(mapping: Mapping[Any, Any], key: Any) -> bool:
    """Whether a map has a key. True is not 1."""
    if key.__class__ is str:
        return key in mapping
    try:
        if key not in mapping:
            return False
    except TypeError:
        return False
    return not (key.__class__ is bool or key in (0, 1)) or any(
        key == own and (own.__class__ is bool) == (key.__class__ is bool) for own in mapping
    )


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1. Raises EvaluationError when there is no order; NaN is refused too."""
    if is_number(left) and is_number(right):
        if left != left or right != right:
            raise EvaluationError("NaN values cannot be ordered")
        return int(left > right) - int(left < right)
    kind = left.__class__
    if (kind is str and right.__class__ is str) or (kind is bytes and right.__class__ is bytes):
        return int(left > right) - int(left < right)
    if kind is right.__class__ and kind in (bool, Timestamp, Duration):
        return int(left > right) - int(left < right)
    raise no_overload()


# --- Arithmetic ---

_NUMERIC = frozenset({"int", "uint", "double"})
_SUBTRACTED = _NUMERIC | {"duration", "timestamp"}
_ADDED = _SUBTRACTED | {"string", "bytes", "list"}


def _refused(function: str, left: Any, kinds: frozenset[str]) -> EvaluationError:
    """No overload; the function is named when the left side never has it."""
    return no_overload() if type_of(left).kind in kinds else EvaluationError(f"no such overload: {function}")


def _int(value: int) -> int:
    if MIN_INT <= value <= MAX_INT:
        return value
    raise EvaluationError("integer overflow")


def _uint(value: int) -> Uint:
    if 0 <= value <= MAX_UINT:
        return Uint(value)
    raise EvaluationError("unsigned integer overflow")


def _span(value: int) -> Duration:
    if MIN_INT <= value <= MAX_INT:
        return Duration(value)
    raise EvaluationError("integer overflow")


def add(left: Any, right: Any) -> Any:
    """+ of numbers, text, bytes, lists and times."""
    kind, other = left.__class__, right.__class__
    if kind is other:
        if kind is int:
            return _int(left + right)
        if kind is str or kind is float or kind is bytes or kind is list:
            return left + right
        if kind is Uint:
            return _uint(int(left) + int(right))
        if kind is Duration:
            return _span(left.nanos + right.nanos)
    if {kind, other} == {Timestamp, Duration}:
        return in_range(left.nanos + right.nanos)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return _joined(left, right)
    raise _refused("_+_", left, _ADDED)


def _joined(left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    if not isinstance(left, UniqueList):
        return [*left, *right]
    if not left.keys:
        return UniqueList([*left, *(one for one in right if not any(equal(one, own) for own in left))], ())
    fresh = {item_key(one, left.keys): one for one in right}
    kept = [fresh.pop(item_key(one, left.keys), one) for one in left]
    return UniqueList([*kept, *fresh.values()], left.keys)


def subtract(left: Any, right: Any) -> Any:
    """- of numbers and times."""
    kind, other = left.__class__, right.__class__
    if kind is int and other is int:
        return _int(left - right)
    if kind is Uint and other is Uint:
        return _uint(int(left) - int(right))
    if kind is float and other is float:
        return left - right
    if (kind is Timestamp and other is Timestamp) or (kind is Duration and other is Duration):
        return _span(left.nanos - right.nanos)
    if kind is Timestamp and other is Duration:
        return in_range(left.nanos - right.nanos)
    raise _refused("_-_", left, _SUBTRACTED)


def multiply(left: Any, right: Any) -> Any:
    """* of numbers."""
    kind = left.__class__
    if kind is right.__class__:
        if kind is int:
            return _int(left * right)
        if kind is Uint:
            return _uint(int(left) * int(right))
        if kind is float:
            return left * right
    raise _refused("_*_", left, _NUMERIC)


def divide(left: Any, right: Any) -> Any:
    """/ of numbers; of integers towards zero."""
    kind = left.__class__
    if kind is right.__class__:
        if kind is float:
            return _quotient(left, right)
        if kind is int or kind is Uint:
            if not right:
                raise EvaluationError("division by zero")
            whole = abs(left) // abs(right)
            return Uint(whole) if kind is Uint else _int(whole if (left < 0) == (right < 0) else -whole)
    raise _refused("_/_", left, _NUMERIC)


def _quotient(left: float, right: float) -> float:
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.inf if (left > 0) == (math.copysign(1, right) > 0) else -math.inf


def modulo(left: Any, right: Any) -> Any:
    """% of integers, with the sign of the left one."""
    kind = left.__class__
    if kind is right.__class__ and (kind is int or kind is Uint):
        if not right:
            raise EvaluationError("modulus by zero")
        if left == MIN_INT and right == -1:
            raise EvaluationError("integer overflow")
        rest = abs(left) % abs(right)
        return Uint(rest) if kind is Uint else (-rest if left < 0 else rest)
    raise _refused("_%_", left, frozenset({"int", "uint"}))


def negate(value: Any) -> Any:
    """- of an int or double."""
    if value.__class__ is int:
        return _int(-value)
    if value.__class__ is float:
        return -value
    raise no_overload()

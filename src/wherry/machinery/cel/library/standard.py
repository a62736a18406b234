"""The standard functions of CEL: operators, size, conversions, text, times.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.machinery.cel import costs, operators, regexes
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, Run, overload
from wherry.machinery.cel.library.conversions import CONVERSIONS
from wherry.machinery.cel.library.times import TIMES

_COMPARED = (
    ("bool", "bool", "bool"), ("int64", "int", "int"), ("int64_double", "int", "double"),
    ("int64_uint64", "int", "uint"),
    ("uint64", "uint", "uint"), ("uint64_double", "uint", "double"), ("uint64_int64", "uint", "int"),
    ("double", "double", "double"), ("double_int64", "double", "int"), ("double_uint64", "double", "uint"),
    ("string", "string", "string"), ("bytes", "bytes", "bytes"), ("timestamp", "timestamp", "timestamp"),
    ("duration", "duration", "duration"),
)  # fmt: skip


def _comparison(symbol: str, word: str, run: Run) -> list[Overload]:
    return [
        overload(
            f"{word}_{suffix}",
            f"_{symbol}_({left}, {right}) -> bool",
            run,
            costs.shorter if suffix in ("string", "bytes") else None,
        )
        for suffix, left, right in _COMPARED
    ]


def contains(item: Any, group: Any) -> bool:
    """`in`: an item of a list, a key of a map."""
    if isinstance(group, Mapping):
        return operators.has_key(group, item) or _number_key(group, item) is not None
    if isinstance(group, (list, tuple)):
        return any(operators.equal(item, one) for one in group)
    raise operators.no_overload()


def _number_key(group: Mapping[Any, Any], item: Any) -> Any:
    return item if operators.is_number(item) and item in group and operators.has_key(group, item) else None


def index(group: Any, at: Any) -> Any:
    """`group[at]`"""
    if isinstance(group, Mapping):
        if operators.has_key(group, at):
            return group[at]
        raise EvaluationError(f"no such key: {shown(at)}")
    if isinstance(group, (list, tuple)):
        return group[_position(group, at)]
    raise EvaluationError(f"no such key: {shown(at)}")


def _position(group: list[Any] | tuple[Any, ...], at: Any) -> int:
    if not operators.is_number(at) or at != int(at):
        raise EvaluationError(f"unsupported index type '{operators.type_of(at).name}' in list")
    if not 0 <= at < len(group):
        raise EvaluationError(f"index out of bounds: {shown(at)}")
    return int(at)


def shown(value: Any) -> str:
    """A key or index as errors show it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value}"


def _not(value: Any) -> bool:
    if value.__class__ is not bool:
        raise operators.no_overload()
    return not value


def _size(value: Any) -> int:
    return len(value)


def _unreachable(*_: Any) -> Any:
    raise operators.no_overload()


STANDARD: tuple[Overload, ...] = (
    overload("conditional", "_?_:_(bool, A, A) -> A", _unreachable),
    overload("logical_and", "_&&_(bool, bool) -> bool", _unreachable),
    overload("logical_or", "_||_(bool, bool) -> bool", _unreachable),
    overload("logical_not", "!_(bool) -> bool", _not),
    overload("not_strictly_false", "@not_strictly_false(bool) -> bool", _unreachable),
    overload("equals", "_==_(A, A) -> bool", operators.equal, costs.compared),
    overload("not_equals", "_!=_(A, A) -> bool", lambda left, right: not operators.equal(left, right), costs.shorter),
    overload("add_bytes", "_+_(bytes, bytes) -> bytes", operators.add, costs.both),
    overload("add_double", "_+_(double, double) -> double", operators.add),
    overload("add_duration_duration", "_+_(duration, duration) -> duration", operators.add),
    overload("add_duration_timestamp", "_+_(duration, timestamp) -> timestamp", operators.add),
    overload("add_timestamp_duration", "_+_(timestamp, duration) -> timestamp", operators.add),
    overload("add_int64", "_+_(int, int) -> int", operators.add),
    overload("add_list", "_+_(list(A), list(A)) -> list(A)", operators.add),
    overload("add_string", "_+_(string, string) -> string", operators.add, costs.both),
    overload("add_uint64", "_+_(uint, uint) -> uint", operators.add),
    overload("divide_double", "_/_(double, double) -> double", operators.divide),
    overload("divide_int64", "_/_(int, int) -> int", operators.divide),
    overload("divide_uint64", "_/_(uint, uint) -> uint", operators.divide),
    overload("modulo_int64", "_%_(int, int) -> int", operators.modulo),
    overload("modulo_uint64", "_%_(uint, uint) -> uint", operators.modulo),
    overload("multiply_double", "_*_(double, double) -> double", operators.multiply),
    overload("multiply_int64", "_*_(int, int) -> int", operators.multiply),
    overload("multiply_uint64", "_*_(uint, uint) -> uint", operators.multiply),
    overload("negate_double", "-_(double) -> double", operators.negate),
    overload("negate_int64", "-_(int) -> int", operators.negate),
    overload("subtract_double", "_-_(double, double) -> double", operators.subtract),
    overload("subtract_duration_duration", "_-_(duration, duration) -> duration", operators.subtract),
    overload("subtract_int64", "_-_(int, int) -> int", operators.subtract),
    overload("subtract_timestamp_duration", "_-_(timestamp, duration) -> timestamp", operators.subtract),
    overload("subtract_timestamp_timestamp", "_-_(timestamp, timestamp) -> duration", operators.subtract),
    overload("subtract_uint64", "_-_(uint, uint) -> uint", operators.subtract),
    *_comparison("<", "less", lambda left, right: operators.compare(left, right) < 0),
    *_comparison("<=", "less_equals", lambda left, right: operators.compare(left, right) <= 0),
    *_comparison(">", "greater", lambda left, right: operators.compare(left, right) > 0),
    *_comparison(">=", "greater_equals", lambda left, right: operators.compare(left, right) >= 0),
    overload("index_list", "_[_](list(A), int) -> A", index),
    overload("index_map", "_[_](map(A, B), A) -> B", index),
    overload("in_list", "@in(A, list(A)) -> bool", contains, costs.items_of_second),
    overload("in_map", "@in(A, map(A, B)) -> bool", contains),
    overload("size_bytes", "size(bytes) -> int", _size),
    overload("bytes_size", "[bytes] size() -> int", _size),
    overload("size_list", "size(list(A)) -> int", _size),
    overload("list_size", "[list(A)] size() -> int", _size),
    overload("size_map", "size(map(A, B)) -> int", _size),
    overload("map_size", "[map(A, B)] size() -> int", _size),
    overload("size_string", "size(string) -> int", _size),
    overload("string_size", "[string] size() -> int", _size),
    overload("contains_string", "[string] contains(string) -> bool", lambda text, part: part in text, costs.search),
    overload("ends_with_string", "[string] endsWith(string) -> bool", str.endswith, costs.second),
    overload("starts_with_string", "[string] startsWith(string) -> bool", str.startswith, costs.second),
    overload("matches", "matches(string, string) -> bool", regexes.matches, costs.pattern),
    overload("matches_string", "[string] matches(string) -> bool", regexes.matches, costs.pattern),
    *CONVERSIONS,
    *TIMES,
)

"""Lists: isSorted, sum, min, max, indexOf, slice, flatten, sort, range, distinct, includes; sets.*; inserts into maps.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library, https://pkg.go.dev/github.com/google/cel-go/ext#Lists
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.operators import add, compare, equal, has_key, size_of, type_of
from wherry.machinery.cel.values import Duration, Uint

_SUMMED: dict[str, Any] = {"int": 0, "uint": Uint(0), "double": 0.0, "duration": Duration(0)}
COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_LONG = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}
_CALL = 1
MAX_RANGE = 10_000_000


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(compare(one, other) <= 0 for one, other in pairwise(items))


def _sum(start: Any) -> Any:
    def run(items: Sequence[Any]) -> Any:
        total = start
        for item in items:
            total = add(total, item)
        return total

    return run


def _best(sign: int, name: str) -> Any:
    def run(items: Sequence[Any]) -> Any:
        if not items:
            raise EvaluationError(f"{name} called on empty list")
        best = items[0]
        for item in items[1:]:
            if compare(item, best) * sign > 0:
                best = item
        return best

    return run


def _index_of(items: Sequence[Any], wanted: Any) -> int:
    return next((at for at, item in enumerate(items) if equal(item, wanted)), -1)


def _last_index_of(items: Sequence[Any], wanted: Any) -> int:
    return next((at for at in range(len(items) - 1, -1, -1) if equal(items[at], wanted)), -1)


def _includes(items: Any, wanted: Any) -> bool:
    return isinstance(items, (list, tuple)) and any(equal(item, wanted) for item in items)


def _slice(items: Sequence[Any], start: int, end: int) -> list[Any]:
    at = f"cannot slice({start}, {end}), "
    if start < 0 or end < 0:
        raise EvaluationError(f"{at}negative indexes not supported")
    if start > end:
        raise EvaluationError(f"{at}start index must be less than or equal to end index")
    if len(items) < end:
        raise EvaluationError(f"{at}list is length {len(items)}")
    return list(items[start:end])


def _flatten(items: Sequence[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    out: list[Any] = []
    for item in items:
        if depth and isinstance(item, (list, tuple)):
            out += _flatten(item, depth - 1)
        else:
            out.append(item)
    return out


def _sort(items: Sequence[Any]) -> list[Any]:
    return _sort_by(items, items)


def _sort_by(items: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
    if len(items) != len(keys):
        sizes = f"{len(items)} and {len(keys)}"
        why = "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got"
        raise EvaluationError(f"{why} {sizes} elements respectively")
    if len({type_of(key).name for key in keys}) > 1:
        raise EvaluationError("list elements must have the same type")
    if keys and type_of(keys[0]).name not in COMPARABLE:
        raise EvaluationError("list elements must be comparable")
    by_key = cmp_to_key(compare)
    order = sorted(range(len(keys)), key=lambda at: by_key(keys[at]))
    return [items[at] for at in order]


def _range(count: int) -> list[int]:
    if count > MAX_RANGE:
        raise EvaluationError(f"lists.range({count}) is too large, at most {MAX_RANGE}")
    return list(range(count))


def _distinct(items: Sequence[Any]) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if not any(equal(item, one) for one in out):
            out.append(item)
    return out


def _contains(items: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return all(any(equal(one, item) for item in items) for one in wanted)


def insert_into(target: dict[Any, Any], *parts: Any) -> dict[Any, Any]:
    """Put a key and value, or all of another map, into a map. Raises EvaluationError when a key is there already."""
    pairs = parts[0].items() if len(parts) == 1 and isinstance(parts[0], Mapping) else (parts,)
    for pair in pairs:
        if len(pair) != 2:
            raise EvaluationError("no such overload")
        key, value = pair
        if key.__class__ not in (str, int, bool, Uint) and not (isinstance(key, float) and key == int(key)):
            raise EvaluationError("unsupported key type")
        if has_key(target, key):
            raise EvaluationError(f"insert failed: key {key} already exists")
        target[key] = value
    return target


def _inserted(target: Mapping[Any, Any], *parts: Any) -> dict[Any, Any]:
    return insert_into(dict(target), *parts)


# --- Costs ---


def _allocating(factor: float, size: int) -> int:
    return int(size * (factor if factor >= 0 else 1.0)) + _CALL + costs.MAKE_LIST


def _output(_: Sequence[Any], result: Any) -> int:
    return _allocating(1, size_of(result))


def _flattened(args: Sequence[Any], _: Any) -> int:
    return _allocating(float(args[1]) if len(args) > 1 else 1.0, size_of(args[0]))


def _compared(items: Sequence[Any]) -> int:
    factor = 2.0 + (costs.PER_CHARACTER if items and isinstance(items[0], (str, bytes)) else 0)
    return _allocating(factor, len(items) ** 2)


def _self_compared(args: Sequence[Any], _: Any) -> int:
    return _compared(args[0])


def _keys_compared(args: Sequence[Any], _: Any) -> int:
    return _compared(args[1])


def _pairs(factor: int) -> Any:
    def cost(args: Sequence[Any], _: Any) -> int:
        return _CALL + size_of(args[0]) * size_of(args[1]) * factor

    return cost


def _of_comparables() -> list[Overload]:
    walked = costs.everything_in_first
    found: list[Overload] = []
    for name in COMPARABLE:
        found += [
            overload(f"list_{name}_is_sorted_bool", f"[list({name})] isSorted() -> bool", _is_sorted, walked),
            overload(f"list_{name}_max_{name}", f"[list({name})] max() -> {name}", _best(1, "max"), walked),
            overload(f"list_{name}_min_{name}", f"[list({name})] min() -> {name}", _best(-1, "min"), walked),
            overload(
                f"list_{_LONG.get(name, name)}_sort", f"[list({name})] sort() -> list({name})", _sort, _self_compared
            ),
            overload(
                f"list_{_LONG.get(name, name)}_sortByAssociatedKeys",
                f"[list(T)] @sortByAssociatedKeys(list({name})) -> list(T)",
                _sort_by,
                _keys_compared,
            ),
        ]
        if name in _SUMMED:
            found.append(
                overload(f"list_{name}_sum_{name}", f"[list({name})] sum() -> {name}", _sum(_SUMMED[name]), walked)
            )
    return found


LISTS: tuple[Overload, ...] = (
    *_of_comparables(),
    overload("list_a_index_of_int", "[list(A)] indexOf(A) -> int", _index_of, costs.everything_in_first),
    overload("list_a_last_index_of_int", "[list(A)] lastIndexOf(A) -> int", _last_index_of, costs.everything_in_first),
    overload("list_includes_dyn_dyn", "[dyn] includes(dyn) -> bool", _includes, costs.everything_in_first),
    overload("list_slice", "[list(T)] slice(int, int) -> list(T)", _slice, _output),
    overload("list_flatten", "[list(list(T))] flatten() -> list(T)", _flatten, _flattened),
    overload("list_flatten_int", "[list(dyn)] flatten(int) -> list(dyn)", _flatten, _flattened),
    overload("lists_range", "lists.range(int) -> list(int)", _range, _output),
    overload("list_reverse", "[list(T)] reverse() -> list(T)", lambda items: list(items[::-1]), _output),
    overload("list_distinct", "[list(T)] distinct() -> list(T)", _distinct, _self_compared),
    overload("list_sets_contains_list", "sets.contains(list(T), list(T)) -> bool", _contains, _pairs(1)),
    overload(
        "list_sets_equivalent_list",
        "sets.equivalent(list(T), list(T)) -> bool",
        lambda one, other: _contains(one, other) and _contains(other, one),
        _pairs(2),
    ),
    overload(
        "list_sets_intersects_list",
        "sets.intersects(list(T), list(T)) -> bool",
        lambda one, other: any(equal(item, own) for item in one for own in other),
        _pairs(1),
    ),
    overload("@mapInsert_map_key_value", "cel.@mapInsert(map(K, V), K, V) -> map(K, V)", _inserted),
    overload("@mapInsert_map_map", "cel.@mapInsert(map(K, V), map(K, V)) -> map(K, V)", _inserted),
)

"""Optional values: optional.of, .none, .ofNonZeroValue; value, hasValue, or, orValue; a[?b]; first, last, unwrap.

https://pkg.go.dev/github.com/google/cel-go/cel#OptionalTypes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.library.standard import index
from wherry.machinery.cel.operators import no_overload
from wherry.machinery.cel.values import NONE, Duration, Optional, some


def _value(optional: Optional) -> Any:
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def is_zero(value: Any) -> bool:
    """Whether it is what a field has when nothing is set."""
    return (
        value is None
        or (isinstance(value, Duration) and not value.nanos)
        or (isinstance(value, (bool, int, float, str, bytes, Mapping, Sequence)) and not value)
    )


def _of_non_zero(value: Any) -> Optional:
    return NONE if is_zero(value) else some(value)


def look_up(group: Any, at: Any) -> Optional:
    """`group[?at]`"""
    if isinstance(group, Optional):
        return look_up(group.value, at) if group.present else NONE
    if not isinstance(group, (Mapping, list, tuple)):
        return NONE
    try:
        found = index(group, at)
    except EvaluationError:
        return NONE
    return found if isinstance(found, Optional) else some(found)


def _ends(at: int) -> Any:
    def run(items: Sequence[Any]) -> Optional:
        return some(items[at]) if items else NONE

    return run


def _unwrap(items: Sequence[Any]) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if not isinstance(item, Optional):
            raise EvaluationError(f"value {item} is not optional")
        if item.present:
            out.append(item.value)
    return out


def _planned(*_: Any) -> Any:
    raise no_overload()


OPTIONALS: tuple[Overload, ...] = (
    overload("optional_of", "optional.of(V) -> optional(V)", some),
    overload("optional_ofNonZeroValue", "optional.ofNonZeroValue(V) -> optional(V)", _of_non_zero),
    overload("optional_none", "optional.none() -> optional(V)", lambda: NONE),
    overload("optional_value", "[optional(V)] value() -> V", _value),
    overload("optional_hasValue", "[optional(V)] hasValue() -> bool", lambda optional: optional.present),
    overload("optional_or_optional", "[optional(V)] or(optional(V)) -> optional(V)", _planned),
    overload("optional_orValue_value", "[optional(V)] orValue(V) -> V", _planned),
    overload("list_optindex_optional_int", "_[?_](list(V), int) -> optional(V)", look_up),
    overload("optional_list_optindex_optional_int", "_[?_](optional(list(V)), int) -> optional(V)", look_up),
    overload("map_optindex_optional_value", "_[?_](map(K, V), K) -> optional(V)", look_up),
    overload("optional_map_optindex_optional_value", "_[?_](optional(map(K, V)), K) -> optional(V)", look_up),
    overload("optional_list_index_int", "_[_](optional(list(V)), int) -> optional(V)", look_up),
    overload("optional_map_index_value", "_[_](optional(map(K, V)), K) -> optional(V)", look_up),
    overload("list_last", "[list(V)] last() -> optional(V)", _ends(-1)),
    overload("list_first", "[list(V)] first() -> optional(V)", _ends(0)),
    overload("optional_unwrap", "optional.unwrap(list(optional(V))) -> list(V)", _unwrap),
    overload("optional_unwrapOpt", "[list(optional(V))] unwrapOpt() -> list(V)", _unwrap),
)

"""Attributes: `a.b[c].?d`, a base and the steps from there, looked up in one go.

Upstream charges one unit for the base and one for each step that finds something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.frame import Frame, Run
from wherry.machinery.cel.library.optionals import look_up
from wherry.machinery.cel.library.standard import index
from wherry.machinery.cel.values import NONE, Optional, some


def select(value: Any, field: str) -> Any:
    """`value.field`. Raises EvaluationError."""
    if value.__class__ is dict:
        if field in value:
            return value[field]
        raise EvaluationError(f"no such key: {field}")
    if isinstance(value, Optional):
        return look_up(value, field)
    if isinstance(value, (list, tuple)):
        raise EvaluationError("unsupported index type 'string' in list")
    if isinstance(value, Mapping) and field in value:
        return value[field]
    raise EvaluationError(f"no such key: {field}")


def has(value: Any, field: str) -> bool:
    """`has(value.field)`"""
    if isinstance(value, Optional):
        return value.present and has(value.value, field)
    if isinstance(value, (list, tuple)):
        raise EvaluationError("unsupported index type 'string' in list")
    return isinstance(value, Mapping) and field in value


def field_step(base: Run, field: str) -> Run:
    """base.field"""

    def run(frame: Frame) -> Any:
        value = base(frame)
        frame.cost += 1
        if value.__class__ is dict and field in value:
            return value[field]
        found = select(value, field)
        if found is NONE:
            frame.cost -= 1
        return found

    return run


def optional_field_step(base: Run, field: str) -> Run:
    """base.?field"""

    def run(frame: Frame) -> Any:
        found = look_up(base(frame), field)
        frame.cost += found.present
        return found

    return run


def index_step(base: Run, at: Run) -> Run:
    """base[at]"""

    def run(frame: Frame) -> Any:
        value = base(frame)
        key = at(frame)
        if isinstance(value, Optional):
            found = look_up(value, key)
            frame.cost += found.present
            return found
        frame.cost += 1
        return index(value, key)

    return run


def optional_index_step(base: Run, at: Run) -> Run:
    """base[?at]"""

    def run(frame: Frame) -> Any:
        value = base(frame)
        found = look_up(value, at(frame))
        frame.cost += found.present
        return found

    return run


def presence(base: Run, field: str) -> Run:
    """has(base.field)"""

    def run(frame: Frame) -> bool:
        return has(base(frame), field)

    return run


def or_value(optional: Run, other: Run) -> Run:
    """optional.orValue(other)"""

    def run(frame: Frame) -> Any:
        found = optional(frame)
        if not isinstance(found, Optional):
            raise EvaluationError("no such overload")
        return found.value if found.present else other(frame)

    return run


def or_optional(optional: Run, other: Run) -> Run:
    """optional.or(other)"""

    def run(frame: Frame) -> Any:
        found = optional(frame)
        if not isinstance(found, Optional):
            raise EvaluationError("no such overload")
        if found.present:
            return found
        second = other(frame)
        if not isinstance(second, Optional):
            raise EvaluationError("no such overload")
        return second

    return run


def chosen(frame: Frame, optional: bool, value: Run) -> Optional:  # noqa: FBT001
    """An entry's value as an optional, whether it was written with a question mark or not."""
    found = value(frame)
    if not optional:
        return some(found)
    if not isinstance(found, Optional):
        raise EvaluationError(f"cannot initialize optional entry from non-optional value {found}")
    return found if found.present else NONE

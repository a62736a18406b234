"""Conditions: reading and setting them on immutable tuples, for every kind's own condition type.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
A transition time moves only when the status moves; setting what is already there gives back the very same tuple.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec

from wherry.machinery.time import Time


class ConditionLike(Protocol):
    """What all condition types share."""

    @property
    def type(self) -> str:
        """Its name within the object."""
        ...

    @property
    def status(self) -> str:
        """True, False or Unknown."""
        ...

    @property
    def reason(self) -> str:
        """Machine-readable cause."""
        ...

    @property
    def message(self) -> str:
        """Human-readable cause."""
        ...

    @property
    def last_transition_time(self) -> Time | None:
        """When the status last changed."""
        ...


C = TypeVar("C", bound=ConditionLike)


def get(conditions: Iterable[C], type_: str) -> C | None:
    """The condition of this type, if there is one."""
    return next((condition for condition in conditions if condition.type == type_), None)


def is_true(conditions: Iterable[ConditionLike], type_: str) -> bool:
    """Whether the condition is there with status True."""
    found = get(conditions, type_)
    return found is not None and found.status == "True"


def put(conditions: tuple[C, ...], wanted: C, now: Time) -> tuple[C, ...]:
    """`wanted` in place of the condition of its type, or at the end.

    Its transition time becomes the old one where the status is the same, else its own, or `now` where it has none.
    """
    old = get(conditions, wanted.type)
    moment = wanted.last_transition_time or now
    if old is not None and old.status == wanted.status:
        moment = old.last_transition_time or moment
    new: C = msgspec.structs.replace(wanted, last_transition_time=moment)  # type: ignore[type-var]  # C is a struct
    if old is None:
        return (*conditions, new)
    if new == old:
        return conditions
    return tuple(new if condition is old else condition for condition in conditions)


def remove(conditions: tuple[C, ...], type_: str) -> tuple[C, ...]:
    """Without the condition of this type; the same tuple where there is none."""
    if get(conditions, type_) is None:
        return conditions
    return tuple(condition for condition in conditions if condition.type != type_)

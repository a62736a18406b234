"""Validation of the numbers in a workload's status, and of amounts that may be percentages."""

from __future__ import annotations

from typing import Any

from wherry.api.checks import Errors, nonnegative
from wherry.api.int_or_percent import percentage
from wherry.machinery.names import percent
from wherry.machinery.validation import invalid

_MORE_THAN_ALL = "cannot be greater than status.replicas"


def replica_counts(new: Any, old: Any, fields: tuple[tuple[str, str], ...], ready: str = "readyReplicas") -> Errors:
    """Counts of a status: none negative, none above `replicas`, available ones are ready, collisions only grow.

    `fields`: (attribute, wire name) of the counts that are parts of `replicas`.
    """
    yield from nonnegative("status.replicas", new.replicas)
    yield from nonnegative("status.observedGeneration", new.observed_generation)
    for attribute, wire in fields:
        count = getattr(new, attribute)
        yield from nonnegative(f"status.{wire}", count)
        if count > new.replicas:
            yield invalid(f"status.{wire}", count, _MORE_THAN_ALL)
    if new.available_replicas > new.ready_replicas:
        yield invalid("status.availableReplicas", new.available_replicas, f"cannot be greater than {ready}")
    yield from collisions(new, old)


def collisions(new: Any, old: Any) -> Errors:
    """status.collisionCount only grows."""
    count = getattr(new, "collision_count", None)
    yield from nonnegative("status.collisionCount", count)
    before = getattr(old, "collision_count", None)
    if before is not None and (count or 0) < before:
        yield invalid("status.collisionCount", count or 0, "cannot be decremented")


def int_or_percent(path: str, value: int | str | None) -> Errors:
    """`3` or `25%`, not negative."""
    if isinstance(value, str):
        for problem in percent(value):
            yield invalid(path, value, problem)
    else:
        yield from nonnegative(path, value)


def at_most_all(path: str, value: int | str | None) -> Errors:
    """Not more than 100%."""
    if (percentage(value) or 0) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def number_of(value: int | str | None) -> int:
    """The number in it, percent sign or not; 0 for what is neither."""
    share = percentage(value)
    if share is not None:
        return share
    return value if isinstance(value, int) else 0

"""Filling in what clients left out, on immutable structs: what needs no change is given back as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from wherry.machinery.meta import Model

M = TypeVar("M", bound=Model)
X = TypeVar("X")


def fill(obj: M, **defaults: Any) -> M:
    """`obj` with these values where it has none: None, or an empty text. A 0 or False that was set stays."""
    missing = {name: value for name, value in defaults.items() if getattr(obj, name) in (None, "")}
    return replace(obj, **missing) if missing else obj


def fill_zero(obj: M, **defaults: Any) -> M:
    """The same for numbers whose 0 means "not set"."""
    missing = {name: value for name, value in defaults.items() if not getattr(obj, name)}
    return replace(obj, **missing) if missing else obj


def within(obj: M, **steps: Callable[[Any], Any]) -> M:
    """`obj` with these fields passed through a function; fields that are None stay None."""
    changed: dict[str, Any] = {}
    for name, step in steps.items():
        old = getattr(obj, name)
        if old is not None and (new := step(old)) is not old:
            changed[name] = new
    return replace(obj, **changed) if changed else obj


def each(step: Callable[[X], X]) -> Callable[[tuple[X, ...]], tuple[X, ...]]:
    """The function that passes every item of a list through `step`; the same list if nothing changed."""

    def all_of(items: tuple[X, ...]) -> tuple[X, ...]:
        new = tuple([step(item) for item in items])
        return items if all(a is b for a, b in zip(items, new, strict=True)) else new

    return all_of

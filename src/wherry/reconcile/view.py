"""View: what a plan may look at. Read-only, synchronous, the caches as they are while the plan runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol

from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, Object, T
from wherry.machinery.resource import Resource


@dataclass(frozen=True, slots=True, eq=False)
class Index(Generic[T]):
    """A way to look objects up: `values(obj)` are the texts under which it is found. Declare it once per module."""

    resource: Resource[T]
    values: Callable[[T], Iterable[str]]


class View(Protocol):
    """What a plan sees."""

    @property
    def now(self) -> float:
        """Epoch seconds."""
        ...

    @property
    def last_error(self) -> APIError | None:
        """What stopped the previous run for this key, if anything did."""
        ...

    def get(self, resource: Resource[T], key: Key) -> T | None:
        """One object, or None."""
        ...

    def list(self, resource: Resource[T], namespace: str = "") -> tuple[T, ...]:
        """All objects of a namespace; of all of them for ""."""
        ...

    def owned(self, resource: Resource[T], owner: Object) -> tuple[T, ...]:
        """Objects whose controller reference carries the owner's uid."""
        ...

    def orphans(self, resource: Resource[T], namespace: str) -> tuple[T, ...]:
        """Objects of the namespace that have no controller."""
        ...

    def indexed(self, index: Index[T], value: str) -> tuple[T, ...]:
        """Objects found under `value`."""
        ...

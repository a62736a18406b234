"""Objects: what authentication needs of a server. It looks things up and asks for the time; it writes nothing."""

from __future__ import annotations

from typing import Protocol

from wherry.aio.clock import Clock
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry
from wherry.store.windows import Windows


class Objects(Protocol):
    """The objects as of now."""

    @property
    def windows(self) -> Windows:
        """All of them."""

    @property
    def clock(self) -> Clock:
        """The time."""

    def find(self, resource: Resource[T], namespace: str, name: str) -> Entry[T] | None:
        """One object as of now, or None."""

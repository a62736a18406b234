"""History: the last changes of one window, bounded by count, bytes and age, and what is told of each.

`floor` is the revision from which everything is known: each change later than it is here. It only grows.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic

from wherry.machinery.meta import T
from wherry.store.entry import Entry, Event, EventType
from wherry.store.log import Compacted

OVERHEAD = 1024
"""Bytes of a change besides the data: the moment, the entry, its key."""
Predicate = Callable[[Entry[T]], bool]


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of the past is kept: at most `count` changes, `size` bytes and `age` seconds."""

    count: int = 20_000
    size: int = 32 * 1024 * 1024
    age: float = 300.0


class Moment(Generic[T]):
    """One change of one object: `entry` is what it became (None: deleted), `previous` what it was (None: created)."""

    __slots__ = ("_shared", "at", "entry", "previous", "revision")

    def __init__(self, revision: int, entry: Entry[T] | None, previous: Entry[T] | None, at: float) -> None:
        self.revision = revision
        self.entry = entry
        self.previous = previous
        self.at = at  # monotonic seconds
        self._shared: dict[EventType, weakref.ref[Event[T]]] | None = None

    @property
    def key(self) -> str:
        """The object's key in the log."""
        entry = self.entry or self.previous
        assert entry is not None
        return entry.key

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        entry = self.entry or self.previous
        assert entry is not None
        return entry.namespace

    @property
    def weight(self) -> int:
        """Bytes that only this change keeps alive: what was replaced, and what goes with it (see Entry.slim)."""
        return OVERHEAD + (len(self.previous.data) if self.previous is not None else 0)

    def event(self, predicate: Predicate[T] | None) -> Event[T] | None:
        """What a watcher that sees what `predicate` lets through is told; None: nothing.

        An object that begins to match is ADDED, one that ceases to match is DELETED.
        """
        entry, previous = self.entry, self.previous
        if predicate is not None:
            if entry is not None and not predicate(entry):
                entry = None
            if previous is not None and not predicate(previous):
                previous = None
        if entry is not None:
            return self._event("ADDED" if previous is None else "MODIFIED", entry, previous)
        return self._event("DELETED", None, previous) if previous is not None else None

    def _event(self, type_: EventType, entry: Entry[T] | None, previous: Entry[T] | None) -> Event[T]:
        """The shared event of that type: alive as long as some watcher has it queued."""
        shared = self._shared
        if shared is None:
            shared = self._shared = {}
        found = shared.get(type_)
        event = found() if found is not None else None
        if event is None:
            if entry is None:
                assert previous is not None
                entry = previous.at(self.revision)
            event = Event(type_, entry, previous)
            shared[type_] = weakref.ref(event)
        return event


class History(Generic[T]):
    """Moments in revision order."""

    __slots__ = ("_keep", "_moments", "_size", "floor")

    def __init__(self, keep: Keep, floor: int) -> None:
        self.floor = floor
        self._keep = keep
        self._moments: deque[Moment[T]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._moments)

    def add(self, moment: Moment[T]) -> None:
        """Append the newest moment and drop what is too much."""
        self._moments.append(moment)
        self._size += moment.weight
        self.trim(moment.at)

    def trim(self, now: float) -> None:
        """Drop what is too old, too many or too big at `now` (monotonic seconds)."""
        keep, moments = self._keep, self._moments
        while moments and (len(moments) > keep.count or self._size > keep.size or moments[0].at < now - keep.age):
            gone = moments.popleft()
            self._size -= gone.weight
            self.floor = gone.revision

    def require(self, revision: int) -> None:
        """Raises Compacted unless everything later than `revision` is here."""
        if revision < self.floor:
            raise Compacted(self.floor)

    def since(self, revision: int) -> list[Moment[T]]:
        """Moments later than `revision`, oldest first. Raises Compacted."""
        self.require(revision)
        found = list(self._back(revision))
        found.reverse()
        return found

    def undone(self, revision: int) -> dict[str, Entry[T] | None]:
        """What is to be put over the present to see it as of `revision` (None: did not exist). Raises Compacted."""
        self.require(revision)
        return {moment.key: moment.previous for moment in self._back(revision)}

    def _back(self, revision: int) -> Iterator[Moment[T]]:
        for moment in reversed(self._moments):
            if moment.revision <= revision:
                return
            yield moment

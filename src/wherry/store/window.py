"""Window: one resource's live objects and recent changes, in memory. All reads and watches are answered here.

It is fed by `wherry.store.windows.Windows`, in revision order, on the event loop; nothing here awaits the log.
Promises: a listing is the exact state at its revision; a watch tells every matching change later than where it began,
once, in order, and says how far it has got; a position that is no longer kept raises Compacted, never a gap.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Generic

from wherry.machinery.meta import T
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry, Event, Kind, with_revision
from wherry.store.history import History, Moment, Predicate
from wherry.store.log import UNREADABLE, Change, Record

logger = logging.getLogger(__name__)

Sink = Callable[[Event[T]], bool]
"""Takes one event at once, without blocking or raising; False: full, this event did not fit, the watch is over."""


class FutureRevision(Exception):
    """Asked for a revision that has not happened yet; `current` is the newest."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"revision {revision} is not reached, current: {current}")
        self.revision = revision
        self.current = current


class Progress:
    """How far all windows have got. `revision`: applied; `delivered`: every watcher has been told of it."""

    __slots__ = ("_order", "_waiting", "delivered", "revision")

    def __init__(self, revision: int = 0) -> None:
        self.revision = revision
        self.delivered = revision
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def done(self, revision: int) -> None:
        """Everything up to `revision` has been delivered: wake who waits for it."""
        self.delivered = revision
        while self._waiting and self._waiting[0][0] <= revision:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    async def reached(self, revision: int, timeout_s: float) -> None:
        """Wait until `revision` has been delivered. Raises FutureRevision after `timeout_s` seconds."""
        if revision <= self.delivered:
            return
        future = asyncio.get_running_loop().create_future()
        item = (revision, next(self._order), future)
        heapq.heappush(self._waiting, item)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            raise FutureRevision(revision, self.delivered) from None
        finally:
            if item in self._waiting:
                self._waiting.remove(item)
                heapq.heapify(self._waiting)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a listing. Go on with `list(start_after=page.items[-1].key, revision=page.revision)` when `more`.

    `remaining`: how many objects follow this page; None when a predicate makes that unknown.
    """

    items: list[Entry[T]]
    revision: int
    more: bool = False
    remaining: int | None = None


class Watch(Generic[T]):
    """A running watch; `stop()` ends it."""

    __slots__ = ("_ended", "_since", "_window", "active", "namespace", "predicate", "sink")

    def __init__(
        self, window: Window[T], since: int, sink: Sink[T], namespace: str, predicate: Predicate[T] | None,
        ended: Callable[[], None] | None,
    ) -> None:  # fmt: skip
        self._window = window
        self._since = since
        self._ended = ended
        self.sink = sink
        self.namespace = namespace
        self.predicate = predicate
        self.active = True

    @property
    def revision(self) -> int:
        """The sink has been given everything up to here: what a bookmark may say, if it goes through the same queue."""
        return max(self._since, self._window.progress.delivered)

    def stop(self) -> None:
        """End it; the sink is not called again. `ended` is not called."""
        self._ended = None
        self._window.end(self)

    def tell(self, moment: Moment[T], whole: Event[T] | None = None) -> None:
        """Pass a moment on if it concerns this watch. `whole`: what those are told who see everything, if known."""
        if moment.revision <= self._since:  # begun at a revision that had not happened yet
            return
        try:
            event = whole if whole is not None and self.predicate is None else moment.event(self.predicate)
            fits = event is None or self.sink(event)
        except Exception:  # one broken watcher must not stop the others
            logger.exception("a watch is ended: telling it of %s failed", moment.key)
            fits = False
        if not fits:
            self._window.end(self)

    def end(self) -> None:
        """For the window: mark as over and say so, once."""
        self.active = False
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


class Window(Generic[T]):
    """The objects under one key prefix (`/registry/<group>/<plural>/`)."""

    def __init__(self, prefix: str, progress: Progress, history: History[T], kind: Kind[T]) -> None:
        self.prefix = prefix
        self.progress = progress
        self.kind = kind
        self._history = history
        self._live: dict[str, Entry[T]] = {}
        self._keys: list[str] = []
        self._watches: dict[str, dict[Watch[T], None]] = {}
        self.unreadable: dict[str, int] = {}
        """Keys whose values cannot be decrypted, and when they were written: neither listed nor watched."""

    def __len__(self) -> int:
        return len(self._live)

    @property
    def revision(self) -> int:
        """The revision at which the present state is true. The same for every window of one store."""
        return self.progress.revision

    @property
    def oldest(self) -> int:
        """The oldest revision that can be listed exactly or watched from."""
        return self._history.floor

    @property
    def watchers(self) -> int:
        """How many watches run."""
        return sum(map(len, self._watches.values()))

    async def reached(self, revision: int, timeout_s: float = 3.0) -> None:
        """Wait until this window shows `revision`. Raises FutureRevision after `timeout_s` seconds."""
        await self.progress.reached(revision, timeout_s)

    def key(self, namespace: str, name: str) -> str:
        """The log key of an object; `namespace` "" for cluster-scoped ones."""
        return f"{self.prefix}{namespace}/{name}" if namespace else f"{self.prefix}{name}"

    def get(self, key: str) -> Entry[T] | None:
        """The object under a log key, as of now."""
        return self._live.get(key)

    def list(
        self,
        namespace: str = "",
        predicate: Predicate[T] | None = None,
        *,
        limit: int = 0,
        start_after: str = "",
        revision: int | None = None,
    ) -> Page[T]:
        """Objects sorted by key: at most `limit` (0: all), with keys after `start_after`, as of `revision` or now.

        Raises Compacted when `revision` is no longer kept, FutureRevision when it has not happened.
        """
        if revision is None:
            revision = self.revision
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        undone = self._history.undone(revision) if revision < self.revision else {}
        entries = self._entries(self._range(namespace, start_after, undone), undone)
        if predicate is not None:
            entries = filter(predicate, entries)
        items = list(islice(entries, limit or None))
        rest = next(entries, None) if limit else None
        if rest is None:
            return Page(items, revision, more=False, remaining=0)
        remaining = 1 + sum(1 for _ in entries) if predicate is None else None
        return Page(items, revision, more=True, remaining=remaining)

    def _range(self, namespace: str, start_after: str, undone: Mapping[str, Entry[T] | None]) -> Iterator[str]:
        """Sorted keys of a namespace (or all), live or brought back by `undone`."""
        prefix = f"{self.prefix}{namespace}/" if namespace else self.prefix
        low = bisect_right(self._keys, start_after) if start_after > prefix else bisect_left(self._keys, prefix)
        high = bisect_left(self._keys, prefix[:-1] + "0")  # "0" follows "/"
        back = [key for key, entry in undone.items() if entry is not None and key not in self._live]
        back = sorted(key for key in back if key.startswith(prefix) and key > start_after)
        return heapq.merge(islice(self._keys, low, high), back) if back else islice(self._keys, low, high)

    def _entries(self, keys: Iterator[str], undone: Mapping[str, Entry[T] | None]) -> Iterator[Entry[T]]:
        for key in keys:
            entry = undone[key] if key in undone else self._live[key]
            if entry is not None:
                yield entry

    def watch(
        self,
        since: int,
        sink: Sink[T],
        *,
        namespace: str = "",
        predicate: Predicate[T] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> Watch[T]:
        """Tell `sink` of every change later than `since`: kept ones before this returns, later ones as they happen.

        A `since` that has not happened yet is fine: nothing up to it is told. `ended` is called when the watch ends
        from this side: the sink was full (also during the call to `watch`), failed, or the windows were closed.
        Raises Compacted when changes later than `since` are gone.
        """
        moments = self._history.since(since)
        watch = Watch(self, since, sink, namespace, predicate, ended)
        for moment in moments:
            if namespace in ("", moment.namespace):
                watch.tell(moment)
                if not watch.active:
                    return watch
        self._watches.setdefault(namespace, {})[watch] = None
        return watch

    def end(self, watch: Watch[T]) -> None:
        """Forget a watch (see Watch.stop)."""
        group = self._watches.get(watch.namespace, {})
        group.pop(watch, None)
        if not group:
            self._watches.pop(watch.namespace, None)
        watch.end()

    # Below: for Windows, which feeds this.

    def load(self, records: Iterable[Record]) -> None:
        """Take the present state, sorted by key, before anything else."""
        for record in records:
            if record.value == UNREADABLE:
                self.unreadable[record.key] = record.revision
                continue
            data = with_revision(record.value, record.revision)
            self._live[record.key] = Entry(self.kind, record.key, data, record.revision, record.created)
        self._keys = list(self._live)

    def recall(self, changes: Sequence[Change], at: float) -> None:
        """Take the past that led to the present state, in order, after `load`."""
        seen: dict[str, Entry[T]] = {}
        for change in changes:
            if change.value == UNREADABLE:
                continue
            previous = self._previous(change, seen.get(change.key))
            entry = self._live.get(change.key)
            if change.value is None:
                entry = None
            elif entry is None or entry.revision != change.revision:
                entry = self._entry(change, change.value)
            if entry is not None:
                seen[change.key] = entry
            self._history.add(Moment(change.revision, entry, previous, at))

    def apply(self, change: Change, at: float) -> Moment[T]:
        """Make a change visible to readers. `tell` follows."""
        previous = self._live.get(change.key)
        if self.unreadable:
            self.unreadable.pop(change.key, None)
        entry: Entry[T] | None = None
        if change.value is not None:
            entry = self._live[change.key] = self._entry(change, change.value)
            if previous is None:
                insort(self._keys, change.key)
        elif previous is not None:
            del self._live[change.key]
            del self._keys[bisect_left(self._keys, change.key)]
        moment = Moment(change.revision, entry, previous, at)
        self._history.add(moment)
        return moment

    def tell(self, moment: Moment[T]) -> None:
        """Tell the watches of a change."""
        whole = moment.event(None)  # held, so that all watches without a predicate share it
        for group in (self._watches.get(""), self._watches.get(moment.namespace) if moment.namespace else None):
            for watch in tuple(group or ()):
                if watch.active:
                    watch.tell(moment, whole)
        if moment.previous is not None:
            moment.previous.slim()

    def close(self) -> None:
        """End every watch."""
        for watch in [watch for group in self._watches.values() for watch in group]:
            self.end(watch)

    def trim(self, now: float) -> None:
        """Forget what is too old at `now` (monotonic seconds)."""
        self._history.trim(now)

    def bind(self, resource: Resource[T]) -> None:
        """Say what the bytes are; a second time: they are something else now (a changed CustomResourceDefinition)."""
        if self.kind.resource is not None:
            for entry in self._live.values():
                entry.forget()
        self.kind.resource = resource

    def _entry(self, change: Change, value: bytes) -> Entry[T]:
        return Entry(self.kind, change.key, with_revision(value, change.revision), change.revision, change.created)

    def _previous(self, change: Change, seen: Entry[T] | None) -> Entry[T] | None:
        if change.previous is None or change.previous == UNREADABLE:
            return None
        if seen is not None and seen.revision == change.previous_revision:
            return seen
        data = with_revision(change.previous, change.previous_revision)
        return Entry(self.kind, change.key, data, change.previous_revision, change.created)

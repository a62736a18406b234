"""Windows: one window per resource over one log. Subscribes once, hands each change to the window of its key's prefix.

Keys are `/registry/<group or "core">/<plural>/[<namespace>/]<name>`; other keys in the log are none of its business.
A window exists for every prefix in the log, also for resources nobody has asked for yet (custom resources at start),
so nothing is ever read from the log twice. After a restart, watches resume from any revision the log still holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, cast

from wherry.aio.clock import Clock
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource
from wherry.store.entry import Decode, Kind, decode_typed
from wherry.store.history import History, Keep
from wherry.store.log import Change, Log, Record
from wherry.store.window import Progress, Window

logger = logging.getLogger(__name__)

ROOT = "/registry/"


def prefix_of(resource: Resource[Any]) -> str:
    """Where a resource's objects lie in the log: `/registry/<group or "core">/<plural>/`."""
    return f"{ROOT}{resource.group or 'core'}/{resource.plural}/"


def key_of(resource: Resource[Any], namespace: str, name: str) -> str:
    """The log key of one object; `namespace` "" for cluster-scoped ones."""
    return f"{prefix_of(resource)}{namespace}/{name}" if namespace else prefix_of(resource) + name


def _prefix(key: str) -> str:
    group, plural = key.split("/", 4)[2:4]
    return f"{ROOT}{group}/{plural}/"


class Windows:
    """All windows of one log. Make with `await Windows.open(log, clock)`."""

    def __init__(self, log: Log, clock: Clock, keep: Keep, decode: Decode) -> None:
        self.log = log
        self.progress = Progress()
        self._clock = clock
        self._keep = keep
        self._decode = decode
        self._floor = 0
        self._windows: dict[str, Window[Any]] = {}
        self._of: dict[Resource[Any], Window[Any]] = {}
        self._early: list[Change] | None = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self._marks: deque[tuple[float, int]] = deque()

    @classmethod
    async def open(cls, log: Log, clock: Clock, *, keep: Keep | None = None, decode: Decode = decode_typed) -> Windows:
        """Load everything and follow the log from there. `decode(resource, data)` makes the entries' objects."""
        windows = cls(log, clock, keep or Keep(), decode)
        windows._unsubscribe = log.subscribe(windows._deliver)
        await windows._load()
        return windows

    @property
    def revision(self) -> int:
        """The newest revision that readers see."""
        return self.progress.revision

    def of(self, resource: Resource[T]) -> Window[T]:
        """The window of a resource. The first resource asked for under a prefix says how its objects are decoded."""
        window = self._of.get(resource)
        if window is None:
            window = self._of[resource] = self._window(prefix_of(resource))
            if window.kind.resource is None:
                window.bind(resource)
        return cast("Window[T]", window)

    def count(self, group: str, plural: str) -> int:
        """How many objects a resource has; 0 for one that is not stored."""
        window = self._windows.get(f"{ROOT}{group or 'core'}/{plural}/")
        return 0 if window is None else len(window)

    def rebind(self, resource: Resource[Any]) -> None:
        """From now on this resource says how objects under its prefix are decoded."""
        window = self._window(prefix_of(resource))
        window.bind(resource)
        self._of = {known: its for known, its in self._of.items() if its is not window}

    async def reached(self, revision: int, timeout_s: float = 3.0) -> None:
        """Wait until `revision` has been delivered. Raises window.FutureRevision after `timeout_s` seconds."""
        await self.progress.reached(revision, timeout_s)

    async def compacting(self, every: float = 60.0) -> None:
        """For ever: keep the log's history as short as the windows' own. Run it as a task."""
        while True:
            await asyncio.sleep(every)
            await self.compact()

    async def compact(self) -> None:
        """Forget what is older than `keep` allows, in the log and in quiet windows."""
        now, keep = self._clock.monotonic(), self._keep
        self._marks.append((now, self.revision))
        upto = self.revision - keep.count
        while self._marks and self._marks[0][0] <= now - keep.age:
            upto = max(upto, self._marks.popleft()[1])
        for window in self._windows.values():
            window.trim(now)
        if upto > self.log.compacted:
            await self.log.compact(upto)

    def close(self) -> None:
        """Stop following the log and end every watch. The log stays open: it belongs to whoever opened it."""
        self._unsubscribe()
        for window in self._windows.values():
            window.close()

    def _window(self, prefix: str) -> Window[Any]:
        window = self._windows.get(prefix)
        if window is None:
            history: History[Any] = History(self._keep, self._floor)
            window = self._windows[prefix] = Window(prefix, self.progress, history, Kind(self._decode))
        return window

    async def _load(self) -> None:
        revision, records = await self.log.list(ROOT)
        self._floor = max(self.log.compacted, revision - self._keep.count)
        past = [change for change in await self.log.after(self._floor) if change.revision <= revision]
        for prefix, group in groupby(records, lambda record: _prefix(record.key)):
            self._window(prefix).load(cast("Sequence[Record]", group))
        now = self._clock.monotonic()
        by_prefix: dict[str, list[Change]] = {}
        for change in past:
            if change.key.startswith(ROOT):
                by_prefix.setdefault(_prefix(change.key), []).append(change)
        for prefix, changes in by_prefix.items():
            self._window(prefix).recall(changes, now)
        self.progress.revision = revision
        self.progress.done(revision)
        early, self._early = self._early or [], None
        self._deliver([change for change in early if change.revision > revision])

    def _deliver(self, changes: Sequence[Change]) -> None:
        if self._early is not None:
            self._early.extend(changes)
            return
        now = self._clock.monotonic()
        for change in changes:
            if change.key.startswith(ROOT):
                window = self._window(_prefix(change.key))
                moment = window.apply(change, now)
                self.progress.revision = change.revision
                window.tell(moment)
            else:
                self.progress.revision = change.revision
            self.progress.done(change.revision)

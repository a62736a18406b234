"""MemoryLog: a Log that forgets everything when the process ends. For tests and for trying things out."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter

from wherry.store.log import Change, Changed, Compacted, Deliver, Record, Unavailable

logger = logging.getLogger(__name__)


class MemoryLog:
    """See `wherry.store.log.Log`."""

    def __init__(self) -> None:
        self._live: dict[str, Record] = {}
        self._changes: list[Change] = []
        self._revision = 0
        self._compacted = 0
        self._subscribers: list[Deliver] = []
        self._open = True

    @property
    def revision(self) -> int:
        """The newest committed revision."""
        return self._revision

    @property
    def compacted(self) -> int:
        """History up to here is forgotten."""
        return self._compacted

    async def append(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write or delete one key."""
        self._require_open()
        found = self._live.get(key)
        current = found.revision if found is not None else 0
        if (expected is not None and expected != current) or (value is None and found is None):
            raise Changed(key, current)
        self._revision += 1
        created = found.created if found is not None else self._revision
        if value is None:
            del self._live[key]
        else:
            self._live[key] = Record(key, value, self._revision, created)
        change = Change(self._revision, key, value, current, created)
        self._changes.append(change._replace(previous=found.value if found is not None else None))
        for deliver in tuple(self._subscribers):
            try:
                deliver((change,))
            except Exception:  # a broken subscriber must not fail a committed write
                logger.exception("subscriber failed on revision %d", change.revision)
        return change.revision

    async def list(self, prefix: str) -> tuple[int, Sequence[Record]]:
        """Live keys under a prefix."""
        self._require_open()
        return self._revision, [self._live[key] for key in sorted(self._live) if key.startswith(prefix)]

    async def after(self, revision: int) -> Sequence[Change]:
        """Kept changes later than a revision."""
        self._require_open()
        if revision < self._compacted:
            raise Compacted(self._compacted)
        return self._changes[bisect_right(self._changes, revision, key=attrgetter("revision")) :]

    async def compact(self, revision: int) -> None:
        """Forget history."""
        self._require_open()
        self._compacted = max(self._compacted, min(revision, self._revision))
        del self._changes[: bisect_right(self._changes, self._compacted, key=attrgetter("revision"))]

    def subscribe(self, deliver: Deliver) -> Callable[[], None]:
        """Follow changes."""
        self._subscribers.append(deliver)

        def end() -> None:
            if deliver in self._subscribers:
                self._subscribers.remove(deliver)

        return end

    async def close(self) -> None:
        """Nothing can be called afterwards."""
        self._open = False
        self._subscribers.clear()

    def _require_open(self) -> None:
        if not self._open:
            raise Unavailable("the store is closed")

"""SqliteLog: the Log in one SQLite file, for one process.

Writes queue up for one writer thread; whatever waits when it is free becomes one durable commit (group commit), and
the next group forms while the disk syncs. What one turn of the event loop asks for is handed over at its end, all at
once: waking the writer costs both threads the interpreter lock. Compare-and-swap and revisions are decided on that
thread, in queue order; changes are published on the event loop in that same order, and a write's caller is woken after
its change was.

The first error of the database ends this handle: what was in flight raises OutcomeUnknown, every later call
Unavailable.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from wherry.store.database import ROWS, Database, Seal
from wherry.store.log import UNREADABLE, Change, Changed, Deliver, OutcomeUnknown, Record, Unavailable
from wherry.store.takeover import NOTHING, Amend, TakeOver

logger = logging.getLogger(__name__)


_OFFER_EVERY = 0.001  # seconds
_OFFER_FOR = 0.00005


def _as_it_is(_key: str, value: bytes) -> bytes:
    return value


def _sealed(amend: Amend, seal: Seal, unseal: Seal) -> Amend:
    """The same on values as they are stored. What cannot be unsealed stays: its key may be found again."""

    def amended(key: str, stored: bytes) -> bytes | None:
        plain = unseal(key, stored)
        value = None if plain == UNREADABLE else amend(key, plain)
        return None if value is None else seal(key, value)

    return amended


class _Append(NamedTuple):
    key: str
    value: bytes | None
    stored: bytes | None
    expected: int | None
    future: asyncio.Future[Any]


class _Call(NamedTuple):
    """Something else to do on the writer thread. `again`: True from `run` means that it is to be queued once more."""

    run: Callable[[Database], Any]
    future: asyncio.Future[Any]
    again: bool = False


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if self.future.done():  # whoever asked has gone away
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


_Job = _Append | _Call


class SqliteLog:
    """See `wherry.store.log.Log`. Make with `await SqliteLog.open(path)`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._asked: list[_Job | None] = []  # in this turn of the event loop
        self._jobs: queue.SimpleQueue[Sequence[_Job | None]] = queue.SimpleQueue()
        self._taken: deque[_Job | None] = deque()  # by the writer thread
        self._subscribers: list[Deliver] = []
        self._revision = 0
        self._compacted = 0
        self._failed: str | None = None  # why nothing can be done any more; set by the writer thread
        self._intact = True
        self._pending = 0  # jobs that have had no outcome yet
        self._offering = False  # `_offer` is going to be called
        self._turn = threading.Lock()
        self._turn.acquire()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._thread: threading.Thread | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        seal: Seal = _as_it_is,
        unseal: Seal = _as_it_is,
        vfs: str | None = None,
        synchronous: str = "FULL",
        takeover: TakeOver = NOTHING,
    ) -> SqliteLog:
        """Open or create the store at `path` (mode 0600). Raises InUse, Unavailable (with the cause).

        `seal(key, value)` changes values on their way to the disk, `unseal` back; `vfs`, `synchronous` are for tests.
        `takeover`: what is to be done with a store of another version first; `amend` gets values unsealed.
        """
        log = cls(seal)
        takeover = takeover._replace(amend=_sealed(takeover.amend, seal, unseal))
        opened: asyncio.Future[tuple[int, int]] = log._loop.create_future()
        log._pending = 1
        log._thread = threading.Thread(
            target=log._run,
            args=(opened, partial(Database, path, unseal, vfs, synchronous, takeover)),
            name="wherry-store",
            daemon=True,
        )
        log._thread.start()
        log._revision, log._compacted = await opened
        return log

    @property
    def revision(self) -> int:
        """The newest committed revision that subscribers have been given."""
        return self._revision

    @property
    def compacted(self) -> int:
        """History up to here is forgotten."""
        return self._compacted

    async def append(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write or delete one key, durably."""
        stored = None if value is None else self._seal(key, value)
        future: asyncio.Future[int] = self._loop.create_future()
        self._put(_Append(key, value, stored, expected, future))
        return await future

    async def list(self, prefix: str) -> tuple[int, Sequence[Record]]:
        """Live keys under a prefix."""
        future: asyncio.Future[tuple[int, Sequence[Record]]] = self._loop.create_future()
        self._put(_Call(lambda database: database.list(prefix), future))
        return await future

    async def after(self, revision: int) -> Sequence[Change]:
        """Kept changes later than a revision."""
        future: asyncio.Future[Sequence[Change]] = self._loop.create_future()
        self._put(_Call(lambda database: database.after(revision), future))
        return await future

    async def compact(self, revision: int) -> None:
        """Forget history; writers go on meanwhile. Space is given back to the file system."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._put(_Call(lambda database: database.compact(revision), future, again=True))
        self._compacted = await future

    def subscribe(self, deliver: Deliver) -> Callable[[], None]:
        """Follow changes."""
        self._subscribers.append(deliver)

        def end() -> None:
            if deliver in self._subscribers:
                self._subscribers.remove(deliver)

        return end

    async def close(self) -> None:
        """Finish what is queued, move the WAL into the file, release it."""
        if not self._closed:
            self._closed = True
            self._asked.append(None)
            self._hand_over()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._subscribers.clear()

    def _put(self, job: _Job) -> None:
        if self._closed or self._failed is not None:
            raise Unavailable(self._failed or "the store is closed")
        self._pending += 1
        if not self._offering:
            self._offering = True
            self._loop.call_later(_OFFER_EVERY, self._offer)
        if not self._asked:
            self._loop.call_soon(self._hand_over)
        self._asked.append(job)

    def _hand_over(self) -> None:
        """Give the writer thread what was asked for in this turn."""
        if self._asked:
            self._jobs.put(self._asked)
            self._asked = []

    def _offer(self) -> None:
        """Let the writer thread have the interpreter, as long as it has something to do.

        A busy event loop gives the interpreter lock up for a microsecond at a time, too short for another thread to
        wake and take it: without this, writes starve for as long as the loop is saturated (bench/store.py, busy loop).
        """
        self._offering = bool(self._pending) and self._failed is None
        if self._offering:
            self._turn.acquire(timeout=_OFFER_FOR)  # never free: only the waiting matters
            self._loop.call_later(_OFFER_EVERY, self._offer)

    # On the event loop, called by the writer thread.

    def _publish(self, changes: Sequence[Change], outcomes: Sequence[_Outcome]) -> None:
        if changes:
            self._revision = changes[-1].revision
            for deliver in tuple(self._subscribers):
                try:
                    deliver(changes)
                except Exception:  # a broken subscriber must not fail committed writes
                    logger.exception("subscriber failed on revisions up to %d", self._revision)
        self._pending -= len(outcomes)
        for outcome in outcomes:
            outcome.tell()

    # On the writer thread.

    def _post(self, changes: Sequence[Change], outcomes: Sequence[_Outcome]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._publish, changes, outcomes)
        except RuntimeError:  # the loop is closed: nobody listens any more
            logger.warning("%d outcomes after the event loop's end", len(outcomes))

    def _run(self, opened: asyncio.Future[tuple[int, int]], open_: Callable[[], Database]) -> None:
        try:
            database = open_()
        except Exception as error:  # noqa: BLE001 - whoever opens is told
            self._post((), [_Outcome(opened, error=error)])
            return
        self._post((), [_Outcome(opened, (database.revision, database.compacted))])
        while (job := self._next()) is not None:
            if isinstance(job, _Append):
                group = self._group(job)
                self._guarded(group, lambda: self._commit(database, group))  # noqa: B023 - called at once
            else:
                call = job
                self._guarded([call], lambda: self._do(database, call))  # noqa: B023 - called at once
        self._failed = self._failed or "the store is closed"
        while self._more():
            if (job := self._next()) is not None:
                self._refuse([job])
        database.close(clean=self._intact)

    def _more(self) -> bool:
        return bool(self._taken) or not self._jobs.empty()

    def _next(self) -> _Job | None:
        if not self._taken:
            self._taken.extend(self._jobs.get())
        return self._taken.popleft()

    def _group(self, first: _Append) -> Sequence[_Append]:
        """`first` and the writes queued right behind it."""
        group = [first]
        while len(group) < ROWS and self._more():
            job = self._next()
            if not isinstance(job, _Append):
                self._taken.appendleft(job)
                break
            group.append(job)
        return group

    def _guarded(self, jobs: Sequence[_Job], do: Callable[[], None]) -> None:
        """Run `do`; after a first error nothing is run any more."""
        if self._failed is None:
            try:
                do()
            except Exception as error:  # whatever it is: memory and disk may differ now
                logger.exception("the store failed and must be opened again")
                self._intact = False
                self._failed = f"the store failed and must be opened again: {error}"
                self._refuse(jobs, OutcomeUnknown)
            return
        self._refuse(jobs)

    def _refuse(self, jobs: Sequence[_Job], how: type[Unavailable] = Unavailable) -> None:
        self._post((), [_Outcome(job.future, error=how(self._failed)) for job in jobs])

    def _commit(self, database: Database, group: Sequence[_Append]) -> None:
        rows, changes, outcomes = [], [], []
        for job in group:
            current, _ = database.position(job.key)
            if (job.expected is not None and job.expected != current) or (job.value is None and not current):
                outcomes.append(_Outcome(job.future, error=Changed(job.key, current)))
                continue
            row = database.place(job.key, job.stored)
            rows.append(row)
            changes.append(Change(row.revision, row.key, job.value, row.previous, row.created))
            outcomes.append(_Outcome(job.future, row.revision))
        if rows:
            database.commit(rows)
        self._post(changes, outcomes)
        database.checkpoint(idle=not self._more())

    def _do(self, database: Database, call: _Call) -> None:
        try:
            result = call.run(database)
            database.checkpoint(idle=not self._more())
        except apsw.Error:
            raise
        except Exception as error:  # noqa: BLE001 - the caller's: history is gone, or a value cannot be unsealed
            self._post((), [_Outcome(call.future, error=error)])
            return
        if call.again and result:
            self._jobs.put([call])
        else:
            self._post((), [_Outcome(call.future, database.compacted if call.again else result)])

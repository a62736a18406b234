"""Database: the SQLite file under `wherry.store.sqlite`. Synchronous; every method runs on the one writer thread.

One append-only table holds live values and history alike, so a write touches the end of one B-tree and nothing else;
which keys are live, and since when, is kept in memory (`position`) and rebuilt at open. Compaction deletes what the
compacted changes replaced, and compacted deletions; a live value is never touched. Whatever it deletes is at or below
`compacted`, which is itself stored: hence max(compacted, newest row) never goes back.

One connection does all writes, reads and checkpoints, in exclusive locking mode; a lock file keeps other processes out
with a better message. synchronous=FULL: a commit has returned only when the WAL is on disk.
https://sqlite.org/wal.html  https://sqlite.org/pragma.html#pragma_synchronous
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from wherry.store.log import Change, Compacted, InUse, Record, Unavailable
from wherry.store.takeover import NOTHING, TakeOver

logger = logging.getLogger(__name__)

Seal = Callable[[str, bytes], bytes]
"""(key, bytes) -> bytes: how values are changed on their way to the disk, or back."""

# Below it, two connections could corrupt a WAL (https://sqlite.org/releaselog/3_51_3.html); we have one, but insist.
_OLDEST_SQLITE = (3, 51, 3)
FORMAT = 1
"""Of the file. A later one is refused, an earlier one brought up to it."""
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS log (
    revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, previous INTEGER NOT NULL, created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('compacted', 0), ('swept', 0);
PRAGMA user_version = {FORMAT};
COMMIT;
"""

ROWS = 128  # most rows in one commit
_SWEEP = 2_000  # revisions swept in one transaction, so that writers wait a few milliseconds at most
_VACUUM = 256  # pages given back at once
_CHECKPOINT_IDLE = 1_000  # WAL pages after which a checkpoint is made when nobody waits
_CHECKPOINT_BUSY = 8_000  # ... and when somebody does


class Row(NamedTuple):
    """One write as it goes to disk: `value` is sealed, None for a deletion."""

    revision: int
    key: str
    value: bytes | None
    previous: int
    created: int


def _insert(rows: int) -> str:
    # One statement per commit: each call into SQLite gives up the interpreter lock, and getting it back is what costs.
    values = ",".join(["(?,?,?,?,?)"] * rows)
    return f"INSERT INTO log SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL"


_INSERTS = {rows: _insert(rows) for rows in (1, 2, 4, 8, 16, 32, 64, ROWS)}
_NO_ROW = (None, None, None, None, None)


def _lock(path: Path) -> int:
    """Take the lock file beside the store for this process. Raises InUse."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise InUse(f"{path} is in use by another process (pid {owner}): stop that one first") from None
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _prepare_files(path: Path) -> None:
    """Make the file private and durable, and rewrite a WAL that was left behind.

    After a failed fsync the kernel calls lost pages clean, so a left WAL may be in memory only and no later fsync would
    write it; a fresh copy is written for sure.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    wal = Path(f"{path}-wal")
    if wal.exists() and wal.stat().st_size:
        copy = Path(f"{path}-wal-copy")
        copy.unlink(missing_ok=True)
        with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
            out.write(wal.read_bytes())
            out.flush()
            os.fsync(out.fileno())
        copy.replace(wal)
    for file in (path, wal):
        if file.exists():
            file.chmod(0o600)
    _sync_folder(path.parent)


class Database:
    """An open store file. Any apsw.Error from any method means: close it, say Unavailable, open it again."""

    def __init__(
        self,
        path: Path,
        unseal: Seal,
        vfs: str | None = None,
        synchronous: str = "FULL",
        takeover: TakeOver = NOTHING,
    ) -> None:
        if tuple(map(int, apsw.sqlite_lib_version().split("."))) < _OLDEST_SQLITE:
            raise Unavailable(f"SQLite {apsw.sqlite_lib_version()} is too old for a safe store")
        self._unseal = unseal
        self._lock = -1
        self._wal_pages = 0
        self._positions: dict[str, tuple[int, int]] = {}
        try:
            self._lock = _lock(path)
            _prepare_files(path)
            self._db = apsw.Connection(str(path), vfs=vfs, statementcachesize=32)
            if takeover.copy is not None:
                self._copy(takeover.copy)
            self._configure(synchronous)
            self._load()
            if takeover.mark not in (0, self._mark):
                self._amend(takeover)
        except BaseException as error:
            self.close(clean=False)
            if isinstance(error, (apsw.Error, OSError)):
                raise Unavailable(f"cannot open {path}: {error}") from error
            raise

    def _copy(self, to: Path) -> None:
        """A whole and durable copy of the store, as it is before anything is done with it."""
        partial = to.with_name(f".{to.name}.partial")
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        target = apsw.Connection(str(partial))
        try:
            target.pragma("journal_mode", "OFF")  # a copy that was not finished is made anew
            target.pragma("synchronous", "OFF")
            with target.backup("main", self._db, "main") as job:
                while not job.done:
                    job.step(-1)
        finally:
            target.close()
        written = os.open(partial, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(written)
        finally:
            os.close(written)
        partial.replace(to)
        _sync_folder(to.parent)

    def _configure(self, synchronous: str) -> None:
        db = self._db
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.pragma("locking_mode", "EXCLUSIVE")
        db.pragma("auto_vacuum", 2)  # incremental; takes effect in a new file only
        if db.pragma("journal_mode", "WAL") != "wal":
            raise Unavailable("the file system cannot hold a write-ahead log")
        db.pragma("synchronous", synchronous)
        db.pragma("wal_autocheckpoint", 0)
        db.pragma("cache_size", -4096)
        db.set_wal_hook(self._committed)
        written = db.pragma("user_version")
        if written > FORMAT:
            raise Unavailable(f"the store was written by a newer version (format {written}, known: {FORMAT})")
        if written < FORMAT:
            db.execute(_SCHEMA)

    def _load(self) -> None:
        meta = dict(self._db.execute("SELECT name, value FROM meta"))
        self.compacted: int = meta["compacted"]
        self._swept: int = meta["swept"]
        self._mark: int = meta.get("amended", 0)
        self.revision = self.compacted
        positions = self._positions
        rows = self._db.execute("SELECT revision, key, created, value IS NULL FROM log ORDER BY revision")
        for revision, key, created, deleted in rows:
            if deleted:
                positions.pop(key, None)
            else:
                positions[key] = (revision, created)
            self.revision = max(self.revision, revision)

    def _amend(self, takeover: TakeOver) -> None:
        """Change live values where they lie, all or none: their revisions stay, and nobody is told."""
        count = 0
        with self._db:
            for key, (revision, _) in self._positions.items():
                stored = self._db.execute("SELECT value FROM log WHERE revision = ?", (revision,)).get
                assert isinstance(stored, bytes)
                if (value := takeover.amend(key, stored)) is not None:
                    self._db.execute("UPDATE log SET value = ? WHERE revision = ?", (value, revision))
                    count += 1
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('amended', ?)", (takeover.mark,))
        logger.info("%d of %d values were of another version, and are amended", count, len(self._positions))

    def position(self, key: str) -> tuple[int, int]:
        """(revision, created) of a live key, (0, 0) of one that does not exist."""
        return self._positions.get(key, (0, 0))

    def place(self, key: str, stored: bytes | None) -> Row:
        """Give a write its revision. It must be passed to the next `commit`."""
        previous, created = self.position(key)
        self.revision = revision = self.revision + 1
        if stored is None:
            del self._positions[key]
        else:
            self._positions[key] = (revision, created or revision)
        return Row(revision, key, stored, previous, created or revision)

    def commit(self, rows: Sequence[Row]) -> None:
        """Make up to ROWS placed writes durable, all or none."""
        size = next(size for size in _INSERTS if size >= len(rows))
        bindings = [field for row in rows for field in row]
        bindings += _NO_ROW * (size - len(rows))
        self._db.execute(_INSERTS[size], bindings)

    def list(self, prefix: str) -> tuple[int, Sequence[Record]]:
        """Live keys under a prefix, sorted."""
        found = []
        rows = self._db.execute(
            "SELECT key, value, revision, created FROM log WHERE substr(key, 1, ?) = ? AND value IS NOT NULL",
            (len(prefix), prefix),
        )
        for key, value, revision, created in rows:
            if self._positions.get(key, (0, 0))[0] == revision:
                found.append(Record(key, self._unseal(key, value), revision, created))
        found.sort()
        return self.revision, found

    def after(self, revision: int) -> Sequence[Change]:
        """Kept changes later than `revision`. Raises Compacted."""
        if revision < self.compacted:
            raise Compacted(self.compacted)
        rows = self._db.execute(
            "SELECT now.revision, now.key, now.value, now.previous, now.created, before.value "
            "FROM log AS now LEFT JOIN log AS before ON before.revision = now.previous "
            "WHERE now.revision > ? ORDER BY now.revision",
            (revision,),
        )
        return [
            Change(at, key, self._opened(key, value), previous, created, self._opened(key, before))
            for at, key, value, previous, created, before in rows
        ]

    def _opened(self, key: str, value: bytes | None) -> bytes | None:
        return None if value is None else self._unseal(key, value)

    def compact(self, revision: int) -> bool:
        """Forget history up to `revision`, a bounded part of it per call; True: call again for the rest."""
        if (target := min(revision, self.revision)) > self.compacted:
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'compacted'", (target,))
            self.compacted = target
        if self._swept < self.compacted:
            self._sweep(self._swept, min(self._swept + _SWEEP, self.compacted))
            return True
        if free := self._db.pragma("freelist_count"):
            self._db.execute(f"PRAGMA incremental_vacuum({_VACUUM})").fetchall()
            return bool(free > _VACUUM)
        return False

    def _sweep(self, start: int, end: int) -> None:
        with self._db:
            self._db.execute(
                "DELETE FROM log WHERE revision IN "
                "(SELECT previous FROM log WHERE revision > ?1 AND revision <= ?2 AND previous > 0)",
                (start, end),
            )
            self._db.execute("DELETE FROM log WHERE revision > ?1 AND revision <= ?2 AND value IS NULL", (start, end))
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'swept'", (end,))
        self._swept = end

    def _committed(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def checkpoint(self, *, idle: bool) -> None:
        """Move the WAL into the file when it has grown; sooner when nobody waits."""
        if self._wal_pages > (_CHECKPOINT_IDLE if idle else _CHECKPOINT_BUSY):
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._wal_pages = 0

    def close(self, *, clean: bool) -> None:
        """Release everything. After an error (not `clean`) the WAL is left as it is, for the next open to read."""
        if (db := getattr(self, "_db", None)) is not None:
            try:
                if clean:
                    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                db.close()
            except apsw.Error:
                logger.exception("closing the store")
                db.close(True)  # noqa: FBT003 - apsw takes it by position
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

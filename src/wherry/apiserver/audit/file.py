"""AuditFile: records as chained lines in a file of its own, mode 0600, rotated by size, count and age.

A record is in the kernel's hands before `write` returns, so it survives the death of this process; it is on disk
within SYNC_SECONDS, and so is `audit.head` beside it: the newest line known to be on disk, which shows when the end of
the log is cut off. When a record cannot be written (disk full), nothing of it stays behind, and the next one that can
be is preceded by a link that says how many are missing. Continues the chain after a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from wherry.aio.clock import Clock
from wherry.apiserver.audit.chain import Head, Link, Tampered, follow, head_of, linked
from wherry.machinery.time import time_at

logger = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
NAME = "audit.log"
_DAY = 86_400.0
_TAIL = 4 * 1024 * 1024  # bytes of the end of a file that hold its last line


class Limits(msgspec.Struct, frozen=True):
    """When a file is full (bytes), and how long (days) and how many old ones are kept."""

    size: int = 100 * 1024 * 1024
    age: float = 30.0
    count: int = 10


class AuditFile:
    """The file `audit.log` in a folder that is made if need be. Raises OSError when it cannot be opened."""

    def __init__(self, folder: Path, clock: Clock, limits: Limits | None = None) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._limits = limits or Limits()
        self._dirty = False
        self.lost = 0
        """Records since the last good one that could not be written."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd, self._size = self._open()
        head, torn = self._resume()
        self.head = head or self._known()
        if torn is not None or head is None:
            self._begin(torn)

    def _open(self) -> tuple[int, int]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        os.fchmod(descriptor, 0o600)
        return descriptor, os.fstat(descriptor).st_size

    def _resume(self) -> tuple[Head | None, bytes | None]:
        """Where the chain stands as the last line says, and one after it that was cut short."""
        tail = os.pread(self._fd, _TAIL, max(0, self._size - _TAIL))
        whole, torn = tail, None
        if tail and not tail.endswith(b"\n"):
            at = tail.rfind(b"\n") + 1
            whole, torn = tail[:at], tail[at:]
        head = head_of(whole.rstrip(b"\n").rpartition(b"\n")[2]) if whole else None
        return head, torn

    def _known(self) -> Head:
        """The head as files beside this one tell it."""
        with contextlib.suppress(OSError, ValueError):
            number, _, digest = (self._path.parent / "audit.head").read_text().strip().partition(".")
            return Head(int(number), digest)
        return Head()

    def _begin(self, torn: bytes | None = None) -> None:
        link = Link(
            after=str(self.head),
            time=str(time_at(self._clock.now())),
            torn="" if torn is None else hashlib.sha256(torn).hexdigest(),
            lost=self.lost,
        )
        self._append(msgspec.json.encode(link), b"" if torn is None else b"\n")
        self.lost = 0

    def write(self, record: bytes) -> None:
        """Append one record, a JSON object on one line. Raises OSError; then the record is lost, and counted."""
        try:
            if self._size + len(record) > self._limits.size and self._size:
                self._rotate()
            if self.lost:
                self._begin()
            self._append(record)
        except OSError:
            self.lost += 1
            raise

    def _append(self, record: bytes, before: bytes = b"") -> None:
        head, line = linked(self.head, record)
        data = before + line
        written = 0
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += written
        self.head = head
        self._dirty = True

    def _rotate(self) -> None:
        """Set the file aside and begin a new one. The old one is flushed first: its head will be needed."""
        os.fsync(self._fd)
        stamp = time_at(self._clock.now()).replace(":", "-")
        self._path.rename(self._path.with_name(f"audit-{stamp}-{self.head.number:012}.log"))
        os.close(self._fd)
        self._fd, self._size = self._open()
        self._begin()
        self.prune()

    def prune(self) -> None:
        """Delete old files that are too many or too old."""
        old = sorted(self._path.parent.glob("audit-*.log"), key=_number)
        oldest = self._clock.now() - self._limits.age * _DAY
        excess = len(old) - self._limits.count
        for at, path in enumerate(old):
            if at < excess or path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    async def keep(self) -> None:
        """For ever: flush to disk, remember the head, delete what is too old."""
        pruned = self._clock.monotonic()
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            if self._dirty:
                self._dirty = False
                await asyncio.to_thread(self._sync, self.head)
            if self._clock.monotonic() - pruned > _DAY / 24:
                pruned = self._clock.monotonic()
                await asyncio.to_thread(self.prune)

    def _sync(self, head: Head) -> None:
        try:
            descriptor = os.dup(self._fd)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            _remember(self._path.parent / "audit.head", head)
        except OSError as error:
            logger.error("the audit log cannot be flushed: %s", error)  # noqa: TRY400 - the cause is known
            self._dirty = True

    def close(self) -> None:
        """Flush and release the file."""
        if self._fd >= 0:
            self._sync(self.head)
            os.close(self._fd)
            self._fd = -1


def _remember(path: Path, head: Head) -> None:
    beside = path.with_name(".audit.head")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{head}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.rename(path)


def _number(path: Path) -> int:
    text = path.stem.rpartition("-")[2]
    return int(text) if text.isdigit() else 0


def files(folder: Path) -> list[Path]:
    """The files of a log, oldest first."""
    old = sorted(folder.glob("audit-*.log"), key=_number)
    return [*old, *([folder / NAME] if (folder / NAME).exists() else [])]


def verify(folder: Path, tell: Callable[[str], None]) -> Head:
    """Check every file of a log; the head. `tell` gets one line per file. Raises chain.Tampered, OSError."""
    head: Head | None = None
    for path in files(folder):
        with path.open("rb") as file:
            head, records = follow(_lines(file), head, path.name)
        tell(f"{path.name}: {records} records")
    known = folder / "audit.head"
    head = head or Head()
    if known.exists():
        number = int(known.read_text().partition(".")[0] or 0)
        if number > head.number:
            raise Tampered(f"the log ends at line {head.number}, but line {number} was on disk once")
    return head


def _lines(file: Iterator[bytes]) -> Iterator[bytes]:
    yield from file

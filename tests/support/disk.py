"""A disk that forgets: an SQLite VFS in memory where only what was synced survives `cut_power`, and syncs can fail.

What was written since a file's last sync is, sector by sector and in no order, kept, lost or torn when the power goes.
Deletions count as unsynced too until something in the folder is synced, so a deleted file may come back.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

SECTOR = 512


class File:
    """One file: `durable` is on the platter, `present` what readers see, `writes` what lies between."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.present = bytearray()
        self.writes: list[tuple[int, bytes] | int] = []  # (offset, data), or a length to truncate to

    def write(self, target: bytearray, offset: int, data: bytes) -> None:
        """Write, filling a gap with zeros."""
        if len(target) < offset:
            target.extend(bytes(offset - len(target)))
        target[offset : offset + len(data)] = data

    def sync(self) -> None:
        """Everything written is on the platter."""
        self.durable[:] = self.present
        self.writes.clear()

    def cut(self, chance: random.Random) -> None:
        """Keep the platter and, of each unsynced write, what chance lets through."""
        keep = chance.choice((0.0, 0.3, 0.9, 1.0))  # a disk's cache is lost, or mostly written out
        for write in self.writes:
            if isinstance(write, int):
                if chance.random() < keep:
                    del self.durable[write:]
                continue
            offset, data = write
            for start in range(0, len(data), SECTOR):
                if chance.random() < keep:
                    self.write(self.durable, offset + start, data[start : start + SECTOR])
        self.present = bytearray(self.durable)
        self.writes.clear()


class Disk:
    """All files, the moment of the power cut (`after` operations, None: never) and what goes wrong, if anything.

    The sync number `fail_sync` fails, the write number `fail_write` fails, files hold `room` bytes at most.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.files: dict[str, File] = {}
        self.operations = 0
        self.syncs = 0
        self.after: int | None = None
        self.fail_sync: int | None = None
        self.written = 0
        self.fail_write: int | None = None
        self.room: int | None = None
        self.off = False

    def tick(self) -> None:
        """Count an operation; the power may go at it."""
        self.operations += 1
        if self.after is not None and self.operations >= self.after:
            self.off = True
        if self.off:
            raise apsw.IOError("the power is off")

    def admit(self, file: File, end: int) -> None:
        """A write up to `end` of a file. Raises apsw.IOError, apsw.FullError."""
        self.written += 1
        if self.fail_write is not None and self.written >= self.fail_write:
            self.fail_write = None
            raise apsw.IOError("write failed")
        if self.room is not None:
            used = sum(len(other.present) for other in self.files.values())
            if used + max(0, end - len(file.present)) > self.room:
                raise apsw.FullError("database or disk is full")

    def cut_power(self) -> None:
        """Power off and on again: the files are as a cut left them."""
        self.off, self.after, self.fail_sync = False, None, None
        for file in self.files.values():
            file.cut(self.chance)


class _Handle:
    """An open file, as apsw wants it."""

    def __init__(self, disk: Disk, name: str) -> None:
        self.disk = disk
        self.name = name
        self.file = disk.files.setdefault(name, File()) if name else File()

    def xRead(self, amount: int, offset: int) -> bytes:
        if self.disk.off:
            raise apsw.IOError("the power is off")
        return bytes(self.file.present[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            self.disk.tick()
        except apsw.IOError:
            self.file.writes.append((offset, bytes(data)))  # it was under way: may be torn
            raise
        self.disk.admit(self.file, offset + len(data))
        self.file.write(self.file.present, offset, data)
        self.file.writes.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        self.disk.tick()
        del self.file.present[size:]
        self.file.writes.append(size)

    def xSync(self, _flags: int) -> None:
        self.disk.tick()
        self.disk.syncs += 1
        if self.disk.fail_sync is not None and self.disk.syncs >= self.disk.fail_sync:
            self.disk.fail_sync = None  # as the kernel does it: the next one says all is well
            raise apsw.IOError("sync failed")
        self.file.sync()

    def xFileSize(self) -> int:
        return len(self.file.present)

    def xLock(self, _level: int) -> None:
        pass

    xUnlock = xLock

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, _op: int, _pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xClose(self) -> None:
        pass


class _VFS(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        self._disk = disk
        super().__init__(name, base="", iVersion=1)

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        flags[1] = flags[0]
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return _Handle(self._disk, path or "")

    def xDelete(self, name: str, _sync_folder: bool) -> None:
        self._disk.tick()
        self._disk.files.pop(name, None)

    def xAccess(self, name: str, _flags: int) -> bool:
        return name in self._disk.files

    def xFullPathname(self, name: str) -> str:
        return name


@contextmanager
def mounted(disk: Disk) -> Iterator[str]:
    """The name of a VFS on that disk, while in the block."""
    name = f"disk-{id(disk)}"
    vfs = _VFS(name, disk)
    try:
        yield name
    finally:
        vfs.unregister()

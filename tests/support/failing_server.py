"""The server process, API alone, on a disk that can fail: at the n-th sync, write (half of it is written) or for want
of room. Other than the disk in memory, this one is still there when the process is killed.

Bookmarks come often, and a store that failed is noticed soon. Processes are forked from one that has imported all there
is, so that a life begins within a fraction of a second.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import apsw
import msgspec

from wherry.apiserver.verbs import watch
from wherry.app import server
from wherry.app.config import Config

BASE = "unix"
"""SQLite's own, by name: "" would mean this one, once it is the default."""


class Failure(msgspec.Struct):
    """How many syncs or writes there are until one fails; 0: none does."""

    sync: int = 0
    write: int = 0
    full: int = 0

    def due(self, what: str) -> bool:
        """Count one of them down. Only one fails: as the kernel does it, the next one says all is well."""
        left = getattr(self, what)
        setattr(self, what, max(0, left - 1))
        return bool(left == 1)


class Disk(apsw.VFS):
    """The machine's files, but for what fails."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure
        super().__init__("failing", base=BASE)

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        return _File(self._failure, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, failure: Failure, name: Any, flags: list[int]) -> None:
        self._failure = failure
        super().__init__(BASE, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._failure.due("write"):
            super().xWrite(data[: len(data) // 2], offset)
            raise apsw.IOError("write failed")
        if self._failure.due("full"):
            raise apsw.FullError("database or disk is full")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if self._failure.due("sync"):
            raise apsw.IOError("sync failed")
        super().xSync(flags)


def process(config: Config, failure: Failure, log: Path) -> ForkServerProcess:
    """A server that is not started yet; what it prints goes to a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", __name__])
    return context.Process(target=_serve, args=(config, failure, log))


def _serve(config: Config, failure: Failure, log: Path) -> None:
    """Until killed, or until the store has failed."""
    sink = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for output in (sys.stdout, sys.stderr):
        os.dup2(sink, output.fileno())
    disk = Disk(failure)
    apsw.set_default_vfs("failing")
    watch.BOOKMARK_SECONDS, server.PROBE = 0.1, 0.2
    server.main(config, frozenset({"api"}), verbose=False)
    del disk

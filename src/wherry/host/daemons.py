"""Daemons: processes that outlive whoever starts them, their pid files, their logs, and how they are stopped.

A process is known by its pid and the moment it started (`/proc/<pid>/stat`, field 22), so a pid that the kernel has
given to somebody else is never signalled. A pid file holds both. Daemons run in their own session with their output
in a private log file; the log is copied away and emptied when it has grown too large, since the daemon keeps it open.

No asyncio: the supervisor, which must be small, uses it. `processes.py` is its counterpart for the event loop.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LOG_LIMIT = 16 << 20
"""Bytes after which a log file is rotated."""
FIRST = 3
"""The first descriptor after input, output and errors."""
LOG_KEEP = 2
"""Rotated log files kept."""


class Process(NamedTuple):
    """One incarnation of a pid. `started` is in clock ticks since boot."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return find(self.pid) == self

    def signal(self, number: int) -> bool:
        """Send a signal to this very process; False when it is gone."""
        descriptor = self.open()
        if descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def open(self) -> int | None:
        """A pidfd of this very process, readable when it ends; None when it is gone. The caller closes it."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return None
        if find(self.pid) != self:
            os.close(descriptor)
            return None
        return descriptor

    def wait(self, seconds: float) -> bool:
        """Block until it ends, at most so long; True when it is gone."""
        descriptor = self.open()
        if descriptor is None:
            return True
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(max(0, int(seconds * 1000))))
        finally:
            os.close(descriptor)


def find(pid: int) -> Process | None:
    """The process that has this pid now; None when there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return Process(pid, int(fields[19]))


def read_pid(path: Path) -> Process | None:
    """The running process that a pid file names; None when there is no such file or process."""
    try:
        words = path.read_text().split()
        process = Process(int(words[0]), int(words[1]))
    except (FileNotFoundError, IndexError, ValueError):
        return None
    return process if process.alive() else None


def write_pid(path: Path, process: Process) -> None:
    """Record the process."""
    partial = path.with_name(f".{path.name}.new")
    partial.write_text(f"{process.pid} {process.started}\n")
    partial.chmod(0o600)
    partial.replace(path)


def words(process: Process) -> tuple[str, ...]:
    """The command line of a process; () when it is gone."""
    return _zeroes(process, "cmdline")


def environment(process: Process, name: str) -> str:
    """What a variable was when the process's program was started; "" when it was not set, or the process is gone."""
    prefix = f"{name}="
    return next((one.removeprefix(prefix) for one in _zeroes(process, "environ") if one.startswith(prefix)), "")


def _zeroes(process: Process, file: str) -> tuple[str, ...]:
    """A file of /proc/<pid> with entries that each end with a zero."""
    try:
        text = Path(f"/proc/{process.pid}/{file}").read_bytes().decode(errors="replace")
    except OSError:
        return ()
    return tuple(text.split("\0")[:-1]) if process.alive() else ()


def start(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, descriptors: Sequence[int] = ()
) -> Process:
    """Start a daemon: own session, no input, output appended to `log` (0600), signals as by default; copies of
    `descriptors` are its descriptors from `FIRST` on.

    The caller is its parent and should reap it while it lives. Raises OSError when the program cannot be run.
    """
    rotate(log)
    # far away from where copies go, so that none is overwritten before it is copied
    high = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 100) for number in descriptors]
    try:
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            dict(os.environ if env is None else env),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *((os.POSIX_SPAWN_DUP2, number, FIRST + n) for n, number in enumerate(high)),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD),
        )
    finally:
        for number in high:
            os.close(number)
    return find(pid) or Process(pid, -1)


def stop(process: Process, grace: float) -> bool:
    """SIGTERM, wait up to `grace` seconds, SIGKILL. Returns whether it ended by itself."""
    if not process.signal(signal.SIGTERM):
        return True
    obeyed = process.wait(grace)
    if not obeyed:
        process.signal(signal.SIGKILL)
        process.wait(10)
    reap(process)
    return obeyed


def reap(process: Process) -> int | None:
    """Collect the process if it is an ended child of this one; its wait status, else None."""
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(process.pid, os.WNOHANG)
        if pid:
            return status
    return None


def reap_all() -> None:
    """Collect every child of this process that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def rotate(log: Path, *, limit: int = LOG_LIMIT, keep: int = LOG_KEEP) -> bool:
    """Copy a log that has grown past `limit` to `.1` (which becomes `.2`, ...) and empty it; returns whether it did."""
    try:
        if log.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    for number in range(keep - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    copy = os.open(log.with_name(f"{log.name}.1"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    source = os.open(log, os.O_RDWR)
    try:
        while os.sendfile(copy, source, None, 1 << 24):
            pass
        os.ftruncate(source, 0)
    finally:
        os.close(copy)
        os.close(source)
    return True

"""Processes that outlive us: started detached, recorded by pid and start time, waited for without being the parent.

A pid file holds `<pid> <start time in clock ticks>`; the second number tells a reused pid from the process meant.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path


def started_at(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat (ticks since boot), or None when there is no such live process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rsplit(") ", 1)[1].split()
    return None if fields[0] in "ZX" else int(fields[19])


def recorded(pid_file: Path) -> int | None:
    """The pid in the file, if that very process still lives."""
    try:
        pid, start = (int(part) for part in pid_file.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    return pid if started_at(pid) == start else None


def spawn(argv: Sequence[str], pid_file: Path, output: Path) -> int:
    """Start a program in its own session with no stdin and its output appended to a file; record and answer its pid.

    `argv[0]` is a path. posix_spawn rather than a subprocess object: those kill or complain when they are collected.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(output), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(argv[0], list(argv), os.environ, file_actions=actions, setsid=True)
    temporary = pid_file.with_suffix(".new")
    temporary.write_text(f"{pid} {started_at(pid) or 0}")
    temporary.rename(pid_file)
    return pid


async def ended(pid: int) -> None:
    """Return when the process is gone (at once if it is already). Works for processes that are not our children."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(fd, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    _reap(pid)


def _reap(pid: int) -> None:
    """Take the exit status, if the process was our child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


class ProgramError(Exception):
    """A program ended with an error; the text is its last words."""


async def run(argv: Sequence[str]) -> bytes:
    """Run a program to its end and answer its stdout. Raises ProgramError with its stderr."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise ProgramError(f"{argv[0]}: {err.decode(errors='replace').strip() or f'exit status {process.returncode}'}")
    return out

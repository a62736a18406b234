"""Named network namespaces: make, remove, enter.

A namespace `NAME` is the mount /run/netns/NAME, as `ip netns` keeps it. Nothing here starts a process in one; `argv`
says how to. `entered` moves the calling thread and only it: sockets it opens and threads it starts belong there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from wherry.host import links

_RUN = Path("/run/netns")
_CLONE_NEWNET = 0x40000000


def path(name: str) -> Path:
    """Where the namespace is mounted."""
    return _RUN / name


def exists(name: str) -> bool:
    """Whether the namespace is there and usable."""
    try:
        return path(name).stat().st_dev != _RUN.stat().st_dev  # a mount, not the file it is mounted on
    except FileNotFoundError:
        return False


def names() -> tuple[str, ...]:
    """All named namespaces."""
    return tuple(sorted(entry.name for entry in _RUN.iterdir())) if _RUN.is_dir() else ()


def create(name: str) -> bool:
    """Make the namespace with lo up; whether it was new. Raises links.LinkError."""
    new = not exists(name)
    if new:
        with contextlib.suppress(FileNotFoundError):
            path(name).unlink()  # left over by a reboot: a file without its mount
        links.ip(["netns", "add", name])
    links.ip(["link", "set", "lo", "up"], name)
    return new


def delete(name: str) -> None:
    """Remove the namespace with its links; it goes for good when its last process and socket do."""
    links.ip(["netns", "delete", name], tolerate=("No such file",))


def argv(name: str, command: Sequence[str]) -> list[str]:
    """`command`, to be run inside the namespace. The mount namespace stays the caller's."""
    return ["nsenter", f"--net={path(name)}", "--", *command]


def _setns(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """Be in the namespace with this one thread. Raises OSError without the right, FileNotFoundError without it."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)

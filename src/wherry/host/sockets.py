"""Sockets that outlive the process that uses them, so that nobody is refused while it is restarted.

A keeper (`sleep infinity`, under a megabyte) holds a copy of each descriptor; the next process takes its own copies out
of the keeper (pidfd_getfd). Datagrams and connections that arrive in between wait in the kernel's queues. A keeper is
known by pid and start time, noted in a file; if it is gone, new sockets are bound.

https://man7.org/linux/man-pages/man2/pidfd_getfd.2.html
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import signal
import socket
from pathlib import Path

import msgspec

from wherry.host import files
from wherry.host.daemons import Process, find

log = logging.getLogger(__name__)

_PIDFD_GETFD = 438  # the same on every architecture
_FIRST = 3
_BACKLOG = 128


class _Note(msgspec.Struct, frozen=True):
    pid: int
    started: int
    address: str
    port: int


def kept(note: Path, address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket on `address`:`port`, taken over or new. Raises OSError."""
    found = _take(note, address, port)
    if found is not None:
        return found
    release(note)
    udp, tcp = bound(address, port)
    try:
        _keep(note, (udp, tcp), address, port)
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return udp, tcp


def bound(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket on `address`:`port`, non-blocking. Raises OSError."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for made in (udp, tcp):
            made.settimeout(0)
            made.bind((address, port))
        tcp.listen(_BACKLOG)
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return udp, tcp


def release(note: Path) -> None:
    """End the keeper, and with it the sockets that nobody else uses."""
    known = _read(note)
    if known is not None:
        Process(known.pid, known.started).signal(signal.SIGKILL)
        Process(known.pid, known.started).wait(2)
    note.unlink(missing_ok=True)


def _read(note: Path) -> _Note | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=_Note)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _keep(note: Path, sockets: tuple[socket.socket, ...], address: str, port: int) -> None:
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(_FIRST)
    ]
    # far away from where copies go, so that none is overwritten before it is copied
    high = [fcntl.fcntl(made.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for made in sockets]
    try:
        actions += [(os.POSIX_SPAWN_DUP2, number, _FIRST + n) for n, number in enumerate(high)]
        pid = os.posix_spawnp(
            "sleep", ["sleep", "infinity"], {"PATH": os.environ.get("PATH", os.defpath)},
            file_actions=actions, setsid=True,
        )  # fmt: skip
    finally:
        for number in high:
            os.close(number)
    process = find(pid)
    if process is None:
        log.warning("no keeper for sockets: restarts will not be seamless")
        return
    note.parent.mkdir(parents=True, exist_ok=True)
    files.write_if_changed(note, msgspec.json.encode(_Note(pid, process.started, address, port)))


def _take(note: Path, address: str, port: int) -> tuple[socket.socket, socket.socket] | None:
    known = _read(note)
    if known is None or (known.address, known.port) != (address, port):
        return None
    pidfd = Process(known.pid, known.started).open()
    if pidfd is None:
        return None
    taken: list[socket.socket] = []
    try:
        taken += (socket.socket(fileno=_getfd(pidfd, number)) for number in (_FIRST, _FIRST + 1))
        if any(made.getsockname() != (address, port) for made in taken):
            raise OSError("not the sockets noted")
    except OSError as error:
        log.info("kept sockets cannot be taken over: %s", error)
        for made in taken:
            made.close()
        return None
    finally:
        os.close(pidfd)
    for made in taken:
        made.settimeout(0)
    return taken[0], taken[1]


def _getfd(pidfd: int, number: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    taken: int = libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
    if taken < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return taken

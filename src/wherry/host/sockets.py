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
from collections.abc import Sequence
from pathlib import Path

import msgspec

from wherry.host import files
from wherry.host.daemons import FIRST, Process, find

log = logging.getLogger(__name__)

_PIDFD_GETFD = 438  # the same on every architecture
_BACKLOG = 128
_QUEUE = 4096


class _Note(msgspec.Struct, frozen=True):
    """Where the sockets are bound: `port`, by UDP and TCP, or `ports`, by TCP."""

    pid: int
    started: int
    address: str
    port: int
    ports: tuple[int, ...] = ()

    def addresses(self) -> list[tuple[str, int]]:
        """That of each socket."""
        return [(self.address, port) for port in self.ports or (self.port, self.port)]


def kept(note: Path, address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket on `address`:`port`, taken over or new. Raises OSError."""
    wanted = _Note(0, 0, address, port)
    found = _take(note, wanted)
    if not found:
        release(note)
        found = _keep(note, wanted, bound(address, port))
    return found[0], found[1]


def again(note: Path, address: str, port: int) -> tuple[socket.socket, socket.socket] | None:
    """Copies of what `kept` gave before; None when nothing is kept there."""
    found = _take(note, _Note(0, 0, address, port))
    return (found[0], found[1]) if found else None


def listeners(note: Path, address: str, ports: Sequence[int]) -> Sequence[socket.socket]:
    """Listening TCP sockets on these ports of `address`, taken over or new. Raises OSError."""
    wanted = _Note(0, 0, address, 0, tuple(ports))
    found = _take(note, wanted)
    if not found:
        release(note)
        found = _keep(note, wanted, _listening(address, ports))
    return found


def _listening(address: str, ports: Sequence[int]) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        made += (socket.create_server((address, port), backlog=_QUEUE) for port in ports)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


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


def _keep(note: Path, wanted: _Note, sockets: Sequence[socket.socket]) -> Sequence[socket.socket]:
    """Have them kept."""
    try:
        process = _start([made.fileno() for made in sockets])
        if process is None:
            log.warning("no keeper for sockets: restarts will not be seamless")
        else:
            note.parent.mkdir(parents=True, exist_ok=True)
            known = msgspec.structs.replace(wanted, pid=process.pid, started=process.started)
            files.write_if_changed(note, msgspec.json.encode(known))
    except BaseException:
        for made in sockets:
            made.close()
        raise
    return sockets


def _start(numbers: Sequence[int]) -> Process | None:
    """A keeper of these descriptors."""
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(FIRST)
    ]
    # far away from where copies go, so that none is overwritten before it is copied
    high = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 100) for number in numbers]
    try:
        actions += [(os.POSIX_SPAWN_DUP2, number, FIRST + n) for n, number in enumerate(high)]
        pid = os.posix_spawnp(
            "sleep", ["sleep", "infinity"], {"PATH": os.environ.get("PATH", os.defpath)},
            file_actions=actions, setsid=True,
        )  # fmt: skip
    finally:
        for number in high:
            os.close(number)
    return find(pid)


def _take(note: Path, wanted: _Note) -> Sequence[socket.socket]:
    """The sockets that are kept, none when they are not those."""
    known, addresses = _read(note), wanted.addresses()
    if known is None or known.addresses() != addresses:
        return ()
    pidfd = Process(known.pid, known.started).open()
    if pidfd is None:
        return ()
    taken: list[socket.socket] = []
    try:
        taken += (socket.socket(fileno=_getfd(pidfd, FIRST + n)) for n in range(len(addresses)))
        if [made.getsockname() for made in taken] != addresses:
            raise OSError("not the sockets noted")
    except OSError as error:
        log.info("kept sockets cannot be taken over: %s", error)
        for made in taken:
            made.close()
        return ()
    finally:
        os.close(pidfd)
    for made in taken:
        made.settimeout(0)
    return taken


def _getfd(pidfd: int, number: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    taken: int = libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
    if taken < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return taken

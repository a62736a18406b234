"""Where a process listens: its own sockets, in whatever network namespace it is. Read from /proc, changes nothing."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"


def listening(pid: int) -> tuple[tuple[str, int], ...]:
    """(address, port) of every TCP socket of the process that takes connections. Raises OSError without the right."""
    inodes = set(_sockets(PROC / str(pid) / "fd"))
    found = {
        at for table in ("tcp", "tcp6") for at, inode in _table(PROC / str(pid) / "net" / table) if inode in inodes
    }
    return tuple(sorted(found))


def _sockets(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")


def _table(path: Path) -> Iterator[tuple[tuple[str, int], str]]:
    try:
        lines = path.read_text().splitlines()[1:]
    except FileNotFoundError:
        return
    for fields in map(str.split, lines):
        if fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            yield (_address(address), int(port, 16)), fields[9]


def _address(text: str) -> str:
    """The kernel prints words of four bytes, each as the machine keeps it."""
    words = (bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8))
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return str(ipaddress.ip_address(raw))

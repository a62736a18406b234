"""Container logs: read the runtime's log files as `kubectl logs` asks for them.

The runtime writes `<time> <stdout|stderr> <F|P> <text>` lines (CRI's log format; P marks a piece of a line that goes
on); the agent rotates the files. `read_log` yields what a client asked for, following across rotations when it must.
Files are opened without following symbolic links, so that a replaced log file shows nothing else of the machine.
https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wherry.machinery.time import seconds

POLL_SECONDS = 0.1
BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What the client wants. `tail` lines and `limit` bytes None mean all; `since` epoch seconds, 0 means ever."""

    follow: bool = False
    timestamps: bool = False
    tail: int | None = None
    limit: int | None = None
    since: float = 0.0
    stream: str = "All"
    """All, Stdout or Stderr"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log file: `time` as written, `text` with its line end unless it goes on (`partial`)."""

    time: bytes
    stream: bytes
    text: bytes


def parse_line(raw: bytes) -> Line | None:
    """One whole line of a log file, or None when it is not in CRI's format."""
    parts = raw.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    text = parts[3] if len(parts) == 4 else b""
    return Line(parts[0], parts[1], text if parts[2].startswith(b"P") else text + b"\n")


def rotated(path: Path) -> list[Path]:
    """The files of one log, oldest first: `0.log.<time>` (rotated, plain) before `0.log`."""
    older = sorted(p for p in path.parent.glob(f"{path.name}.*") if p.suffix not in (".gz", ".tmp"))
    return [*older, path]


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def tail_offset(file: BinaryIO, lines: int) -> tuple[int, int]:
    """(offset where the last `lines` whole log lines begin, how many there are). Pieces of a line count as one."""
    file.seek(0, os.SEEK_END)
    position = file.tell()
    ends = 0
    carry = b""
    start = position
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size) + carry
        pieces = block.split(b"\n")
        carry = pieces[0]
        offset = position + len(block)
        for piece in reversed(pieces[1:]):
            offset -= len(piece)
            if piece:
                ends += not _is_partial(piece)
                if ends > lines:
                    return start, lines
                start = offset
            offset -= 1
    if carry:
        ends += not _is_partial(carry)
        if ends > lines:
            return start, lines
        start = 0
    return start, ends


def _is_partial(raw: bytes) -> bool:
    parts = raw.split(b" ", 3)
    return len(parts) >= 3 and parts[2].startswith(b"P")


class _Filter:
    """Turns raw lines into what the client sees, within its limits."""

    def __init__(self, options: LogOptions) -> None:
        self.options = options
        self.left = options.limit
        self.mid_line = False

    @property
    def done(self) -> bool:
        return self.left is not None and self.left <= 0

    def show(self, raw: bytes) -> bytes:
        line = parse_line(raw)
        if line is None or not self._wanted(line):
            return b""
        out = line.text
        if self.options.timestamps and not self.mid_line:
            out = line.time + b" " + out
        self.mid_line = not line.text.endswith(b"\n")
        if self.left is not None:
            out = out[: self.left]
            self.left -= len(out)
        return out

    def _wanted(self, line: Line) -> bool:
        want = self.options.stream
        if want != "All" and line.stream.decode() != want.lower():
            return False
        if not self.options.since:
            return True
        try:
            return seconds(line.time.decode("ascii", "replace")) >= self.options.since
        except ValueError:
            return False


async def read_log(path: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the log at `path` in pieces. With `follow`, go on until `ended()` says the container writes no more.

    Raises FileNotFoundError when there is no log.
    """
    shown = _Filter(options)
    files = rotated(path)
    start = 0
    if options.tail is not None:
        files, start = await asyncio.to_thread(_tail_of, files, options.tail)
    for older in files[:-1]:
        for piece in _pieces(older, start, shown):
            yield piece
            await asyncio.sleep(0)
        start = 0
    async for piece in _current(path, start, shown, ended):
        yield piece


def _tail_of(files: list[Path], lines: int) -> tuple[list[Path], int]:
    kept: list[Path] = []
    for path in reversed(files):
        kept.insert(0, path)
        with _open(path) as file:
            start, found = tail_offset(file, lines)
        if found >= lines or path == files[0]:
            return kept, start
        lines -= found
    return kept, 0


def _pieces(path: Path, start: int, shown: _Filter) -> Iterator[bytes]:
    with _open(path) as file:
        file.seek(start)
        batch: list[bytes] = []
        size = 0
        for raw in file:
            out = shown.show(raw)
            batch.append(out)
            size += len(out)
            if size > BLOCK or shown.done:
                yield b"".join(batch)
                batch, size = [], 0
            if shown.done:
                return
        if size:
            yield b"".join(batch)


async def _current(path: Path, start: int, shown: _Filter, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    file = _open(path)
    file.seek(start)
    rest = b""
    try:
        while not shown.done:
            last = ended()
            block = file.read(BLOCK)
            if block:
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                out = b"".join(shown.show(line + b"\n") for line in lines)
                if out:
                    yield out
                await asyncio.sleep(0)
                continue
            if not shown.options.follow or last:
                return
            if (newer := _replaced(path, file)) is not None:
                file.close()
                file, rest = newer, b""
                continue
            await asyncio.sleep(POLL_SECONDS)
    finally:
        file.close()


def _replaced(path: Path, file: BinaryIO) -> BinaryIO | None:
    try:
        if os.stat(path, follow_symlinks=False).st_ino == os.fstat(file.fileno()).st_ino:
            return None
        return _open(path)
    except FileNotFoundError:
        return None

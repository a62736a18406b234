"""Reading container logs: tail, since, limits, pieces of lines, rotation, following."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from wherry.machinery.time import seconds
from wherry.node.streaming.logs import LogOptions, read_log


def entry(n: int, text: str, stream: str = "stdout", flag: str = "F") -> str:
    return f"2024-01-01T00:00:{n:02d}.123456789Z {stream} {flag} {text}\n"


async def shown(path: Path, **options: object) -> str:
    wanted = LogOptions(**options)  # type: ignore[arg-type]  # keywords of the test, checked by what comes out
    return b"".join([piece async for piece in read_log(path, wanted, lambda: True)]).decode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_text("".join(entry(n, f"line {n}", "stderr" if n % 2 else "stdout") for n in range(10)))
    return path


async def test_everything_without_frames(log: Path) -> None:
    assert await shown(log) == "".join(f"line {n}\n" for n in range(10))


@pytest.mark.parametrize(("tail", "first"), [(0, 10), (1, 9), (3, 7), (10, 0), (50, 0)])
async def test_tail(log: Path, tail: int, first: int) -> None:
    assert await shown(log, tail=tail) == "".join(f"line {n}\n" for n in range(first, 10))


async def test_tail_reaches_into_rotated_files(log: Path) -> None:
    os.rename(log, log.with_name("0.log.20240101-000000"))
    log.write_text(entry(10, "line 10"))
    assert await shown(log, tail=3) == "line 8\nline 9\nline 10\n"


async def test_since_and_timestamps(log: Path) -> None:
    out = await shown(log, since=seconds("2024-01-01T00:00:09Z"), timestamps=True)
    assert out == "2024-01-01T00:00:09.123456789Z line 9\n"


async def test_limit_and_stream(log: Path) -> None:
    assert await shown(log, limit=9) == "line 0\nli"
    assert await shown(log, stream="Stderr", tail=4) == "line 7\nline 9\n"


async def test_pieces_become_one_line(log: Path) -> None:
    log.write_text(entry(0, "a", flag="P") + entry(0, "b", flag="P") + entry(0, "c") + entry(1, "d"))
    assert await shown(log) == "abc\nd\n"
    assert await shown(log, tail=2) == "abc\nd\n"
    assert await shown(log, timestamps=True, tail=2) == (
        "2024-01-01T00:00:00.123456789Z abc\n2024-01-01T00:00:01.123456789Z d\n"
    )


async def test_a_symbolic_link_is_refused(log: Path) -> None:
    link = log.with_name("1.log")
    link.symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic links"):
        await shown(link)


async def test_follows_across_a_rotation(log: Path) -> None:
    done = False
    got: list[bytes] = []

    async def follow() -> None:
        async for piece in read_log(log, LogOptions(follow=True, tail=1), lambda: done):
            got.append(piece)  # noqa: PERF401 - seen while it grows

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await asyncio.sleep(1)
        os.rename(log, log.with_name("0.log.20240101-000000"))
        log.write_text(entry(20, "new"))
        await asyncio.sleep(1)
        with log.open("a") as file:
            file.write(entry(21, "newer"))
        await asyncio.sleep(1)
        done = True
    assert b"".join(got) == b"line 9\nnew\nnewer\n"

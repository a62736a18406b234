"""Programs that are run to their end."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from wherry.host import processes


def occupy() -> None:
    """Other work of the loop's thread."""
    time.sleep(0.03)


async def beside_much_work(argv: list[str], times: int) -> list[bytes]:
    """What a program says that has ended before the loop comes to look at it."""

    async def work() -> None:
        while True:
            occupy()
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        busy = group.create_task(work())
        said = [await processes.run(argv) for _ in range(times)]
        busy.cancel()
    return said


def test_a_program_may_end_before_anybody_looks() -> None:
    """(Seeded fault: give it a pipe to read from: it is closed by then, and an agent that starts on a busy machine ends
    again and again.)"""
    assert uvloop.run(beside_much_work(["echo", "it"], 5)) == [b"it\n"] * 5


def test_a_program_that_fails_is_told_of_in_its_own_words() -> None:
    with pytest.raises(processes.ProgramError, match="no-such-file"):
        uvloop.run(processes.run(["ls", "no-such-file"]))

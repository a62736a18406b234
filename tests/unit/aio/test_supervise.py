"""Jobs that are kept running, and stop when they are told to."""

from __future__ import annotations

import asyncio

import pytest

from wherry.aio.clock import LoopClock
from wherry.aio.supervise import keep_running


async def test_a_cancellation_during_a_failure_is_not_lost() -> None:
    """A TaskGroup that waits for its children after a failure swallows the cancellation that comes then."""
    starts = 0

    async def start() -> None:
        nonlocal starts
        starts += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(_slow_to_go())
            await asyncio.sleep(1)
            raise ValueError("broken")

    async def _slow_to_go() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)

    task = asyncio.get_running_loop().create_task(keep_running("job", start, LoopClock()))
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    assert starts == 1

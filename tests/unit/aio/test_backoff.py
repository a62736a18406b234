"""Back-off doubles to its cap and forgets; a supervised task is started again until it ends well."""

from collections.abc import Iterator

import pytest

from wherry.aio.backoff import Backoff
from wherry.aio.clock import LoopClock
from wherry.aio.supervise import keep_running


async def test_doubles_to_the_cap_and_forgets() -> None:
    import asyncio

    backoff = Backoff(LoopClock(), first=1, cap=5, forget=10)
    assert [backoff.failed() for _ in range(4)] == [1, 2, 4, 5]
    await asyncio.sleep(16)
    assert backoff.failed() == 1
    backoff.failed()
    backoff.reset()
    assert backoff.failed() == 1


async def test_a_failing_task_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    failures: Iterator[Exception] = iter([OSError("one"), ValueError("two")])

    async def task() -> None:
        for failure in failures:
            raise failure

    await keep_running("part", task, LoopClock())
    assert [record.getMessage().split(";")[0] for record in caplog.records] == ["part failed"] * 2


async def test_a_fatal_error_is_the_callers(caplog: pytest.LogCaptureFixture) -> None:
    async def task() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await keep_running("part", task, LoopClock(), fatal=(KeyError,))
    assert not caplog.records

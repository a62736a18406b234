"""What every Log must do: see wherry.store.log. Runs on memory and on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from wherry.store.log import Change, Changed, Compacted, Log, Unavailable
from wherry.store.memory import MemoryLog
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)

Reopen = Callable[[Log], Awaitable[Log]]


@pytest.fixture(params=["memory", "sqlite"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    """A fresh, empty log."""
    made: Log = MemoryLog() if request.param == "memory" else await SqliteLog.open(tmp_path / "state.db")
    yield made
    await made.close()


async def test_revisions_count_from_one_over_all_keys(log: Log) -> None:
    assert log.revision == 0
    assert await log.list("") == (0, [])
    assert [await log.append(key, b"v", 0) for key in ("/a", "/b", "/c")] == [1, 2, 3]
    assert await log.append("/b", b"w", 2) == 4
    assert log.revision == 4


async def test_list_is_sorted_and_holds_exactly_the_prefix(log: Log) -> None:
    for key in ("/p/b", "/p/a", "/p", "/pp/a", "/q", "/p/a/x", "/p/é"):
        await log.append(key, key.encode(), 0)
    await log.append("/p/a", b"again", 2)
    revision, records = await log.list("/p/")
    assert revision == 8
    assert [tuple(record) for record in records] == [
        ("/p/a", b"again", 8, 2), ("/p/a/x", b"/p/a/x", 6, 6), ("/p/b", b"/p/b", 1, 1), ("/p/é", "/p/é".encode(), 7, 7),
    ]  # fmt: skip


@pytest.mark.parametrize("expected", [1, 3, 99, 0])
async def test_a_wrong_expectation_writes_nothing(log: Log, expected: int) -> None:
    await log.append("/a", b"1", 0)
    await log.append("/a", b"2", 1)
    for value in (b"3", None):
        with pytest.raises(Changed) as refused:
            await log.append("/a", value, expected)
        assert refused.value.current == 2
    assert log.revision == 2
    assert (await log.list("/a"))[1][0].value == b"2"


async def test_any_expectation_overwrites(log: Log) -> None:
    assert await log.append("/a", b"1", None) == 1
    assert await log.append("/a", b"2", None) == 2
    assert await log.append("/a", None, None) == 3


async def test_a_deleted_key_is_gone_and_can_be_made_anew(log: Log) -> None:
    await log.append("/a", b"1", 0)
    assert await log.append("/a", None, 1) == 2
    assert (await log.list("/"))[1] == []
    for expected in (None, 0, 1, 2):
        with pytest.raises(Changed) as refused:
            await log.append("/a", None, expected)
        assert refused.value.current == 0
    with pytest.raises(Changed):
        await log.append("/a", b"2", 2)
    assert await log.append("/a", b"2", 0) == 3
    assert (await log.list("/"))[1][0].created == 3


async def test_empty_values_are_values(log: Log) -> None:
    await log.append("/a", b"", 0)
    assert (await log.list("/"))[1][0].value == b""
    assert (await log.after(0))[0].value == b""


async def test_history_tells_what_was_replaced(log: Log) -> None:
    await log.append("/a", b"1", 0)
    await log.append("/b", b"x", 0)
    await log.append("/a", b"2", 1)
    await log.append("/a", None, 3)
    await log.append("/a", b"3", 0)
    assert list(await log.after(0)) == [
        Change(1, "/a", b"1", 0, 1, None),
        Change(2, "/b", b"x", 0, 2, None),
        Change(3, "/a", b"2", 1, 1, b"1"),
        Change(4, "/a", None, 3, 1, b"2"),
        Change(5, "/a", b"3", 0, 5, None),
    ]
    assert [change.revision for change in await log.after(3)] == [4, 5]
    assert list(await log.after(5)) == []


async def test_compaction_forgets_history_and_nothing_else(log: Log) -> None:
    await log.append("/old", b"never touched again", 0)
    for number in range(1, 6):
        await log.append("/a", b"%d" % number, None)
    await log.append("/gone", b"x", 0)
    await log.append("/gone", None, 7)
    await log.compact(4)
    assert log.compacted == 4
    with pytest.raises(Compacted) as refused:
        await log.after(3)
    assert refused.value.oldest == 4
    assert [(change.revision, change.previous) for change in await log.after(4)] == [
        (5, b"3"), (6, b"4"), (7, None), (8, b"x"),
    ]  # fmt: skip
    await log.compact(2)
    assert log.compacted == 4, "compaction never goes back"
    await log.compact(100)
    assert log.compacted == 8
    revision, records = await log.list("/")
    assert revision == 8
    assert [tuple(record) for record in records] == [
        ("/a", b"5", 6, 2), ("/old", b"never touched again", 1, 1),
    ]  # fmt: skip
    assert list(await log.after(8)) == []
    assert await log.append("/gone", b"y", 0) == 9


async def test_sixty_four_writers_get_one_order(log: Log) -> None:
    seen: list[Change] = []
    log.subscribe(seen.extend)
    answered: dict[int, tuple[str, bytes | None]] = {}

    async def write(writer: int) -> None:
        for number in range(25):
            key, value = f"/{(writer + number) % 40}", b"%d-%d" % (writer, number)
            revision = await log.append(key, value, None)
            answered[revision] = (key, value)
            assert log.revision >= revision
            assert seen[-1].revision >= revision, "woken before subscribers were told"

    async with asyncio.TaskGroup() as tasks:
        for writer in range(64):
            tasks.create_task(write(writer))
    assert sorted(answered) == list(range(1, 64 * 25 + 1))
    assert [change.revision for change in seen] == sorted(answered)
    assert {change.revision: (change.key, change.value) for change in seen} == answered
    last: dict[str, int] = {}
    for change in seen:
        assert change.previous_revision == last.get(change.key, 0)
        last[change.key] = change.revision
    assert [c._replace(previous=None) for c in await log.after(0)] == seen


@pytest.mark.parametrize("together", [*range(1, 20), 127, 129])
async def test_as_many_writes_are_made_as_were_asked_for(log: Log, together: int) -> None:
    for turn in range(3):
        asked = (log.append(f"/{number}", b"%d" % turn, None) for number in range(together))
        assert await asyncio.gather(*asked) == list(range(turn * together + 1, (turn + 1) * together + 1))
    assert [(change.revision, change.key) for change in await log.after(0)] == [
        (1 + turn * together + number, f"/{number}") for turn in range(3) for number in range(together)
    ]


async def test_of_racing_compare_and_swaps_one_wins(log: Log) -> None:
    revision = await log.append("/a", b"0", 0)
    for _ in range(10):
        results = await asyncio.gather(*(log.append("/a", b"x", revision) for _ in range(20)), return_exceptions=True)
        won = [result for result in results if isinstance(result, int)]
        lost = [result for result in results if isinstance(result, Changed)]
        assert len(won) == 1
        assert len(lost) == 19
        assert {error.current for error in lost} == {won[0]}
        revision = won[0]


async def test_subscribers_see_every_later_change_once_until_they_leave(log: Log) -> None:
    first: list[int] = []
    second: list[int] = []

    def deliver(changes: Sequence[Change]) -> None:
        first.extend(change.revision for change in changes)

    await log.append("/a", b"1", None)
    end = log.subscribe(deliver)
    log.subscribe(lambda changes: second.extend(change.revision for change in changes))
    await log.append("/a", b"2", None)
    end()
    end()
    await log.append("/a", b"3", None)
    assert first == [2]
    assert second == [2, 3]


async def test_a_broken_subscriber_harms_nobody(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Sequence[Change]) -> None:
        raise RuntimeError("broken")

    seen: list[Change] = []
    log.subscribe(broken)
    log.subscribe(seen.extend)
    assert await log.append("/a", b"1", 0) == 1
    assert len(seen) == 1
    assert "subscriber failed" in caplog.text


async def test_a_cancelled_caller_changes_nothing_for_others(log: Log) -> None:
    async with asyncio.TaskGroup() as tasks:
        cancelled = tasks.create_task(log.append("/a", b"1", 0))
        other = tasks.create_task(log.append("/b", b"1", 0))
        await asyncio.sleep(0)
        cancelled.cancel()
    assert other.result() in (1, 2)
    assert await log.append("/c", b"1", 0) == other.result() + 1


async def test_after_close_everything_is_unavailable(log: Log) -> None:
    await log.append("/a", b"1", 0)
    await log.close()
    await log.close()
    for call in (log.append("/a", b"2", None), log.list(""), log.after(0), log.compact(1)):
        with pytest.raises(Unavailable):
            await call

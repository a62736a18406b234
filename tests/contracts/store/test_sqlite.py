"""What SqliteLog promises beyond Log: it survives restarts, keeps others out, stays small, hides secrets."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import apsw
import pytest

from wherry.store.log import UNREADABLE, Change, Compacted, InUse, Unavailable
from wherry.store.sqlite import SqliteLog
from wherry.store.takeover import TakeOver

pytestmark = pytest.mark.looptime(False)


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    await log.append("/a", b"1", 0)
    await log.append("/a", b"2", 1)
    await log.append("/b", b"x", 0)
    await log.append("/b", None, 3)
    before = await log.list(""), await log.after(0)
    await log.close()
    log = await SqliteLog.open(tmp_path / "s.db")
    assert log.revision == 4
    assert (await log.list(""), await log.after(0)) == before
    assert await log.append("/a", b"3", 2) == 5
    await log.close()


async def test_the_revision_never_goes_back_even_with_nothing_left(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    await log.append("/a", b"1", 0)
    await log.append("/a", None, 1)
    await log.compact(2)
    await log.close()
    log = await SqliteLog.open(tmp_path / "s.db")
    assert log.revision == log.compacted == 2
    with pytest.raises(Compacted):
        await log.after(1)
    assert await log.append("/a", b"1", 0) == 3
    await log.close()


async def test_live_keys_older_than_compaction_survive_restarts(tmp_path: Path) -> None:
    for round_ in range(3):
        log = await SqliteLog.open(tmp_path / "s.db")
        await log.append(f"/{round_}", b"x", 0)
        await log.compact(log.revision)
        await log.close()
    log = await SqliteLog.open(tmp_path / "s.db")
    assert [record.revision for record in (await log.list(""))[1]] == [1, 2, 3]
    await log.close()


async def test_an_interrupted_sweep_is_finished_later(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    for number in range(50):
        await log.append("/a", b"%d" % number, None)
    await log.close()
    with apsw.Connection(str(tmp_path / "s.db")) as db:
        db.execute("UPDATE meta SET value = 40 WHERE name = 'compacted'")
    db.close()
    log = await SqliteLog.open(tmp_path / "s.db")
    assert log.compacted == 40
    assert len(await log.after(40)) == 10
    await log.compact(40)
    assert len(await log.after(40)) == 10
    await log.close()
    with apsw.Connection(str(tmp_path / "s.db")) as db:
        assert db.execute("SELECT count(*) FROM log").get == 11  # 10 kept changes and what the first replaced
    db.close()


async def test_a_second_opening_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    with pytest.raises(InUse, match=rf"s\.db is in use by another process \(pid {os.getpid()}\)"):
        await SqliteLog.open(tmp_path / "s.db")
    assert await log.append("/a", b"1", 0) == 1
    await log.close()
    await (await SqliteLog.open(tmp_path / "s.db")).close()


async def test_a_copy_has_what_the_write_ahead_log_has(tmp_path: Path) -> None:
    """As after kill -9, when the file alone is behind."""
    log = await SqliteLog.open(tmp_path / "s.db")
    for number in range(5):
        await log.append(f"/{number}", b"x", 0)
    for name in ("s.db", "s.db-wal"):
        (tmp_path / f"left-{name}").write_bytes((tmp_path / name).read_bytes())
    await log.close()
    log = await SqliteLog.open(tmp_path / "left-s.db", takeover=TakeOver(tmp_path / "copy.db"))
    await log.append("/later", b"x", 0)
    await log.close()
    log = await SqliteLog.open(tmp_path / "copy.db")
    assert [record.key for record in (await log.list(""))[1]] == ["/0", "/1", "/2", "/3", "/4"]
    await log.close()


async def test_a_write_ahead_log_that_was_left_is_written_anew(tmp_path: Path) -> None:
    """It may be in memory only, where a sync has failed: a new file is written to the disk for sure."""
    log = await SqliteLog.open(tmp_path / "s.db")
    await log.append("/a", b"x", 0)
    for name in ("s.db", "s.db-wal"):
        (tmp_path / f"left-{name}").write_bytes((tmp_path / name).read_bytes())
    await log.close()
    left = tmp_path / "left-s.db-wal"
    with left.open("rb") as old:
        log = await SqliteLog.open(tmp_path / "left-s.db")
        assert left.stat().st_ino != os.fstat(old.fileno()).st_ino
        assert [record.key for record in (await log.list(""))[1]] == ["/a"]
        await log.close()


async def test_files_are_private(tmp_path: Path) -> None:
    (tmp_path / "s.db").touch(mode=0o644)
    log = await SqliteLog.open(tmp_path / "s.db")
    await log.append("/a", b"1", 0)
    modes = {name: stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in os.listdir(tmp_path)}
    await log.close()
    assert modes == {"s.db": 0o600, "s.db-wal": 0o600, "s.db.lock": 0o600}


async def test_what_is_not_a_store_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"no database at all" * 500)
    with pytest.raises(Unavailable, match=r"cannot open .*s\.db.*not a database"):
        await SqliteLog.open(tmp_path / "s.db")
    with pytest.raises(Unavailable, match="cannot open"):
        await SqliteLog.open(tmp_path / "missing" / "s.db")
    with apsw.Connection(str(tmp_path / "new.db")) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(Unavailable, match="newer version"):
        await SqliteLog.open(tmp_path / "new.db")


async def test_secrets_are_sealed_on_disk_and_plain_to_everybody(tmp_path: Path) -> None:
    def seal(key: str, value: bytes) -> bytes:
        return value[::-1] if key.startswith("/secrets/") else value

    log = await SqliteLog.open(tmp_path / "s.db", seal=seal, unseal=seal)
    seen: list[Change] = []
    log.subscribe(seen.extend)
    await log.append("/secrets/a", b"password-one", 0)
    await log.append("/secrets/a", b"password-two", 1)
    await log.append("/plain", b"visible-value", 0)
    assert [change.value for change in seen] == [b"password-one", b"password-two", b"visible-value"]
    assert [record.value for record in (await log.list(""))[1]] == [b"visible-value", b"password-two"]
    assert [change.previous for change in await log.after(0)] == [None, b"password-one", None]
    await log.close()
    stored = (tmp_path / "s.db").read_bytes()
    assert b"visible-value" in stored
    assert b"password" not in stored


async def test_the_file_stops_growing_under_steady_updates(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    sizes = []
    for _ in range(6):
        await asyncio.gather(*(log.append(f"/{n % 50}", os.urandom(2_000), None) for n in range(1_000)))
        await log.compact(log.revision)
        sizes.append(sum(os.stat(tmp_path / name).st_size for name in os.listdir(tmp_path)))
    assert sizes[-1] < max(sizes[:3]) * 1.2, sizes
    await log.close()
    assert (tmp_path / "s.db").stat().st_size < 1_000_000, "50 live values of 2 kB, and space is given back"


async def test_writers_go_on_while_history_is_forgotten(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    await asyncio.gather(*(log.append(f"/{n % 10}", b"x" * 500, None) for n in range(9_000)))
    async with asyncio.TaskGroup() as tasks:
        compaction = tasks.create_task(log.compact(9_000))
        await asyncio.sleep(0)
        await log.append("/a", b"1", 0)
        assert not compaction.done(), "a write need not wait for the whole of it"
    await log.close()


async def test_a_copy_holds_all_that_was_acknowledged_and_nothing_later(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    for number in range(300):
        await log.append(f"/{number}", bytes(5000), 0)
    await log.close()
    wal = tmp_path / "s.db-wal"
    with apsw.Connection(
        str(tmp_path / "s.db")
    ) as db:  # as a killed server leaves it: the newest write in the WAL only
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.execute("INSERT INTO log VALUES (301, '/last', x'31', 0, 301)")
    db.close()
    assert wal.stat().st_size
    copy = tmp_path / "copy.db"
    (tmp_path / ".copy.db.partial").write_bytes(b"of an attempt that was killed")
    log = await SqliteLog.open(tmp_path / "s.db", takeover=TakeOver(copy))
    before = await log.list("")
    await log.append("/later", b"1", 0)
    await log.close()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".copy*"))
    again = await SqliteLog.open(copy)
    assert await again.list("") == before
    assert again.revision == 301
    await again.close()


def louder(_key: str, value: bytes) -> bytes | None:
    return value.upper() if value.islower() else None


async def test_what_another_version_left_is_amended_where_it_lies(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    await log.append("/a", b"x", 0)
    await log.append("/a", b"y", 1)
    await log.append("/b", b"1", 0)
    await log.append("/c", b"z", 0)
    await log.append("/c", None, 4)
    await log.close()
    log = await SqliteLog.open(tmp_path / "s.db", takeover=TakeOver(tmp_path / "copy.db", 7, louder))
    assert (log.revision, log.compacted) == (5, 0)
    assert await log.list("") == (5, [("/a", b"Y", 2, 1), ("/b", b"1", 3, 3)])
    assert await log.after(1) == [
        Change(2, "/a", b"Y", 1, 1, b"x"),
        Change(3, "/b", b"1", 0, 3, None),
        Change(4, "/c", b"z", 0, 4, None),
        Change(5, "/c", None, 4, 4, b"z"),
    ]
    assert await log.append("/a", b"w", 2) == 6  # what a client read before may still be written on
    await log.close()
    copy = await SqliteLog.open(tmp_path / "copy.db")
    assert await copy.list("/a") == (5, [("/a", b"y", 2, 1)])
    await copy.close()


async def test_amending_is_done_once_for_each_mark(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db", takeover=TakeOver(mark=7, amend=louder))
    await log.append("/a", b"x", 0)
    await log.close()
    for mark, value in ((7, b"x"), (0, b"x"), (8, b"X")):
        log = await SqliteLog.open(tmp_path / "s.db", takeover=TakeOver(mark=mark, amend=louder))
        assert await log.list("") == (1, [("/a", value, 1, 1)])
        await log.close()


async def test_all_values_are_amended_or_none(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    for name in "abc":
        await log.append(f"/{name}", b"x", 0)
    before = await log.list("")
    await log.close()

    def ends(key: str, value: bytes) -> bytes | None:
        if key == "/c":
            raise ZeroDivisionError
        return value.upper()

    with pytest.raises(ZeroDivisionError):
        await SqliteLog.open(tmp_path / "s.db", takeover=TakeOver(mark=7, amend=ends))
    log = await SqliteLog.open(tmp_path / "s.db")
    assert await log.list("") == before
    await log.close()
    log = await SqliteLog.open(tmp_path / "s.db", takeover=TakeOver(mark=7, amend=louder))
    assert {record.value for record in (await log.list(""))[1]} == {b"X"}
    await log.close()


async def test_amended_values_are_sealed_and_what_cannot_be_unsealed_stays(tmp_path: Path) -> None:
    def seal(_key: str, value: bytes) -> bytes:
        return b"sealed:" + value

    def unseal(key: str, value: bytes) -> bytes:
        return UNREADABLE if key == "/lost" else value.removeprefix(b"sealed:")

    log = await SqliteLog.open(tmp_path / "s.db", seal=seal)
    await log.append("/a", b"x", 0)
    await log.append("/lost", b"x", 0)
    await log.close()
    amend = TakeOver(mark=7, amend=lambda _key, value: value.upper())
    log = await SqliteLog.open(tmp_path / "s.db", seal=seal, unseal=unseal, takeover=amend)
    assert [record.value for record in (await log.list(""))[1]] == [b"X", UNREADABLE]
    await log.close()
    log = await SqliteLog.open(tmp_path / "s.db")
    assert [record.value for record in (await log.list(""))[1]] == [b"sealed:X", b"sealed:x"]
    await log.close()


async def test_a_store_of_a_later_format_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "s.db")
    await log.append("/a", b"1", 0)
    await log.close()
    with apsw.Connection(str(tmp_path / "s.db")) as db:
        db.pragma("user_version", 2)
    db.close()
    with pytest.raises(Unavailable, match=r"written by a newer version \(format 2, known: 1\)"):
        await SqliteLog.open(tmp_path / "s.db")

"""The store when the power goes, when a sync fails, and when the process is killed: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from tests.support.disk import Disk, mounted
from wherry.store.log import Changed, Unavailable
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)

CUTS = int(os.environ.get("WHERRY_CUTS", "100"))
A_LIFE = 100
"""Cuts of one store: what it must still have after each of them grows with what was written."""
KILLS = int(os.environ.get("WHERRY_KILLS", "20"))


@dataclass
class Witness:
    """What was acknowledged: revision -> (key, value)."""

    acknowledged: dict[int, tuple[str, bytes | None]] = field(default_factory=dict)

    async def lost(self, log: SqliteLog) -> list[str]:
        """Every acknowledged thing that the store no longer knows, in words."""
        wrong = []
        newest = max(self.acknowledged, default=0)
        if log.revision < newest:
            wrong.append(f"revision went back from {newest} to {log.revision}")
        changes = await log.after(log.compacted)
        if [change.revision for change in changes] != list(range(log.compacted + 1, log.revision + 1)):
            wrong.append("history has gaps")
        kept = {change.revision: (change.key, change.value) for change in changes}
        live = {record.key: record for record in (await log.list(""))[1]}
        last: dict[str, int] = {}
        for revision, (key, value) in sorted(self.acknowledged.items()):
            last[key] = revision
            if revision > log.compacted and kept.get(revision) != (key, value):
                wrong.append(f"write {revision} is {kept.get(revision)}, not {(key, value)}")
        for key, revision in last.items():
            value, record = self.acknowledged[revision][1], live.get(key)
            if record is None:
                later = [c for c in changes if c.key == key and c.revision > revision and c.value is None]
                if value is not None and not later:
                    wrong.append(f"{key} is gone")
            elif record.revision < revision or (record.revision == revision and record.value != value):
                wrong.append(f"{key} went back to {record.revision}")
        return wrong


async def load(log: SqliteLog, chance: random.Random, witness: Witness, writes: int) -> None:
    """Eight writers and a compactor until all is written or the store is gone."""

    async def write(writer: int) -> None:
        for _ in range(writes):
            key = f"/{writer}/{chance.randrange(6)}"
            value = None if chance.random() < 0.2 else chance.randbytes(chance.choice((10, 900, 9_000)))
            try:
                revision = await log.append(key, value, None)
            except Changed:  # deleting what is not there
                continue
            except Unavailable:
                return
            witness.acknowledged[revision] = (key, value)

    async def compact() -> None:
        while log.revision < writes * 4:
            await asyncio.sleep(0.002)
            try:
                await log.compact(log.revision - chance.randrange(40))
            except Unavailable:
                return

    async with asyncio.TaskGroup() as tasks:
        compactor = tasks.create_task(compact())
        async with asyncio.TaskGroup() as writers:
            for writer in range(8):
                writers.create_task(write(writer))
        compactor.cancel()


async def intact(path: Path, vfs: str) -> str:
    """What SQLite says about the file."""
    db = apsw.Connection(str(path), vfs=vfs)
    db.pragma("locking_mode", "EXCLUSIVE")
    answer = db.pragma("integrity_check")
    db.close()
    return str(answer)


async def cut_often(tmp_path: Path, seed: int, cuts: int, synchronous: str) -> tuple[list[str], int]:
    """Cut the power `cuts` times in one store's life; all that was lost, and how much was acknowledged."""
    chance = random.Random(seed)
    disk, witness, path = Disk(chance), Witness(), tmp_path / "state.db"
    wrong: list[str] = []
    with mounted(disk) as vfs:
        for cut in range(cuts):
            disk.after = disk.operations + chance.randrange(2, 300)
            try:
                log = await SqliteLog.open(path, vfs=vfs, synchronous=synchronous)
                await load(log, chance, witness, 30)
                disk.off = True
                with pytest.raises(Unavailable):
                    await log.append("/last", b"x", None)
                await log.close()
            except Unavailable:  # already while opening
                disk.off = True
            disk.cut_power()
            try:
                if (said := await intact(path, vfs)) != "ok":
                    wrong.append(f"cut {cut}: {said}")
                log = await SqliteLog.open(path, vfs=vfs)
                wrong += [f"cut {cut}: {what}" for what in await witness.lost(log)]
            except (apsw.Error, Unavailable) as error:
                wrong.append(f"cut {cut}: {error}")
            else:
                await log.close()
            if wrong:
                break
    return wrong, len(witness.acknowledged)


@pytest.mark.parametrize("seed", range(1, 1 + -(-CUTS // A_LIFE)))
async def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    cuts = min(CUTS, A_LIFE)
    wrong, acknowledged = await cut_often(tmp_path, seed, cuts, "FULL")
    assert wrong == []
    assert acknowledged > cuts * 10, "the load must have got somewhere"


async def test_the_cuts_do_bite(tmp_path: Path) -> None:
    """With synchronous=NORMAL, as others run it, the very same test loses acknowledged writes."""
    wrong, _ = await cut_often(tmp_path, 1, 30, "NORMAL")
    assert any("revision went back" in what for what in wrong), wrong


@pytest.mark.parametrize("failing", range(1, 25))
async def test_after_a_failed_sync_the_handle_is_dead(tmp_path: Path, failing: int) -> None:
    disk, witness = Disk(random.Random(failing)), Witness()
    with mounted(disk) as vfs:
        await (await SqliteLog.open(tmp_path / "s.db", vfs=vfs)).close()
        disk.fail_sync = disk.syncs + failing
        try:
            log = await SqliteLog.open(tmp_path / "s.db", vfs=vfs)
        except Unavailable:
            pass
        else:
            for number in range(40):
                try:
                    witness.acknowledged[await log.append("/a", b"%d" % number, None)] = ("/a", b"%d" % number)
                except Unavailable:
                    break
            else:
                pytest.fail("no sync failed")
            for call in (log.append("/b", b"1", 0), log.list(""), log.after(0), log.compact(1)):
                with pytest.raises(Unavailable, match="must be opened again"):
                    await call
            await log.close()
        log = await SqliteLog.open(tmp_path / "s.db", vfs=vfs)
        assert await witness.lost(log) == []
        await log.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from wherry.store.sqlite import SqliteLog

async def main():
    log = await SqliteLog.open(Path(sys.argv[1]))
    async def write(writer):
        number = 0
        while True:
            number += 1
            key, value = f"/{writer}/{number % 5}", b"%d-%d" % (writer, number)
            revision = await log.append(key, value, None)
            sys.stdout.write(f"{revision} {key} {value.decode()}\\n")
            sys.stdout.flush()
    async with asyncio.TaskGroup() as tasks:
        for writer in range(16):
            tasks.create_task(write(writer))
        while True:
            await asyncio.sleep(0.02)
            await log.compact(log.revision - 200)

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance, witness, path = random.Random(9), Witness(), tmp_path / "state.db"
    for _ in range(KILLS):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        lines = [await process.stdout.readline() for _ in range(chance.randrange(1, 400))]
        process.send_signal(signal.SIGKILL)
        lines += (await process.stdout.read()).splitlines(keepends=True)
        await process.wait()
        for line in lines:
            if line.endswith(b"\n"):
                revision, key, value = line.split()
                witness.acknowledged[int(revision)] = (key.decode(), value)
        log = await SqliteLog.open(path)
        assert await witness.lost(log) == []
        await log.close()
    db = apsw.Connection(str(path))
    assert db.pragma("integrity_check") == "ok"
    db.close()

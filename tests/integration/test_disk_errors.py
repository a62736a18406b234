"""The store on a disk that fails or is full: what happened is said, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.integration.test_power_cut import Witness, intact
from tests.support.apiserver import running_apiserver
from tests.support.disk import Disk, mounted
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.machinery.errors import InternalError, NotFound, ServiceUnavailable
from wherry.machinery.meta import Key, ObjectMeta
from wherry.store import database
from wherry.store.log import OutcomeUnknown, Unavailable
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)


async def fill(log: SqliteLog, witness: Witness, writes: int) -> None:
    """Write until the store fails; the write at which it does is the only one whose outcome is unknown."""
    for number in range(writes):
        key, value = f"/{number % 3}", b"%d" % number + bytes(3_000)
        try:
            revision = await log.append(key, value, None)
        except OutcomeUnknown:
            break
        witness.acknowledged[revision] = (key, value)
    else:
        pytest.fail("nothing failed")
    for call in (log.append("/b", b"1", 0), log.list(""), log.after(0), log.compact(1)):
        with pytest.raises(Unavailable, match="must be opened again") as refused:
            await call
        assert not isinstance(refused.value, OutcomeUnknown)


@pytest.mark.parametrize("failing", [*range(1, 25), 40, 75, 150])
async def test_whichever_write_fails_the_handle_is_dead_and_nothing_is_lost(tmp_path: Path, failing: int) -> None:
    disk, witness, path = Disk(random.Random(failing)), Witness(), tmp_path / "s.db"
    with mounted(disk) as vfs:
        await (await SqliteLog.open(path, vfs=vfs)).close()
        disk.fail_write = disk.written + failing
        try:
            log = await SqliteLog.open(path, vfs=vfs)
        except Unavailable:
            pass
        else:
            await fill(log, witness, 200)
            await log.close()
        assert await intact(path, vfs) == "ok"
        log = await SqliteLog.open(path, vfs=vfs)
        assert await witness.lost(log) == []
        await log.append("/after", b"1", 0)
        await log.close()


@pytest.mark.parametrize("room", range(140_000, 260_000, 20_000))
async def test_a_full_disk_is_said_to_be_full_and_nothing_is_lost(tmp_path: Path, room: int) -> None:
    disk, witness, path = Disk(random.Random(room)), Witness(), tmp_path / "s.db"
    with mounted(disk) as vfs:
        log = await SqliteLog.open(path, vfs=vfs)
        disk.room = room
        await fill(log, witness, 200)
        with pytest.raises(Unavailable, match="full"):
            await log.list("")
        await log.close()
        assert len(witness.acknowledged) > 3
        disk.room = None
        assert await intact(path, vfs) == "ok"
        log = await SqliteLog.open(path, vfs=vfs)
        assert await witness.lost(log) == []
        await log.append("/after", b"1", 0)
        await log.close()


def named(name: str, size: int = 1) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data={"x": "y" * size})


async def quiet(log: SqliteLog) -> None:
    """Wait until the server has written what it writes when it starts."""
    seen = -1
    while seen != log.revision:
        seen = log.revision
        await asyncio.sleep(0.5)


async def test_a_client_is_told_when_the_outcome_is_unknown(tmp_path: Path) -> None:
    """500 for what was being written, 503 for what comes later; what was not written is not seen."""
    disk = Disk(random.Random(1))
    with mounted(disk) as vfs:
        log = await SqliteLog.open(tmp_path / "s.db", vfs=vfs)
        async with running_apiserver(tmp_path, log=log) as running:
            client = running.client()
            await client.create(CONFIGMAP, named("before"))
            await quiet(log)
            disk.fail_sync = disk.syncs + 1
            with pytest.raises(InternalError, match="it is not known whether this was written"):
                await client.create(CONFIGMAP, named("unknown"))
            with pytest.raises(ServiceUnavailable, match="the store takes no writes"):
                await client.create(CONFIGMAP, named("after"))
            with pytest.raises(ServiceUnavailable):
                await client.delete(CONFIGMAP, Key("default", "before"))
            with pytest.raises(NotFound):
                await client.get(CONFIGMAP, Key("default", "unknown"))
        await log.close()


async def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(Unavailable, match="too old for a safe store"):
        await SqliteLog.open(tmp_path / "s.db")

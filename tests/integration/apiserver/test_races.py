"""Requests that race, over SQLite: a store in memory is done before the next request begins.

WHERRY_FINALIZER_ROUNDS (100), WHERRY_CLIENTS (8) and WHERRY_INCREMENTS (10 each) say how often.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.apiserver import running_apiserver
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)

ROUNDS = int(os.environ.get("WHERRY_FINALIZER_ROUNDS", "100"))
MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
FINALIZER = {"metadata": {"finalizers": ["example.com/f"]}}


async def late(turns: int, request: Coroutine[Any, Any, Answered]) -> Answered:
    """A request that begins some turns of the event loop later: a PATCH takes longer to read than a DELETE."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return await request


@asynccontextmanager
async def over_sqlite(folder: Path) -> AsyncIterator[Http]:
    """A server whose writes take their time."""
    log = await SqliteLog.open(folder / "state.db")
    try:
        async with running_apiserver(folder, log=log) as running:
            connector = aiohttp.TCPConnector(ssl=running.tls(), limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Http(running, session)
    finally:
        await log.close()


async def test_a_delete_never_loses_a_finalizer_that_was_just_added(tmp_path: Path) -> None:
    """kubernetes #77988 and #110521, whose fix was taken back."""
    lost, both, turns = [], 0, 0
    async with over_sqlite(tmp_path) as http:
        for number in range(ROUNDS):
            path = f"{MAPS}/a{number}"
            await http("POST", MAPS, {"metadata": {"name": f"a{number}"}})
            added, deleted = await asyncio.gather(
                http("PATCH", path, FINALIZER, MERGE), late(turns, http("DELETE", path))
            )
            found = await http("GET", path)
            assert deleted.code == 200
            both += added.code == 200
            turns = max(0, turns - 1) if added.code == 200 else turns + 1  # to where either may win
            if (found.code == 200) is not (added.code == 200):
                lost.append((number, added.code, found.code))
    assert lost == []
    assert ROUNDS // 10 < both < ROUNDS - ROUNDS // 10, "they must have raced"


async def test_patches_that_race_are_tried_again(tmp_path: Path) -> None:
    async with over_sqlite(tmp_path) as http:
        await http("POST", MAPS, {"metadata": {"name": "a"}})
        patches = (http("PATCH", f"{MAPS}/a", {"data": {f"k{n}": "1"}}, MERGE) for n in range(30))
        assert {answer.code for answer in await asyncio.gather(*patches)} == {200}
        assert len((await http("GET", f"{MAPS}/a")).body["data"]) == 30


async def test_increments_from_many_are_all_counted(tmp_path: Path) -> None:
    clients, each = int(os.environ.get("WHERRY_CLIENTS", "8")), int(os.environ.get("WHERRY_INCREMENTS", "10"))
    async with over_sqlite(tmp_path) as http:
        await http("POST", MAPS, {"metadata": {"name": "a"}, "data": {"n": "0"}})

        async def worker() -> None:
            done = 0
            while done < each:
                found = (await http("GET", f"{MAPS}/a")).body
                found["data"]["n"] = str(int(found["data"]["n"]) + 1)
                answer = await http("PUT", f"{MAPS}/a", found)
                done += answer.code == 200

        await asyncio.gather(*(worker() for _ in range(clients)))
        assert (await http("GET", f"{MAPS}/a")).body["data"]["n"] == str(clients * each)

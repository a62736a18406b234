"""A finalizer that is added while its object is deleted: kubernetes #77988 and #110521, whose fix was taken back.

Over SQLite, since a store in memory is done before the next request begins. WHERRY_FINALIZER_ROUNDS says how many
rounds (100).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
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
FINALIZER = {"metadata": {"finalizers": ["example.com/f"]}}


async def late(turns: int, request: Coroutine[Any, Any, Answered]) -> Answered:
    """A request that begins some turns of the event loop later: a PATCH takes longer to read than a DELETE."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return await request


async def test_a_delete_never_loses_a_finalizer_that_was_just_added(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "state.db")
    lost, both, turns = [], 0, 0
    try:
        async with running_apiserver(tmp_path, log=log) as running:
            connector = aiohttp.TCPConnector(ssl=running.tls(), limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                http = Http(running, session)
                for number in range(ROUNDS):
                    path = f"{MAPS}/a{number}"
                    await http("POST", MAPS, {"metadata": {"name": f"a{number}"}})
                    added, deleted = await asyncio.gather(
                        http("PATCH", path, FINALIZER, "application/merge-patch+json"),
                        late(turns, http("DELETE", path)),
                    )
                    found = await http("GET", path)
                    assert deleted.code == 200
                    both += added.code == 200
                    turns = max(0, turns - 1) if added.code == 200 else turns + 1  # to where either may win
                    if (found.code == 200) is not (added.code == 200):
                        lost.append((number, added.code, found.code))
    finally:
        await log.close()
    assert lost == []
    assert ROUNDS // 10 < both < ROUNDS - ROUNDS // 10, "they must have raced"

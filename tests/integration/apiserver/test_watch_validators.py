"""etcd's nine watch validators over HTTPS and SQLite, against the store's own log.

Writers write; watchers of several kinds (all, by label, slow, reconnecting at random) note what they are told; the log
is compacted every 50 ms. Afterwards each watcher's notes are compared with the log's replay (support/watching.py).
Seen to fail when a label that changes is told as MODIFIED to those who could not see the object before, and when a
bookmark is one revision ahead of what was told.
https://github.com/etcd-io/etcd/blob/main/tests/robustness/validate/watch.go
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import aiohttp
import pytest

from tests.support.apiserver import running_apiserver
from tests.support.watching import Watcher, validate
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.client.interface import Client
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, ObjectMeta
from wherry.store.log import Change, Log
from wherry.store.sqlite import SqliteLog
from wherry.store.windows import prefix_of

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/default/configmaps"
WRITES = 200
NAMES = ("a", "b", "c", "d")
COLOURS = ("red", "blue")


async def write(client: Client, source: random.Random) -> None:
    """Random creates, changes of value or colour, and deletes."""
    for number in range(WRITES):
        name, colour = source.choice(NAMES), source.choice(COLOURS)
        meta = ObjectMeta(name=name, namespace="default", labels={"colour": colour})
        try:
            if source.random() < 0.3:
                await client.delete(CONFIGMAP, Key("default", name))
            else:
                await client.patch(
                    CONFIGMAP, Key("default", name),
                    {"metadata": {"labels": {"colour": colour}}, "data": {"n": str(number)}},
                )  # fmt: skip
        except APIError:
            await client.create(CONFIGMAP, ConfigMap(metadata=meta, data={"n": str(number)}))
        if number % 20 == 0:
            await asyncio.sleep(0.02)


async def compact(log: Log) -> None:
    """Every 50 ms, all of history: windows must serve those who resume."""
    while True:
        await asyncio.sleep(0.05)
        await log.compact(log.revision)


async def test_watchers_are_told_exactly_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve watchers, one seed per run of the suite's history: see the module."""
    monkeypatch.setattr("wherry.apiserver.verbs.watch.BOOKMARK_SECONDS", 0.1)
    source = random.Random(7)
    log = await SqliteLog.open(tmp_path / "state.db")
    changes: list[Change] = []
    prefix = prefix_of(CONFIGMAP) + "default/"
    try:
        async with running_apiserver(tmp_path, log=log) as running:
            client = running.client()
            url = running.url + MAPS
            since = running.server.api.windows.revision
            log.subscribe(lambda batch: changes.extend(c for c in batch if c.key.startswith(prefix)))
            watchers = [
                Watcher(url, colour, pause, reconnect, since)
                for colour in ("", *COLOURS)
                for pause, reconnect in ((0, 0), (0.01, 0), (0, 0.1), (0.005, 0.2))
            ]
            connector = aiohttp.TCPConnector(ssl=running.tls(), limit=0)
            async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(watcher.run(session, random.Random(n))) for n, watcher in enumerate(watchers)
                ]
                tasks.append(group.create_task(compact(log)))
                await write(client, source)
                end = running.server.api.windows.revision
                async with asyncio.timeout(60):
                    while any(watcher.position < end for watcher in watchers):  # noqa: ASYNC110 - others move it
                        await asyncio.sleep(0.05)
                for task in tasks:
                    task.cancel()
        assert len(changes) > WRITES // 2
        for watcher in watchers:
            validate(watcher, changes)
        assert any(watcher.bookmarks for watcher in watchers)
    finally:
        await log.close()

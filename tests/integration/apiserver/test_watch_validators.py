"""etcd's nine watch validators over HTTPS and SQLite, against the store's own log.

Writers write; watchers of several kinds (all, by label, slow, reconnecting at random) note what they are told; the log
is compacted every 50 ms. Afterwards each watcher's notes are compared with the log's replay: Filter, Ordered, Unique,
Atomic (a revision is one event), Bookmarkable, Resumable, Reliable, PrevKV and IsCreate (types tell what was before).
Seen to fail when a label that changes is told as MODIFIED to those who could not see the object before, and when a
bookmark is one revision ahead of what was told.
https://github.com/etcd-io/etcd/blob/main/tests/robustness/validate/watch.go
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.support.apiserver import running_apiserver
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


@dataclass(slots=True)
class Watcher:
    """One client: where it began, what it was told, in order. It starts at `since` and never lists."""

    url: str
    colour: str
    pause: float
    reconnect: float
    since: int
    told: list[tuple[int, str, str, str]] = field(default_factory=list)  # revision, type, name, value
    position: int = 0
    bookmarks: list[tuple[int, int]] = field(default_factory=list)  # events before it, revision

    async def run(self, session: aiohttp.ClientSession, source: random.Random) -> None:
        """Watch for ever, resuming from where it was after each end."""
        self.position = self.since
        while True:
            query = {"watch": "1", "resourceVersion": str(self.position), "allowWatchBookmarks": "true"}
            if self.colour:
                query["labelSelector"] = f"colour={self.colour}"
            async with session.get(self.url, params=query) as answer:
                end = source.expovariate(1 / self.reconnect) if self.reconnect else 3600.0
                try:
                    async with asyncio.timeout(end):
                        async for line in answer.content:
                            self.take(msgspec.json.decode(line))
                            if self.pause:
                                await asyncio.sleep(source.random() * self.pause)
                except TimeoutError:
                    continue

    def take(self, event: dict[str, Any]) -> None:
        """One line."""
        assert event["type"] != "ERROR", event
        meta = event["object"]["metadata"]
        revision = int(meta["resourceVersion"])
        if event["type"] == "BOOKMARK":
            self.bookmarks.append((len(self.told), revision))
        else:
            self.told.append((revision, event["type"], meta["name"], event["object"].get("data", {}).get("n", "")))
        self.position = revision


def replay(changes: list[Change], since: int, colour: str) -> list[tuple[int, str, str, str]]:
    """What a watcher must have been told, by the log alone: a model that knows nothing of windows."""
    live: dict[str, tuple[str, str]] = {}
    expected = []
    for change in changes:
        name = change.key.rpartition("/")[2]
        before = live.pop(name, None)
        after = None
        if change.value is not None:
            obj = msgspec.json.decode(change.value)
            after = live[name] = (obj["metadata"].get("labels", {}).get("colour", ""), obj["data"]["n"])
        was = before is not None and colour in ("", before[0])
        shows = after is not None and colour in ("", after[0])
        if change.revision <= since or not (was or shows):
            continue
        kind = "MODIFIED" if was and shows else "ADDED" if shows else "DELETED"
        shown = after if shows else before
        assert shown is not None
        expected.append((change.revision, kind, name, shown[1]))
    return expected


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


def validate(watcher: Watcher, changes: list[Change]) -> None:
    """All nine."""
    revisions = [revision for revision, *_ in watcher.told]
    assert revisions == sorted(set(revisions)), "Ordered, Unique, Atomic"
    assert watcher.told == replay(changes, watcher.since, watcher.colour), (
        "Filter, Reliable, Resumable, PrevKV, IsCreate"
    )
    last = 0
    for before, revision in watcher.bookmarks:
        assert revision >= last, "Bookmarkable: progress never goes back"
        assert all(told <= revision for told in revisions[:before]), "Bookmarkable: not behind what was told"
        assert all(told > revision for told in revisions[before:]), "Bookmarkable: nothing of before it comes later"
        last = revision


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

"""etcd's nine watch validators, and watchers that note what they are told.

A watcher's notes are compared with the log's replay: Filter, Ordered, Unique, Atomic (a revision is one event),
Bookmarkable, Resumable, Reliable, PrevKV and IsCreate (types tell what was before). A server that goes away ends a
watch as anything else does: the watcher comes back where it was.
https://github.com/etcd-io/etcd/blob/main/tests/robustness/validate/watch.go
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from wherry.store.log import Change

AWAY = 0.05
"""Seconds until a server that is away is asked again."""


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
            try:
                async with session.get(self.url, params=query) as answer:
                    await self._read(answer, source)
            except TimeoutError:
                continue
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(AWAY)

    async def _read(self, answer: aiohttp.ClientResponse, source: random.Random) -> None:
        """One watch. Raises TimeoutError where it is left."""
        end = source.expovariate(1 / self.reconnect) if self.reconnect else 3600.0
        async with asyncio.timeout(end):  # it begins once there is an answer: a busy machine gets on, too
            async for line in answer.content:
                if line.endswith(b"\n"):  # not what a killed server left half-sent
                    self.take(msgspec.json.decode(line))
                if self.pause:
                    await asyncio.sleep(source.random() * self.pause)

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


def replay(changes: Sequence[Change], since: int, colour: str) -> list[tuple[int, str, str, str]]:
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


def validate(watcher: Watcher, changes: Sequence[Change]) -> None:
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

"""Windows: what readers and watchers see, by example. Properties are in test_window_model.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest

from wherry.aio.clock import LoopClock
from wherry.machinery.meta import Object
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry, Event, with_revision
from wherry.store.history import OVERHEAD, Keep
from wherry.store.log import Change, Compacted
from wherry.store.memory import MemoryLog
from wherry.store.window import FutureRevision, Window
from wherry.store.windows import Windows, key_of


class Thing(Object, frozen=True):
    """A kind with one selectable field."""

    color: str = ""


THING = Resource(Thing, "", "v1", "Thing", "things", "thing", fields={"color": lambda thing: thing.color})
OTHER = Resource(Object, "apps", "v1", "Other", "others", "other", namespaced=False)


def value(name: str, namespace: str = "default", color: str = "", **labels: str) -> bytes:
    """A thing as the log holds it."""
    metadata: dict[str, object] = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    return msgspec.json.encode({"kind": "Thing", "apiVersion": "v1", "metadata": metadata, "color": color})


class Cluster:
    """A log with windows on it, and shorthand for writing things."""

    def __init__(self, log: MemoryLog, windows: Windows) -> None:
        self.log = log
        self.windows = windows
        self.things: Window[Thing] = windows.of(THING)

    async def put(self, name: str, namespace: str = "default", color: str = "", **labels: str) -> int:
        """Write one thing."""
        return await self.log.append(key_of(THING, namespace, name), value(name, namespace, color, **labels), None)

    async def drop(self, name: str, namespace: str = "default") -> int:
        """Delete one thing."""
        return await self.log.append(key_of(THING, namespace, name), None, None)


@pytest.fixture
async def cluster() -> Cluster:
    log = MemoryLog()
    return Cluster(log, await Windows.open(log, LoopClock()))


def names(entries: list[Entry[Thing]]) -> list[str]:
    return [f"{entry.namespace}/{entry.name}@{entry.revision}" for entry in entries]


def told(events: list[Event[Thing]]) -> list[str]:
    return [f"{event.type} {event.entry.name}@{event.revision}" for event in events]


def into(events: list[Event[Thing]], room: int = 1_000) -> Callable[[Event[Thing]], bool]:
    """A sink that holds `room` events."""

    def take(event: Event[Thing]) -> bool:
        if len(events) < room:
            events.append(event)
            return True
        return False

    return take


def test_the_revision_is_put_first_into_metadata() -> None:
    assert with_revision(b'{"kind":"A","apiVersion":"v1","metadata":{"name":"x"}}', 7) == (
        b'{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"x"}}'
    )
    assert with_revision(b'{"kind":"A","apiVersion":"v1","metadata":{},"spec":{"metadata":{}}}', 7) == (
        b'{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"7"},"spec":{"metadata":{}}}'
    )
    with pytest.raises(ValueError, match="no metadata"):
        with_revision(b'{"kind":"A"}', 7)


async def test_who_wrote_can_read_it(cluster: Cluster) -> None:
    revision = await cluster.put("a", color="red", app="web")
    entry = cluster.things.get(key_of(THING, "default", "a"))
    assert entry is not None
    assert entry.revision == entry.created == revision == cluster.things.revision
    assert entry.obj.color == "red"
    assert entry.obj.metadata.resource_version == "1"
    assert entry.obj is entry.obj
    assert entry.labels == {"app": "web"}
    assert entry.fields == {"metadata.name": "a", "metadata.namespace": "default", "color": "red"}
    await cluster.drop("a")
    assert cluster.things.get(key_of(THING, "default", "a")) is None


async def test_a_key_is_not_what_begins_like_it(cluster: Cluster) -> None:
    await cluster.put("ab", "a")
    await cluster.put("a", "ab")
    for namespace, name in (("a", "a"), ("a", ""), ("", "a"), ("ab", "ab")):
        assert cluster.things.get(key_of(THING, namespace, name)) is None
    assert names(cluster.things.list("a").items) == ["a/ab@1"]
    events: list[Event[Thing]] = []
    cluster.things.watch(0, into(events), namespace="a")
    assert told(events) == ["ADDED ab@1"]


async def test_quiet_windows_advance_with_the_store(cluster: Cluster) -> None:
    watch = cluster.windows.of(OTHER).watch(0, lambda _: True)
    await cluster.put("a")
    assert cluster.windows.of(OTHER).revision == watch.revision == 1
    await cluster.log.append("/elsewhere", b"not an object", None)
    assert watch.revision == 2
    assert cluster.windows.of(OTHER).list().revision == 2


async def test_what_is_written_while_windows_load_is_there() -> None:
    class Busy(MemoryLog):
        """Somebody writes between two questions."""

        async def after(self, revision: int) -> Sequence[Change]:
            found = await super().after(revision)
            await self.append(key_of(THING, "default", "late"), value("late"), None)
            return found

    log = Busy()
    await log.append(key_of(THING, "default", "early"), value("early"), None)
    windows = await Windows.open(log, LoopClock())
    assert names(windows.of(THING).list().items) == ["default/early@1", "default/late@2"]
    assert windows.revision == 2


async def test_lists_are_sorted_filtered_and_paged(cluster: Cluster) -> None:
    for namespace, name in (("b", "x"), ("a", "y"), ("a", "x"), ("a-b", "x"), ("a", "z")):
        await cluster.put(name, namespace, even=str(name != "y"))
    things = cluster.things
    assert names(things.list().items) == ["a-b/x@4", "a/x@3", "a/y@2", "a/z@5", "b/x@1"]
    assert names(things.list("a").items) == ["a/x@3", "a/y@2", "a/z@5"]
    assert names(things.list("a", lambda entry: entry.labels["even"] == "True").items) == ["a/x@3", "a/z@5"]
    page = things.list("a", limit=2)
    assert (names(page.items), page.more, page.remaining) == (["a/x@3", "a/y@2"], True, 1)
    rest = things.list("a", limit=2, start_after=page.items[-1].key, revision=page.revision)
    assert (names(rest.items), rest.more, rest.remaining) == (["a/z@5"], False, 0)
    some = things.list("", lambda entry: entry.name == "x", limit=1)
    assert (names(some.items), some.more, some.remaining) == (["a-b/x@4"], True, None)
    assert not things.list("a", limit=3).more


async def test_later_pages_show_the_first_page_s_revision(cluster: Cluster) -> None:
    for name in "abcdef":
        await cluster.put(name)
    page = cluster.things.list(limit=2)
    await cluster.drop("c")
    await cluster.put("d")
    await cluster.put("bb")
    await cluster.drop("f")
    await cluster.put("f")
    found = [*page.items]
    while page.more:
        page = cluster.things.list(limit=2, start_after=page.items[-1].key, revision=page.revision)
        found += page.items
    assert names(found) == [f"default/{name}@{number}" for number, name in enumerate("abcdef", 1)]
    assert b'"resourceVersion":"4"' in found[3].data


async def test_a_revision_out_of_reach_is_refused(cluster: Cluster) -> None:
    await cluster.put("a")
    with pytest.raises(FutureRevision) as refused:
        cluster.things.list(revision=2)
    assert refused.value.current == 1
    with pytest.raises(FutureRevision):
        await cluster.things.reached(2, 1.0)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cluster.things.reached(2, 1.0))
        await asyncio.sleep(0.5)
        await cluster.put("b")
        await waiting


async def test_a_watch_replays_then_follows(cluster: Cluster) -> None:
    await cluster.put("a")
    await cluster.put("b")
    events: list[Event[Thing]] = []
    watch = cluster.things.watch(1, into(events))
    await cluster.put("a")
    await cluster.drop("b")
    assert told(events) == ["ADDED b@2", "MODIFIED a@3", "DELETED b@4"]
    assert watch.revision == 4
    assert events[2].wire == (
        b'{"type":"DELETED","object":{"kind":"Thing","apiVersion":"v1",'
        b'"metadata":{"resourceVersion":"4","name":"b","namespace":"default"},"color":""}}\n'
    )
    watch.stop()
    await cluster.put("c")
    assert len(events) == 3
    assert cluster.things.watchers == 0


async def test_entering_and_leaving_a_selection_are_added_and_deleted(cluster: Cluster) -> None:
    live: list[Event[Thing]] = []
    replayed: list[Event[Thing]] = []

    def red(entry: Entry[Thing]) -> bool:
        return entry.fields["color"] == "red"

    cluster.things.watch(0, into(live), predicate=red)
    for color in ("blue", "red", "red", "blue", "red"):
        await cluster.put("a", color=color)
    await cluster.drop("a")
    await cluster.put("b", color="blue")
    await cluster.drop("b")
    cluster.things.watch(0, into(replayed), predicate=red)
    assert told(live) == told(replayed) == ["ADDED a@2", "MODIFIED a@3", "DELETED a@4", "ADDED a@5", "DELETED a@6"]
    assert live[2].entry.obj.color == "red", "the last state that the watcher could see"


async def test_a_watch_of_one_namespace(cluster: Cluster) -> None:
    events: list[Event[Thing]] = []
    await cluster.put("early", "a")
    await cluster.put("early", "b")
    cluster.things.watch(0, into(events), namespace="a")
    await cluster.put("late", "a")
    await cluster.put("late", "b")
    assert told(events) == ["ADDED early@1", "ADDED late@3"]


async def test_watchers_share_an_event_and_its_bytes(cluster: Cluster) -> None:
    first: list[Event[Thing]] = []
    second: list[Event[Thing]] = []
    cluster.things.watch(0, into(first))
    cluster.things.watch(0, into(second), predicate=lambda entry: entry.name == "a")
    await cluster.put("a")
    assert first[0] is second[0]
    assert first[0].wire is second[0].wire


async def test_a_full_or_broken_watcher_is_cut_and_told(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Event[Thing]) -> bool:
        raise RuntimeError("broken")

    events: list[Event[Thing]] = []
    healthy: list[Event[Thing]] = []
    ended: list[str] = []
    cluster.things.watch(0, into(events, 1), ended=lambda: ended.append("full"))
    cluster.things.watch(0, broken, ended=lambda: ended.append("broken"))
    cluster.things.watch(0, into(healthy))
    for name in "abc":
        await cluster.put(name)
    assert told(events) == ["ADDED a@1"]
    assert told(healthy) == ["ADDED a@1", "ADDED b@2", "ADDED c@3"]
    assert sorted(ended) == ["broken", "full"]
    assert "broken" in caplog.text
    watch = cluster.things.watch(0, into([], 2), ended=lambda: ended.append("while replaying"))
    assert not watch.active
    assert ended[-1] == "while replaying"
    cluster.things.watch(3, into(events), ended=lambda: ended.append("closed"))
    cluster.windows.close()
    assert ended[-1] == "closed"


async def test_a_watch_from_the_future_tells_nothing_old(cluster: Cluster) -> None:
    events: list[Event[Thing]] = []
    watch = cluster.things.watch(2, into(events))
    assert watch.revision == 2, "a bookmark never goes back behind where the watch began"
    for name in "abc":
        await cluster.put(name)
    assert told(events) == ["ADDED c@3"]


@pytest.mark.parametrize("keep", [Keep(count=2), Keep(size=2 * OVERHEAD + 260), Keep(age=7)])
async def test_forgotten_history_is_gone_not_skipped(keep: Keep) -> None:
    log = MemoryLog()
    cluster = Cluster(log, await Windows.open(log, LoopClock(), keep=keep))
    for _ in range(4):
        await cluster.put("a")
        await asyncio.sleep(4)
    assert cluster.things.oldest == 2
    for ask in (lambda: cluster.things.watch(1, into([])), lambda: cluster.things.list(revision=1)):
        with pytest.raises(Compacted) as refused:
            ask()
        assert refused.value.oldest == 2
    events: list[Event[Thing]] = []
    cluster.things.watch(2, into(events))
    assert told(events) == ["MODIFIED a@3", "MODIFIED a@4"]
    assert names(cluster.things.list(revision=2).items) == ["default/a@2"]


async def test_the_log_is_compacted_to_what_windows_keep() -> None:
    log = MemoryLog()
    cluster = Cluster(log, await Windows.open(log, LoopClock(), keep=Keep(age=100, count=50)))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(cluster.windows.compacting(every=30))
        await cluster.put("a")
        await cluster.put("a")
        await asyncio.sleep(95)
        assert log.compacted == 0
        await cluster.put("a")
        await asyncio.sleep(60)
        assert log.compacted == 2, "what happened in the last 100 seconds is kept"
        for _ in range(80):
            await cluster.put("a")
        await asyncio.sleep(31)
        assert log.compacted == 33, "and never more than 50 changes"
        task.cancel()


async def test_a_changed_resource_decodes_anew(cluster: Cluster) -> None:
    class Newer(Thing, frozen=True):
        """The same kind, changed."""

    await cluster.put("a")
    entry = cluster.things.list().items[0]
    assert type(entry.obj) is Thing
    newer = Resource(Newer, "", "v1", "Thing", "things", "thing")
    cluster.windows.rebind(newer)
    assert type(entry.obj) is Newer
    assert cluster.windows.of(THING) is cluster.things

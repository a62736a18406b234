"""Random writes, watches, reconnects, compactions and restarts against a naive model of what each watcher must see.

The validators are etcd's, as far as one process has them: every event passes the filter; events are ordered and
unique; nothing is dropped; a resumed watch goes on exactly where it was; no event is at or below a bookmark sent
before; what came before is told truly; an ADDED was not visible before.
https://github.com/etcd-io/etcd/tree/main/tests/robustness
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.store.test_window import THING, Thing, value
from wherry.store.entry import Entry, Event
from wherry.store.history import Keep
from wherry.store.log import Compacted
from wherry.store.memory import MemoryLog
from wherry.store.window import Watch
from wherry.store.windows import Windows, key_of

WRITE = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from(["", "red", "red", "blue"]))
State = dict[tuple[str, str], tuple[int, str]]  # (namespace, name) -> (revision, color)


class Still:
    """A clock that stands."""

    def now(self) -> float:
        """Zero."""
        return 0.0

    def monotonic(self) -> float:
        """Zero."""
        return 0.0


class Watcher:
    """A client: keeps what it sees as a state of its own and remembers where it is."""

    def __init__(self, since: int, state: State, namespace: str, color: str, room: int) -> None:
        self.state = state
        self.namespace = namespace
        self.color = color
        self.room = room
        self.left = room
        self.position = since
        self.bookmark = since
        self.watch: Watch[Thing] | None = None
        self.problem: AssertionError | None = None

    def match(self, entry: Entry[Thing]) -> bool:
        """The selector."""
        return self.color in ("", entry.fields["color"])

    def take(self, event: Event[Thing]) -> bool:
        """The sink. What it raises only ends the watch, so it is kept for the invariant."""
        try:
            return self.judge(event)
        except AssertionError as problem:
            self.problem = problem
            raise

    def judge(self, event: Event[Thing]) -> bool:
        """Check the event against all that this watcher has seen."""
        if self.left == 0:
            return False
        self.left -= 1
        entry, key = event.entry, (event.entry.namespace, event.entry.name)
        assert event.revision > self.position, "ordered, unique"
        assert event.revision > self.bookmark, "nothing at or below a bookmark"
        assert self.namespace in ("", entry.namespace), "filtered"
        assert self.match(entry), "filtered"
        assert f'"resourceVersion":"{event.revision}"'.encode() in event.wire
        assert (event.type == "ADDED") == (key not in self.state), "true types"
        if event.type == "ADDED":
            assert event.previous is None
        else:
            assert event.previous is not None
            assert (event.previous.revision, event.previous.fields["color"]) == self.state[key], "true previous"
        if event.type == "DELETED":
            del self.state[key]
        else:
            self.state[key] = (entry.revision, entry.fields["color"])
        self.position = event.revision
        return True


class Model(RuleBasedStateMachine):
    """The store, its windows and some watchers, beside a list of all states there ever were."""

    @initialize(keep=st.integers(2, 12))
    def start(self, keep: int) -> None:
        """Empty."""
        self.loop = asyncio.new_event_loop()
        self.log = MemoryLog()
        self.keep = Keep(count=keep)
        self.states: list[State] = [{}]
        self.watchers: list[Watcher] = []
        self.windows = self.run(Windows.open(self.log, Still(), keep=self.keep))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end."""
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        """Hypothesis' end."""
        if hasattr(self, "loop"):
            self.loop.close()

    def selected(self, revision: int, namespace: str, color: str) -> State:
        """What is to be seen at a revision."""
        return {
            key: seen
            for key, seen in self.states[revision].items()
            if namespace in ("", key[0]) and color in ("", seen[1])
        }

    @rule(writes=st.lists(WRITE, min_size=1, max_size=6))
    def write(self, writes: list[tuple[str, str, str]]) -> None:
        """Create, change, or (no color) delete."""
        for namespace, name, color in writes:
            state = dict(self.states[-1])
            if not color and (namespace, name) not in state:
                continue
            data = value(name, namespace, color) if color else None
            revision = self.run(self.log.append(key_of(THING, namespace, name), data, None))
            assert revision == len(self.states)
            if color:
                state[namespace, name] = (revision, color)
            else:
                del state[namespace, name]
            self.states.append(state)

    @rule()
    def write_elsewhere(self) -> None:
        """Another resource's change."""
        self.run(self.log.append("/registry/apps/others/o", value("o"), None))
        self.states.append(self.states[-1])

    @rule(back=st.integers(0, 6), namespace=st.sampled_from(["", "a", "b"]), color=st.sampled_from(["", "red"]),
          room=st.sampled_from([1, 3, 1_000]))  # fmt: skip
    def watch(self, back: int, namespace: str, color: str, room: int) -> None:
        """Begin to watch from a past revision."""
        since = max(0, len(self.states) - 1 - back)
        watcher = Watcher(since, self.selected(since, namespace, color), namespace, color, room)
        self.connect(watcher)

    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        """A watcher loses its connection."""
        if self.watchers:
            watcher = data.draw(st.sampled_from(self.watchers))
            if watcher.watch is not None:
                watcher.watch.stop()

    @rule(data=st.data())
    def reconnect(self, data: st.DataObject) -> None:
        """A watcher that was cut resumes from its last event or bookmark."""
        cut = [watcher for watcher in self.watchers if watcher.watch is None or not watcher.watch.active]
        if cut:
            watcher = data.draw(st.sampled_from(cut))
            self.watchers.remove(watcher)
            watcher.left = watcher.room
            watcher.position = max(watcher.position, watcher.bookmark)
            self.connect(watcher)

    def connect(self, watcher: Watcher) -> None:
        """Connect or be told that it is too late."""
        window = self.windows.of(THING)
        since = watcher.position
        try:
            watcher.watch = window.watch(
                since, watcher.take, namespace=watcher.namespace, predicate=watcher.match if watcher.color else None
            )
        except Compacted:
            assert window.oldest > since
        else:
            assert window.oldest <= since, "nothing was dropped silently"
            self.watchers.append(watcher)

    @rule(data=st.data())
    def bookmark(self, data: st.DataObject) -> None:
        """A watcher is told how far it is."""
        active = [watcher for watcher in self.watchers if watcher.watch is not None and watcher.watch.active]
        if active:
            watcher = data.draw(st.sampled_from(active))
            assert watcher.watch is not None
            assert watcher.watch.revision >= max(watcher.bookmark, watcher.position)
            watcher.bookmark = watcher.watch.revision

    @rule(back=st.integers(0, 8))
    def compact(self, back: int) -> None:
        """History is forgotten in the log."""
        self.run(self.log.compact(max(0, len(self.states) - 1 - back)))

    @rule()
    def restart(self) -> None:
        """New windows over the same log: watches are cut, history is what the log still holds."""
        self.windows.close()
        self.windows = self.run(Windows.open(self.log, Still(), keep=self.keep))

    @rule(back=st.integers(0, 14), namespace=st.sampled_from(["", "a"]), color=st.sampled_from(["", "red"]),
          limit=st.integers(0, 3))  # fmt: skip
    def list_past(self, back: int, namespace: str, color: str, limit: int) -> None:
        """Page through a past revision."""
        window = self.windows.of(THING)
        revision = max(0, len(self.states) - 1 - back)
        found: list[Entry[Thing]] = []
        try:
            page = window.list(
                namespace, (lambda e: e.fields["color"] == color) if color else None, limit=limit, revision=revision
            )
            found += page.items
            while page.more:
                assert len(page.items) == limit
                page = window.list(
                    namespace, (lambda e: e.fields["color"] == color) if color else None,
                    limit=limit, revision=revision, start_after=found[-1].key,
                )  # fmt: skip
                found += page.items
        except Compacted:
            assert window.oldest > revision
            return
        seen = [((e.namespace, e.name), (e.revision, e.fields["color"])) for e in found]
        assert seen == sorted(self.selected(revision, namespace, color).items())

    @invariant()
    def watchers_know_the_present(self) -> None:
        """Reliable: whoever is connected has been told everything. Nobody was told what is not so."""
        for watcher in getattr(self, "watchers", []):
            if watcher.problem is not None:
                raise watcher.problem
            if watcher.watch is not None and watcher.watch.active:
                present = self.selected(len(self.states) - 1, watcher.namespace, watcher.color)
                assert watcher.state == present


Model.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestModel = Model.TestCase

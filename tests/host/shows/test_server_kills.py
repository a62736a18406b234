"""`kill -9` of the server under write load: no acknowledged write is lost, no watcher misses or repeats an event.

WHERRY_KILLS says how often it is killed (20). The test starts the server itself, as the supervisor would wait longer
each time with a server that keeps dying.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.rest import Follower, Json, Refused, Rest, exchange
from wherry.testing.cluster import Cluster

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
KILLS = int(os.environ.get("WHERRY_KILLS", "20"))
PATH = "/api/v1/namespaces/default/configmaps"
WRITERS = 3
NAMES = 20


@dataclass
class Writer:
    """Creates, updates and deletes objects of its own, one after the other, and remembers what was acknowledged."""

    rest: Rest
    number: int
    stop: threading.Event
    moved: threading.Condition
    acknowledged: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Revision -> (name, value) of acknowledged creates and updates."""
    attempted: set[tuple[str, str]] = field(default_factory=set)
    deleted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    unsure: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refusals: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Until stopped."""
        connection = self.rest.connect()
        step = 0
        while not self.stop.is_set():
            step += 1
            name = f"w{self.number}-{step * 7 % NAMES}"
            try:
                self._write(connection, name, str(step), delete=step % 9 == 0)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self.rest.connect()
                time.sleep(0.01)  # the server is away
            except Refused as refused:
                if refused.status not in (404, 409) and refused.status < 500:
                    self.refusals.append(str(refused))
        connection.close()

    def _write(self, connection: http.client.HTTPSConnection, name: str, value: str, *, delete: bool) -> None:
        if delete:
            self.unsure[name] += 1
            exchange(connection, "DELETE", f"{PATH}/{name}")
            self.unsure[name] -= 1
            self.deleted[name] += 1
            return
        self.attempted.add((name, value))
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}
        try:
            done = exchange(connection, "PUT", f"{PATH}/{name}", item)
        except Refused as refused:
            if refused.status != 404:
                raise
            done = exchange(connection, "POST", PATH, item)
        with self.moved:
            self.acknowledged[int(done["metadata"]["resourceVersion"])] = (name, value)
            self.moved.notify_all()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of this test's own."""
    with Cluster(tmp_path / "cluster") as it:
        yield it


@contextlib.contextmanager
def serving(cluster: Cluster, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process of the test's own."""
    argv = [sys.executable, "-I", "-m", "wherry.cli.main", "server", "--root", cluster.config.root]
    with log.open("ab") as sink:
        process = subprocess.Popen(cluster.place.argv(argv), stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_no_acknowledged_write_is_lost_and_no_event_missed(own: Cluster, tmp_path: Path) -> None:
    for name in ("supervisor", "server"):
        os.kill(own.pid(name), signal.SIGKILL)
    rest = Rest(own.kubeconfig)
    stop, moved, dice = threading.Event(), threading.Condition(), random.Random(7)
    writers = [Writer(rest, number, stop, moved) for number in range(WRITERS)]
    threads = [threading.Thread(target=writer.run, daemon=True) for writer in writers]

    def acknowledged() -> int:
        return sum(len(writer.acknowledged) for writer in writers)

    def beyond(goal: int) -> Callable[[], bool]:
        return lambda: acknowledged() >= goal

    with serving(own, tmp_path / "log"):
        rest.wait_ready(10)
        follower = Follower(rest, PATH)
    with follower:
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            with serving(own, tmp_path / "log"), moved:
                more = beyond(acknowledged() + dice.randint(1, 60))
                assert moved.wait_for(more, 30), (tmp_path / "log").read_text()[-2000:]
        with serving(own, tmp_path / "log"):
            stop.set()
            for thread in threads:
                thread.join()
            rest.wait_ready(10)
            last = rest.call("POST", PATH, {"metadata": {"name": "last"}})
            follower.wait(lambda objects: "default/last" in objects, 30, "the last write")
            listed = rest.get(PATH)["items"]
    assert follower.breaks >= KILLS
    assert [refusal for writer in writers for refusal in writer.refusals] == []
    check(writers, follower.events, int(last["metadata"]["resourceVersion"]))
    assert {item["metadata"]["name"]: item for item in listed} == {
        item["metadata"]["name"]: item for item in follower.objects.values()
    }


def check(writers: list[Writer], events: list[tuple[str, Json]], last: int) -> None:
    """Every acknowledged write is one event, in order; every event is a write that was tried."""
    revisions = [int(item["metadata"]["resourceVersion"]) for _, item in events]
    assert revisions == sorted(set(revisions)), "an event came twice or out of order"
    assert revisions[-1] == last
    written = {
        int(item["metadata"]["resourceVersion"]): (item["metadata"]["name"], item["data"]["value"])
        for kind, item in events
        if kind != "DELETED" and item["metadata"]["name"].startswith("w")
    }
    gone: dict[str, int] = defaultdict(int)
    for kind, item in events:
        gone[item["metadata"]["name"]] += kind == "DELETED"
    for writer in writers:
        missing = {at: write for at, write in writer.acknowledged.items() if written.get(at) != write}
        assert missing == {}, "acknowledged writes that no event told of"
        mine = {write for write in written.values() if write[0].startswith(f"w{writer.number}-")}
        assert mine <= writer.attempted
        for name in {name for name, _ in writer.attempted}:
            assert writer.deleted[name] <= gone[name] <= writer.deleted[name] + writer.unsure[name]

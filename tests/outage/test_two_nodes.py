"""One of two nodes is frozen: its stateful pod is not replaced until somebody says that the node is off, or removes it.

`make outage`: that nothing happens takes longer to see than the agreed time, a minute.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lost_node import freeze
from tests.support.manifests import Json, processes, ready, statefulset
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
PODS = "/api/v1/namespaces/default/pods"
LOST = "wherry-2"
KEY = f"/{LOST}"
LONGER = 75.0
"""Seconds after which three nodes would have fenced one."""
OFF = "node.kubernetes.io/out-of-service"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Iterator[Cluster]:
    """A cluster of two nodes with a pod of a StatefulSet on each."""
    with Cluster(tmp_path_factory.mktemp("two") / "cluster", nodes=2) as it:
        it.load_image(tools)
        it.kubectl("apply", "-f", "-", stdin=json.dumps(statefulset("db", 2)))
        it.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
        yield it


@contextlib.contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """Every process of the node is stopped; they go on afterwards."""
    pids = freeze(cluster, LOST)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def there(cluster: Cluster) -> Json:
    """The pod on the node that is lost."""
    items = json.loads(cluster.kubectl("get", "pods", "-o", "json"))["items"]
    return next(item for item in items if item["spec"]["nodeName"] == LOST)


def replaced(found: dict[str, Json], old: Json) -> bool:
    """Whether a Ready pod on the other node has its name."""
    same = [one for one in found.values() if one["metadata"]["name"] == old["metadata"]["name"] and ready(one)]
    return any(one["metadata"]["uid"] != old["metadata"]["uid"] and one["spec"]["nodeName"] != LOST for one in same)


def is_ended(old: Json) -> bool:
    """Whether no process of it is left."""
    return not processes(old["status"]["containerStatuses"][0]["containerID"])


@pytest.mark.parametrize("word", ["out of service", "removed"])
def test_a_stateful_pod_waits_for_a_persons_word(two: Cluster, word: str) -> None:
    old, rest = there(two), Rest(two.kubeconfig)
    with Follower(rest, PODS) as pods, Follower(rest, "/api/v1/nodes") as nodes:
        with frozen(two):
            nodes.wait(lambda found: not ready(found[KEY]), 25, "the node is lost")
            time.sleep(LONGER - 20)
            assert there(two)["metadata"]["uid"] == old["metadata"]["uid"]
            said = time.monotonic()
            if word == "out of service":
                two.kubectl("taint", "node", LOST, f"{OFF}=:NoExecute")
            else:
                two.kubectl("delete", "node", LOST)
            pods.wait(lambda found: replaced(found, old), 75, "its successor runs elsewhere")
            print(f"{word}: replaced after {time.monotonic() - said:.1f} s")  # noqa: T201 - a figure
        nodes.wait(lambda found: KEY in found and ready(found[KEY]), 30, "the node is back")
        if word == "out of service":
            two.kubectl("taint", "node", LOST, f"{OFF}-")
        until = time.monotonic() + 20
        while not is_ended(old):
            assert time.monotonic() < until, "what ran twice from then on was not ended"
            time.sleep(0.1)
        two.kubectl("delete", "pod", old["metadata"]["name"])  # the next test wants it back where it was
        two.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
        pods.wait(lambda found: len({one["spec"].get("nodeName") for one in found.values()}) == 2, 30, "one on each")

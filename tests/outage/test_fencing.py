"""Three nodes, and the API cut from one of them, then from all: no stateful pod runs twice, or ends for nothing.

`make outage`: the agreed time alone is a minute.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.manifests import Json, deployment, processes, ready, statefulset
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Iterator[Cluster]:
    """A cluster of three nodes with a StatefulSet and a Deployment, one pod of each on every node at least."""
    with Cluster(tmp_path_factory.mktemp("fencing") / "cluster", nodes=3) as it:
        it.load_image(tools)
        for item in (statefulset("db", 3), deployment("web", replicas=6)):
            it.kubectl("apply", "-f", "-", stdin=json.dumps(item))
        it.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
        it.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        yield it


@pytest.fixture(autouse=True)
def promised(three: Cluster) -> None:
    """Every Lease holds a promise that names all three: within a moment of their being Ready, not a heartbeat."""
    everyone = list(three.node_names)

    def named() -> bool:
        leases = json.loads(three.kubectl("get", "leases", "-n", "kube-node-lease", "-o", "json"))["items"]
        told = [one["metadata"].get("annotations", {}).get("wherry.io/fencing", "") for one in leases]
        return [sorted(words.split(" ")[-1].split(",")) for words in told] == [everyone] * 3

    wait(named, 8, "a promise in every Lease that names all")


def wait(holds: Callable[[], bool], seconds: float, what: str) -> float:
    """Until it holds; how long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)
    return time.monotonic() - began


def cut(cluster: Cluster, node: str, *, off: bool) -> None:
    """Drop what the node and the API say to each other, in the cluster's namespace; others hear the node as before."""
    found = [one.address for one in cluster.config.machines() if one.name == node]
    if node == cluster.node_names[0]:
        found.append("127.0.0.1")
    table = f"ip cut_{node[-1]}"
    rules = f"delete table {table}\n"
    if off:
        rules = (
            f"add table {table}\n"
            f"add chain {table} c {{ type filter hook input priority -300; }}\n"
            f"add rule {table} c ip saddr {{ {', '.join(found)} }} tcp dport 6443 drop\n"
        )
    argv = cluster.place.argv(["nft", "-f", "-"])
    subprocess.run(argv, input=rules, text=True, check=True)


def db_on(cluster: Cluster, node: str) -> Json:
    """The StatefulSet's pod on a node."""
    items = json.loads(cluster.kubectl("get", "pods", "-l", "app=db", "-o", "json"))["items"]
    return next(item for item in items if item["spec"]["nodeName"] == node)


def alive(container: str) -> bool:
    """Whether any process of the container runs."""
    return any(True for pid in processes(container) if Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("agent", ["running", "stopped"])
def test_a_stateful_pod_is_dead_before_another_takes_its_place(three: Cluster, agent: str) -> None:
    lost = "wherry-2" if agent == "running" else "wherry-3"
    old = db_on(three, lost)
    container, name = old["status"]["containerStatuses"][0]["containerID"], old["metadata"]["name"]
    pid = processes(container)[0]
    process = Path(f"/proc/{pid}")
    rest = Rest(three.kubeconfig)
    began = time.monotonic()
    with Follower(rest, PODS) as pods:
        if agent == "running":
            cut(three, lost, off=True)
        else:
            subprocess.run(["kill", "-STOP", str(three.pid(f"agent-{lost}"))], check=True)
        try:
            pods.wait(lambda found: stateless_elsewhere(found, lost), 40, "six Ready pods elsewhere")
            stateless = time.monotonic() - began
            wait(lambda: not process.exists(), 60, "the old process is dead")
            dead = time.monotonic() - began
            pods.wait(lambda found: successor(found, name, old["metadata"]["uid"]), 40, "its successor runs elsewhere")
            replaced = time.monotonic() - began
        finally:
            if agent == "running":
                cut(three, lost, off=False)
            else:
                subprocess.run(["kill", f"-{signal.SIGCONT.value}", str(three.pid(f"agent-{lost}"))], check=True)
        three.kubectl("wait", f"node/{lost}", "--for=condition=Ready", "--timeout=30s")
        pods.wait(lambda found: len(found) == 9 and all(map(ready, found.values())), 60, "all Ready again")
    print(f"agent {agent}: stateless elsewhere {stateless:.1f} s, dead {dead:.1f} s, replaced {replaced:.1f} s")  # noqa: T201
    assert stateless < 30
    assert dead < replaced
    assert not alive(container)


def stateless_elsewhere(found: dict[str, Json], lost: str) -> bool:
    web = [one for one in found.values() if one["metadata"]["labels"].get("app") == "web"]
    return len([one for one in web if ready(one) and one["spec"]["nodeName"] != lost]) == 6


def successor(found: dict[str, Json], name: str, uid: str) -> bool:
    same = [one["metadata"] for one in found.values() if ready(one) and one["metadata"]["name"] == name]
    return any(meta["uid"] != uid for meta in same)


def test_where_the_api_is_gone_for_all_nothing_ends(three: Cluster) -> None:
    uids = {item["metadata"]["uid"] for item in pods_of(three)}
    restarts = sum(item["status"]["containerStatuses"][0]["restartCount"] for item in pods_of(three))
    for node in three.node_names:
        cut(three, node, off=True)
    try:
        time.sleep(80)
        states = {item["metadata"]["uid"]: item["metadata"].get("deletionTimestamp") for item in pods_of(three)}
        assert set(states) == uids
        assert set(states.values()) == {None}
    finally:
        for node in three.node_names:
            cut(three, node, off=False)
    took = wait(lambda: all_ready(three), 30, "all nodes Ready")
    print(f"all nodes Ready {took:.1f} s after the cut was mended")  # noqa: T201 - a figure, not a limit
    assert took < 15, "within a heartbeat"
    time.sleep(5)
    assert {item["metadata"]["uid"] for item in pods_of(three)} == uids
    assert sum(item["status"]["containerStatuses"][0]["restartCount"] for item in pods_of(three)) == restarts


def pods_of(cluster: Cluster) -> list[Json]:
    found: list[Json] = json.loads(cluster.kubectl("get", "pods", "-o", "json"))["items"]
    return found


def all_ready(cluster: Cluster) -> bool:
    text = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    return cluster.kubectl("get", "nodes", "-o", f"jsonpath={text}").split() == ["True"] * 3

"""`wherry delete` leaves the machine as it was before `wherry up`: processes, mounts, links, rules, groups, files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import machine
from tests.support.command import POD, Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    it = Cluster(tmp_path)
    yield it
    it.wherry("delete", "--yes", check=False)


@pytest.mark.host
@pytest.mark.looptime(False)
@pytest.mark.parametrize("nodes", [1, 2])
def test_the_machine_is_as_before(cluster: Cluster, nodes: int) -> None:
    before = machine.take()
    up = json.loads(cluster.wherry("up", "--nodes", str(nodes), "-o", "json"))
    assert up["changed"]
    cluster.apply(POD)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/still", "--timeout=60s")
    again = json.loads(cluster.wherry("up", "-o", "json"))
    assert not again["changed"], again["steps"]
    assert machine.differences(before, machine.take())
    cluster.wherry("delete", "--yes")
    assert machine.differences(before, machine.take()) == []
    assert not cluster.kubeconfig.exists()
    cluster.wherry("delete", "--yes")


@pytest.mark.host
@pytest.mark.looptime(False)
def test_down_stops_everything_and_up_brings_it_back(cluster: Cluster) -> None:
    before = machine.take()
    cluster.wherry("up")
    cluster.apply(POD)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/still", "--timeout=60s")
    uid = cluster.kubectl("get", "pod", "still", "-o", "jsonpath={.metadata.uid}")
    cluster.wherry("down")
    left = [line for line in machine.differences(before, machine.take()) if "/wherry" not in line]
    assert left == []
    assert not [line for line in machine.differences(before, machine.take()) if line.startswith("+ processes")]
    cluster.wherry("up")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/still", "--timeout=60s")
    assert cluster.kubectl("get", "pod", "still", "-o", "jsonpath={.metadata.uid}") == uid

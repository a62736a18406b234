"""`wherry delete` leaves the machine as it was before `wherry up`: processes, mounts, links, rules, groups, files."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import machine

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "still"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}],
        "containers": [
            {
                "name": "still",
                "image": "wherry.local/pause:1",
                "imagePullPolicy": "Never",
                "volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
            }
        ],
    },
}


class Cluster:
    """A cluster in its own root, under its own kubeconfig."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.kubeconfig = folder / "kubeconfig"

    def wherry(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        """Run the command line; its standard output."""
        argv = [sys.executable, "-m", "wherry.cli.main", *arguments]
        env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.root.parent),
            "KUBECONFIG": str(self.kubeconfig),
            "WHERRY_ROOT": str(self.root),
        }
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, input=stdin, timeout=180)
        if check and done.returncode:
            raise AssertionError(f"wherry {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done.stdout


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    it = Cluster(tmp_path)
    yield it
    it.wherry("delete", "--yes", check=False)


@pytest.mark.host
@pytest.mark.looptime(enabled=False)
@pytest.mark.parametrize("nodes", [1, 2])
def test_the_machine_is_as_before(cluster: Cluster, nodes: int) -> None:
    before = machine.take()
    up = json.loads(cluster.wherry("up", "--nodes", str(nodes), "-o", "json"))
    assert up["changed"]
    cluster.wherry("kubectl", "apply", "-f", "-", stdin=json.dumps(POD))
    cluster.wherry("kubectl", "wait", "--for=condition=Ready", "pod/still", "--timeout=60s")
    again = json.loads(cluster.wherry("up", "-o", "json"))
    assert not again["changed"], again["steps"]
    assert machine.differences(before, machine.take())
    cluster.wherry("delete", "--yes")
    assert machine.differences(before, machine.take()) == []
    assert not cluster.kubeconfig.exists()
    cluster.wherry("delete", "--yes")


@pytest.mark.host
@pytest.mark.looptime(enabled=False)
def test_down_stops_everything_and_up_brings_it_back(cluster: Cluster) -> None:
    before = machine.take()
    cluster.wherry("up")
    cluster.wherry("kubectl", "apply", "-f", "-", stdin=json.dumps(POD))
    cluster.wherry("kubectl", "wait", "--for=condition=Ready", "pod/still", "--timeout=60s")
    uid = cluster.wherry("kubectl", "get", "pod", "still", "-o", "jsonpath={.metadata.uid}")
    cluster.wherry("down")
    left = [line for line in machine.differences(before, machine.take()) if "/wherry" not in line]
    assert left == []
    assert not [line for line in machine.differences(before, machine.take()) if line.startswith("+ processes")]
    cluster.wherry("up")
    cluster.wherry("kubectl", "wait", "--for=condition=Ready", "pod/still", "--timeout=60s")
    assert cluster.wherry("kubectl", "get", "pod", "still", "-o", "jsonpath={.metadata.uid}") == uid

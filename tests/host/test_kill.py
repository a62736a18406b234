"""kill -9 of any wherry process: it is back at once, the API within two seconds, and no container notices."""

import json
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import POD, Cluster
from wherry.app import config as configuration
from wherry.app.config import Config
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest
from wherry.host import daemons

pytestmark = [pytest.mark.host, pytest.mark.looptime(False)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    it = Cluster(tmp_path_factory.mktemp("kill"))
    try:
        it.wherry("up")
        it.apply(POD)
        it.kubectl("wait", "--for=condition=Ready", "pod/still", "--timeout=60s")
        yield it
    finally:
        it.wherry("delete", "--yes", check=False)


@pytest.fixture
def config(cluster: Cluster) -> Config:
    found = configuration.load(cluster.root)
    assert found is not None
    return found


def pid_file(config: Config, name: str) -> Path:
    node = config.machines()[0].name
    return {
        "server": config.run / "server.pid",
        "agent": config.run / f"agent-{node}.pid",
        "containerd": config.node_run(node) / "containerd.pid",
        "supervisor": config.run / "supervisor.pid",
    }[name]


def containers(cluster: Cluster) -> list[tuple[str, int]]:
    """(container id, restarts) of the pod."""
    status = json.loads(cluster.kubectl("get", "pod", "still", "-o", "json"))["status"]
    return [(one["containerID"], one["restartCount"]) for one in status["containerStatuses"]]


def kill(path: Path) -> daemons.Process:
    process = daemons.read_pid(path)
    assert process is not None, path
    os.kill(process.pid, signal.SIGKILL)
    return process


def until_new(path: Path, old: daemons.Process, seconds: float = 10) -> None:
    """Wait for another process in the pid file."""
    end = time.monotonic() + seconds
    while (now := daemons.read_pid(path)) is None or now == old:
        assert time.monotonic() < end, f"{path.name} did not come back"
        select.select([], [], [], 0.01)


def until_ready(config: Config, seconds: float) -> float:
    """Seconds until the API is ready again."""
    begun = time.monotonic()
    rest = Rest(config, timeout=2)
    while True:
        try:
            rest.text("/readyz")
        except (ApiUnreachable, ApiRefused):
            assert time.monotonic() < begun + seconds, "the API did not come back"
            select.select([], [], [], 0.01)
        else:
            return time.monotonic() - begun


@pytest.mark.parametrize("names", [["server"], ["agent"], ["containerd"], ["server", "agent", "containerd"]])
def test_no_container_notices(cluster: Cluster, config: Config, names: list[str]) -> None:
    before = containers(cluster)
    paths = [pid_file(config, name) for name in names]
    killed = [kill(path) for path in paths]
    gap = until_ready(config, 15)
    for path, process in zip(paths, killed, strict=True):
        until_new(path, process)
    if "server" in names:
        assert gap < 2, f"the API was away for {gap:.2f} s"
    assert containers(cluster) == before
    logs = cluster.kubectl("get", "pod", "still", "-o", "jsonpath={.status.phase}")
    assert logs == "Running"


def test_units_outlive_their_supervisor_and_a_new_one_adopts_them(cluster: Cluster, config: Config) -> None:
    server = daemons.read_pid(pid_file(config, "server"))
    kill(pid_file(config, "supervisor"))
    assert daemons.read_pid(pid_file(config, "server")) == server
    up = json.loads(cluster.wherry("up", "-o", "json"))
    assert up["changed"]
    assert daemons.read_pid(pid_file(config, "server")) == server
    old = kill(pid_file(config, "server"))
    until_new(pid_file(config, "server"), old)
    until_ready(config, 15)


def test_a_killed_container_is_back_within_a_second(cluster: Cluster, config: Config) -> None:
    ((before, restarts),) = containers(cluster)
    (group,) = [
        folder
        for folder in Path("/sys/fs/cgroup").glob(f"**/{config.cgroup().strip('/')}/**/{before.rpartition('/')[2]}")
        if (folder / "cgroup.procs").read_text().strip()
    ][:1]
    begun = time.monotonic()
    os.kill(int((group / "cgroup.procs").read_text().split()[0]), signal.SIGKILL)
    while True:
        ((after, count),) = containers(cluster)
        if after != before:
            break
        assert time.monotonic() < begun + 5, "the container was not started again"
    assert count == restarts + 1
    assert time.monotonic() - begun < 2  # with the time that kubectl takes

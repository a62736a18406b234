"""One release takes another's place and gives it back, on a running cluster: nobody notices.

Two builds of this tree stand for the releases; in the second every container has a field more, with a default. Pods
keep their processes, endpoints stay Ready, requests are answered, the API is away for less than five seconds; killed at
any step, the upgrade is finished by running it again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.builds import ADDED_FIELD, Change, altered, build
from tests.support.load import Load
from tests.support.manifests import Json, deployment, processes, service
from tests.support.rest import Follower, Rest
from wherry.host import daemons
from wherry.testing.cluster import Cluster, CommandFailed

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
OLD, NEW = "7.1.0", "7.2.0"
PORT = 30087
REPLICAS = 10
PODS = "/api/v1/namespaces/default/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
BROKEN = Change("app/agent.py", "    memory.begin()\n", '    raise RuntimeError("this release is broken")\n')


class Releases(NamedTuple):
    """Interpreters."""

    old: Path
    new: Path
    broken: Path


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two builds, and one of the later version whose agent does not start."""
    folder = tmp_path_factory.mktemp("releases")
    new = build(folder, NEW, ADDED_FIELD)
    return Releases(build(folder, OLD), new, altered(new, folder / "broken", [BROKEN]))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, tools: Path, releases: Releases) -> Iterator[Cluster]:
    """A cluster of the old release with ten Ready web servers."""
    with Cluster(tmp_path_factory.mktemp("upgrade") / "cluster", start=False) as it:
        it.python = str(releases.old)
        it.up()
        it.load_image(tools)
        for item in (deployment("web", replicas=REPLICAS), service("web", node_port=PORT)):
            it.kubectl("apply", "-f", "-", stdin=json.dumps(item))
        it.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
        yield it


@pytest.fixture
def rest(own: Cluster) -> Rest:
    return Rest(own.kubeconfig)


def upgrade(cluster: Cluster, python: Path, *flags: str) -> Json:
    """Run the command of a release; what it says."""
    cluster.python = str(python)
    answer: Json = json.loads(cluster.wherry("upgrade", "-o", "json", *flags))
    return answer


class Incarnation(NamedTuple):
    restarts: int
    started: str
    process: daemons.Process | None


def running(objects: dict[str, Json]) -> dict[str, Incarnation]:
    """Container ID -> how often it was restarted, when it was started, its first process."""
    found = {}
    for item in objects.values():
        for status in item["status"]["containerStatuses"]:
            identity = status["containerID"]
            process = daemons.find(processes(identity)[0])
            found[identity] = Incarnation(status["restartCount"], status["state"]["running"]["startedAt"], process)
    return found


def flaps(events: list[tuple[str, Json]]) -> list[Json]:
    """Endpoints that were not ready at some moment."""
    ends = [end for _, item in events for end in item.get("endpoints") or ()]
    return [end for end in ends if not end["conditions"].get("ready", True)]


def says(rest: Rest, release: str) -> None:
    """Everything says that it is of this release."""
    wanted = f"v1.37.2+wherry-{release}"
    assert rest.get("/version")["gitVersion"] == wanted
    (node,) = rest.get("/api/v1/nodes")["items"]
    assert node["status"]["nodeInfo"]["kubeletVersion"] == wanted


def programs(cluster: Cluster) -> set[str]:
    """The interpreters that run wherry's processes."""
    pids = [cluster.pid(name) for name in ("supervisor", "server", "agent")]
    return {Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] for pid in pids}


@pytest.mark.parametrize("back", [False, True], ids=["up", "back"])
def test_nobody_notices(own: Cluster, rest: Rest, releases: Releases, back: bool) -> None:
    before, after = (NEW, OLD) if back else (OLD, NEW)
    python = releases.old if back else releases.new
    supervisor, containerd = own.pid("supervisor"), own.pid("containerd")
    with Follower(rest, PODS) as pods, Follower(rest, SLICES) as slices, Load(own.address, PORT) as load:
        load.more(50)
        there = running(pods.objects)
        assert len(there) == REPLICAS
        told = upgrade(own, python)
        load.more(100)
        own.kubectl("apply", "-f", "-", stdin=json.dumps(deployment("web", replicas=REPLICAS)))
        own.kubectl("annotate", "--overwrite", "service/web", f"test={after}")  # the watches follow the new server
        rest_says = json.loads(own.kubectl("get", "deployment", "web", "-o", "json"))["status"]
        load.more(50)
        assert running(pods.objects) == there
    print(f"{before} -> {after}: {told['seconds']} s, API away for at most {told['apiAwaySeconds']} s")  # noqa: T201
    print(f"{load.total} requests, longest {load.longest:.3f} s; watches resumed {pods.breaks} times")  # noqa: T201
    assert (told["changed"], told["from"], told["to"], told["restarted"]) == (True, before, after, [])
    assert load.failures == []
    assert flaps(slices.events) == []
    assert (pods.fault, slices.fault) == ("", "")
    assert told["apiAwaySeconds"] < 5
    assert Path(told["copy"]).name == f"state-{before}.db"
    assert (own.pid("supervisor"), own.pid("containerd")) == (supervisor, containerd)
    assert programs(own) == {str(python)}
    assert rest_says["readyReplicas"] == REPLICAS
    says(rest, after)
    again = upgrade(own, python)
    assert (again["changed"], again["moves"], again["supervisor"]) == (False, [], None)
    assert json.loads(own.wherry("version", "-o", "json"))["running"]["server"] == after


def interrupted(cluster: Cluster, python: Path, after: str) -> None:
    """Run the command, and kill it as soon as this step has begun or, where none is given, ended."""
    argv = cluster.place.argv([str(python), "-m", "wherry.cli.main", "upgrade"])
    env = {**os.environ, "WHERRY_ROOT": cluster.config.root}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if after in line:
                process.send_signal(signal.SIGKILL)
                break


@pytest.mark.parametrize("step", ["make keys", "hand over the supervisor", "replace the server"])
def test_an_upgrade_that_is_killed_is_finished_by_the_next(
    own: Cluster, rest: Rest, releases: Releases, step: str
) -> None:
    with Follower(rest, PODS) as pods, Follower(rest, SLICES) as slices, Load(own.address, PORT) as load:
        load.more(20)
        there = running(pods.objects)
        interrupted(own, releases.new, step)
        for moment in (0.05, 0.3):  # and killed again in the middle of whatever comes then
            process = subprocess.Popen(
                own.place.argv([str(releases.new), "-m", "wherry.cli.main", "upgrade"]),
                env={**os.environ, "WHERRY_ROOT": own.config.root}, stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(2 + moment)
            process.kill()
            process.wait()
        upgrade(own, releases.new)
        says(rest, NEW)
        assert programs(own) == {str(releases.new)}
        upgrade(own, releases.old)
        says(rest, OLD)
        assert running(pods.objects) == there
        load.more(20)
    assert load.failures == []
    assert flaps(slices.events) == []


def test_what_fails_is_taken_back(own: Cluster, rest: Rest, releases: Releases) -> None:
    with Follower(rest, PODS) as pods, Load(own.address, PORT) as load:
        load.more(20)
        there = running(pods.objects)
        with pytest.raises(CommandFailed) as caught:
            upgrade(own, releases.broken)
        assert running(pods.objects) == there
        load.more(20)
    said = str(caught.value)
    assert "exit status 1" in said
    assert "Traceback" not in said
    assert f"everything runs wherry {OLD} again; see `wherry logs server` and `wherry logs agent`" in said
    assert load.failures == []
    says(rest, OLD)
    assert programs(own) == {str(releases.old)}
    assert not (own.config.state / "upgrade.json").exists()


def test_up_of_another_release_does_not_replace_all_at_once(own: Cluster, releases: Releases) -> None:
    own.python = str(releases.new)
    said = own.wherry("up", check=False)
    own.python = str(releases.old)
    assert f"runs wherry {OLD}, and this is {NEW}; replace it in place with `wherry upgrade`" in said

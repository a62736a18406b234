"""Two releases for tests of upgrades, made from this tree, and what is looked at while one takes the other's place.

In the later one every container has a field more, with a default; a third build of it has an agent that does not start.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.support.builds import ADDED_FIELD, Change, altered, build
from tests.support.manifests import Json, deployment, processes, service
from tests.support.rest import Rest
from wherry.host import daemons
from wherry.testing.cluster import Cluster

OLD, NEW = "7.1.0", "7.2.0"
REPLICAS = 10
PORT = 30087
PODS = "/api/v1/namespaces/default/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
_BROKEN = Change("app/agent.py", "    memory.begin()\n", '    raise RuntimeError("this release is broken")\n')


class Releases(NamedTuple):
    """Interpreters."""

    old: Path
    new: Path
    broken: Path


def make(folder: Path) -> Releases:
    """Build them."""
    new = build(folder, NEW, ADDED_FIELD)
    return Releases(build(folder, OLD), new, altered(new, folder / "broken", [_BROKEN]))


def serve(cluster: Cluster, tools: Path, releases: Releases) -> None:
    """Bring the cluster up with the old release, and ten Ready web servers behind a node port in it."""
    cluster.python = str(releases.old)
    cluster.up()
    cluster.load_image(tools)
    apply(cluster)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=90s")


def apply(cluster: Cluster) -> None:
    """Apply the web servers; a second time, this changes nothing."""
    for item in (deployment("web", replicas=REPLICAS), service("web", node_port=PORT)):
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(item))


def replace_package(python: Path, other: Path) -> None:
    """Put the other environment's wherry in the place of this one's, as `pip install --upgrade` does."""
    (ours,), (theirs,) = ([*one.parents[1].glob("lib/python*/site-packages")] for one in (python, other))
    for path in ours.glob("wherry*"):
        shutil.rmtree(path)
    for path in theirs.glob("wherry*"):
        shutil.copytree(path, ours / path.name)


def upgrade(cluster: Cluster, python: Path, *flags: str) -> Json:
    """Run the command of a release; what it says."""
    cluster.python = str(python)
    answer: Json = json.loads(cluster.wherry("upgrade", "-o", "json", *flags, timeout=300))
    return answer


class Incarnation(NamedTuple):
    """How often a container was restarted, when it was started, and its first process."""

    restarts: int
    started: str
    process: daemons.Process | None


def running(objects: dict[str, Json]) -> dict[str, Incarnation]:
    """Container ID -> its present incarnation."""
    found = {}
    for item in objects.values():
        for status in item["status"]["containerStatuses"]:
            identity = status["containerID"]
            process = daemons.find(processes(identity)[0])
            found[identity] = Incarnation(status["restartCount"], status["state"]["running"]["startedAt"], process)
    return found


def flaps(events: list[tuple[str, Json]]) -> list[Json]:
    """Endpoints of the web servers that were not ready at some moment."""
    slices = [item for _, item in events if item["metadata"]["labels"].get("kubernetes.io/service-name") == "web"]
    return [end for item in slices for end in item.get("endpoints") or () if not end["conditions"].get("ready", True)]


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

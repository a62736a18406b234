"""A cluster of an earlier revision of this repository becomes one of today's, and that again: nobody is replaced.

What the server writes has changed since (empty structs, accounts of controllers): what is stored in the old way is
still known for the same. `make upgrade-test`, with the history of the repository; WHERRY_EARLIER= is another revision.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import builds
from tests.support import releases as made
from tests.support.load import Load
from tests.support.manifests import Json, statefulset
from tests.support.releases import NEW, OLD, PODS, PORT, REPLICAS, Releases, running
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
EARLIER = "f9e110f68af1e00fc2d29f4a49fbc5ffb2b71311"
"""The last revision whose objects were written without empty structs."""
KINDS = "deployments,statefulsets,daemonsets,replicasets,controllerrevisions"
ALL = REPLICAS + 2 + 1


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """That revision, and this tree."""
    folder = tmp_path_factory.mktemp("releases")
    new = builds.build(folder, NEW)
    tree = builds.earlier(folder, os.environ.get("WHERRY_EARLIER", EARLIER))
    return Releases(builds.build(folder, OLD, root=tree), new, new)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, tools: Path, releases: Releases) -> Iterator[Cluster]:
    """A cluster of the earlier one with a Deployment, a StatefulSet and a DaemonSet."""
    with Cluster(tmp_path_factory.mktemp("upgrade") / "cluster", start=False) as it:
        made.serve(it, tools, releases)
        for item in (statefulset("db", 2), daemonset("each")):
            it.kubectl("apply", "-f", "-", stdin=json.dumps(item))
        for name in ("statefulset/db", "daemonset/each"):
            it.kubectl("rollout", "status", name, "--timeout=90s")
        yield it


def daemonset(name: str) -> Json:
    """The pods of a StatefulSet, one on each node."""
    pods = statefulset(name, 1)["spec"]
    spec = {name: pods[name] for name in ("selector", "template")}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name}, "spec": spec}


def owners(cluster: Cluster) -> dict[str, tuple[str, int]]:
    """Kind and name of everything that makes pods, with its uid and generation."""
    items = json.loads(cluster.kubectl("get", KINDS, "-o", "json"))["items"]
    names = {f"{one['kind']}/{one['metadata']['name']}": one["metadata"] for one in items}
    return {name: (meta["uid"], meta.get("generation", 0)) for name, meta in names.items()}


@pytest.mark.parametrize("back", [False, True], ids=["up", "back"])
def test_nobody_is_replaced(own: Cluster, releases: Releases, back: bool) -> None:
    python = releases.old if back else releases.new
    made_by = owners(own)
    with Follower(Rest(own.kubeconfig), PODS) as pods, Load(own.address, PORT) as load:
        load.more(50)
        there = running(pods.objects)
        assert len(there) == ALL
        told = made.upgrade(own, python)
        load.more(100)
        made.apply(own)
        for name in ("deployment/web", "statefulset/db", "daemonset/each"):
            # whoever looks after it has looked at what this server serves
            own.kubectl("annotate", "--overwrite", name, f"test={told['to']}")
            own.kubectl("rollout", "status", name, "--timeout=60s")
        load.more(50)
        assert running(pods.objects) == there
    assert owners(own) == made_by
    assert load.failures == []
    assert (told["changed"], told["restarted"]) == (True, [])

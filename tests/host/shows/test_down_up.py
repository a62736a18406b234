"""`down` and `up` bring the same objects and data back, at another address too; `delete` leaves nothing."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import machine
from tests.support.manifests import Json, deployment, pod, service
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
PORT = 30083
KINDS = "deployments,statefulsets,replicasets,pods,services,configmaps,secrets,persistentvolumeclaims,persistentvolumes"
CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
}


@pytest.fixture
def own(tmp_path: Path, tools: Path) -> Iterator[Cluster]:
    """A cluster of this test's own."""
    with Cluster(tmp_path / "cluster") as it:
        it.load_image(tools)
        yield it


def database() -> Json:
    """A StatefulSet of one with a claim."""
    template = pod("db", container={"volumeMounts": [{"name": "data", "mountPath": "/var/data"}]})
    meta = {"labels": {"app": "db"}}
    spec = {
        "serviceName": "db",
        "replicas": 1,
        "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": meta, "spec": {**template["spec"], "terminationGracePeriodSeconds": 5}},
        "volumeClaimTemplates": [CLAIM],
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}


def identities(cluster: Cluster) -> dict[str, str]:
    """Kind and name -> uid of everything."""
    items = json.loads(cluster.kubectl("get", KINDS, "-A", "-o", "json"))["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"] for one in items}


def all_ready(cluster: Cluster) -> None:
    for what in ("deployment/web", "statefulset/db"):
        cluster.kubectl("rollout", "status", what, "--timeout=60s")
    cluster.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")


def ask(cluster: Cluster) -> str:
    client = http.client.HTTPConnection(cluster.address, PORT, timeout=10)
    try:
        client.request("GET", "/")
        return client.getresponse().read().decode().split()[0]
    finally:
        client.close()


def picture(cluster: Cluster) -> machine.Picture:
    """What there is in the cluster's network namespace, and on the machine of this cluster."""
    argv = cluster.place.argv([sys.executable, "-m", "tests.support.machine"])
    taken: machine.Picture = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    inside = ("links", "addresses", "routes", "rules")
    ours = (cluster.config.root, str(cluster.config.run), cluster.config.cgroup())
    return {
        kind: [line for line in lines if kind in inside or any(word in line for word in ours)]
        for kind, lines in taken.items()
    }


def test_objects_and_data_outlive_down_and_a_new_address(own: Cluster) -> None:
    for item in (database(), deployment("web", replicas=2), service("web", node_port=PORT)):
        own.kubectl("apply", "-f", "-", stdin=json.dumps(item))
    all_ready(own)
    own.kubectl("exec", "db-0", "--", "sh", "-c", "echo precious > /var/data/file")
    assert ask(own) == "1"
    before = identities(own)
    was = own.address
    own.down("--grace", "5")
    assert [line for line in picture(own)["processes"] if own.config.root in line] == []
    own.move(host=3)
    own.up()
    assert own.address != was
    all_ready(own)
    assert identities(own) == before
    assert own.kubectl("exec", "db-0", "--", "cat", "/var/data/file") == "precious\n"
    assert ask(own) == "1"
    addresses = own.kubectl(
        "get", "nodes", "-o", "jsonpath={.items[*].status.addresses[?(@.type=='InternalIP')].address}"
    )
    assert addresses == own.address
    inside = own.kubectl("get", "endpoints", "kubernetes", "-o", "jsonpath={.subsets[*].addresses[*].ip}")
    assert inside == own.address
    own.kubectl("delete", "pod", "db-0", "--timeout=60s")
    all_ready(own)
    assert own.kubectl("exec", "db-0", "--", "cat", "/var/data/file") == "precious\n"


def test_delete_leaves_nothing(tmp_path: Path, tools: Path) -> None:
    with Cluster(tmp_path / "cluster", start=False) as own:
        before = picture(own)
        own.up()
        own.load_image(tools)
        for item in (database(), deployment("web"), service("web", node_port=PORT)):
            own.kubectl("apply", "-f", "-", stdin=json.dumps(item))
        all_ready(own)
        assert machine.differences(before, picture(own)) != []
        own.wherry("delete", "--yes")
        assert machine.differences(before, picture(own)) == []

"""WordPress on three nodes, and one of them lost: its visitors notice nothing.

The database is on the first node, which stays: where it is lost too, there is no site until it is replaced.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.load import wordpress
from tests.support.lost_node import Site, lose
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
REPLICAS = 3
SPREAD = {
    "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": {"tier": "web"}},
}  # fmt: skip
INSIDE = "/spec/template/spec"


def test_visitors_of_wordpress_notice_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("site")
    with Cluster(folder / "cluster", nodes=3) as cluster:
        wordpress.load_images(cluster)
        first, lost, _ = cluster.node_names
        cluster.kubectl("apply", "-k", str(changed(folder / "changed", first)))
        in_namespace(cluster, "apply", "-f", str(wordpress.EXAMPLE / "scaled/ingress.yaml"))
        for what in ("statefulset/database", "deployment/web"):
            in_namespace(cluster, "rollout", "status", what, "--timeout=300s")
        in_namespace(cluster, "wait", "job/install", "--for=condition=complete", "--timeout=300s")
        course = lose(cluster, Site(wordpress.HOST, wordpress.NAMESPACE, "tier%3Dweb", REPLICAS), lost, clients=1)
        print(f"WordPress: {course.text()}")  # noqa: T201 - figures
        course.check()


def changed(folder: Path, database: str) -> Path:
    """The example with its database on that node, and web servers on all, without the volume that holds them together:
    a kustomization."""
    folder.mkdir()
    web = [
        {"op": "replace", "path": "/spec/replicas", "value": REPLICAS},
        {"op": "replace", "path": f"{INSIDE}/volumes/0", "value": {"name": "uploads", "emptyDir": {}}},
        {"op": "add", "path": f"{INSIDE}/topologySpreadConstraints", "value": [SPREAD]},
    ]
    there = [{"op": "add", "path": f"{INSIDE}/nodeSelector", "value": {"kubernetes.io/hostname": database}}]
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(wordpress.EXAMPLE / "base", folder.resolve())],
        "patches": [
            {"target": {"kind": "Deployment", "name": "web"}, "patch": json.dumps(web)},
            {"target": {"kind": "StatefulSet", "name": "database"}, "patch": json.dumps(there)},
        ],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(content))
    return folder


def in_namespace(cluster: Cluster, *words: str) -> None:
    cluster.kubectl("-n", wordpress.NAMESPACE, *words, timeout=310)

"""WordPress on three nodes, and one of them lost: its visitors notice nothing.

The database is on the first node, which stays: where it is lost too, there is no site until it is replaced.
"""

from __future__ import annotations

import json

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
    with Cluster(tmp_path_factory.mktemp("site") / "cluster", nodes=3) as cluster:
        wordpress.load_images(cluster)
        first, lost, _ = cluster.node_names
        folder = wordpress.EXAMPLE
        cluster.kubectl("apply", "-k", str(folder / "base"))
        in_namespace(cluster, "apply", "-f", str(folder / "scaled/ingress.yaml"))
        patch(cluster, "statefulset/database", {f"{INSIDE}/nodeSelector": {"kubernetes.io/hostname": first}})
        patch(
            cluster,
            "deployment/web",
            {
                "/spec/replicas": REPLICAS,
                f"{INSIDE}/volumes/0": {"name": "uploads", "emptyDir": {}},  # the example's holds them together
                f"{INSIDE}/topologySpreadConstraints": [SPREAD],
            },
        )
        for what in ("statefulset/database", "deployment/web"):
            in_namespace(cluster, "rollout", "status", what, "--timeout=110s")
        in_namespace(cluster, "wait", "job/install", "--for=condition=complete", "--timeout=110s")
        course = lose(cluster, Site(wordpress.HOST, wordpress.NAMESPACE, "tier%3Dweb", REPLICAS), lost, clients=1)
        print(f"WordPress: {course.text()}")  # noqa: T201 - figures
        course.check()


def in_namespace(cluster: Cluster, *words: str) -> None:
    cluster.kubectl("-n", wordpress.NAMESPACE, *words)


def patch(cluster: Cluster, what: str, fields: dict[str, object]) -> None:
    """What is another way here than in the example."""
    operations = []
    for path, value in fields.items():
        place = path.endswith("volumes/0")
        operations.append({"op": "replace" if place else "add", "path": path, "value": value})
    in_namespace(cluster, "patch", what, "--type=json", "-p", json.dumps(operations))

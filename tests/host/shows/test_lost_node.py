"""A node of three is lost, and a site with TLS never fails a request that was sent to another: a small application.

`make outage` does the same with WordPress (`tests/outage/test_site.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.lost_node import Site, lose
from tests.support.manifests import Json, deployment, service
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
HOST = "site.test"


def test_no_request_to_a_live_node_fails(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> None:
    with Cluster(tmp_path_factory.mktemp("lost") / "cluster", nodes=3) as cluster:
        cluster.load_image(tools)
        for item in (deployment("web", replicas=3, topologySpreadConstraints=[spread("web")]), service("web"), entry()):
            cluster.kubectl("apply", "-f", "-", stdin=json.dumps(item))
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
        cluster.kubectl("wait", "secret/web-wherry-tls", "--for=create", "--timeout=30s")
        course = lose(cluster, Site(HOST, "default", "app%3Dweb", 3), cluster.node_names[1], before=2, after=4)
        print(course.text())  # noqa: T201 - figures
        course.check()


def spread(name: str) -> Json:
    """One on each node."""
    return {
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": name}},
    }  # fmt: skip


def entry() -> Json:
    """The Ingress."""
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rules = [{"host": HOST, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    spec = {"tls": [{"hosts": [HOST]}], "rules": rules}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}

"""A Deployment is updated, restarted, rolled back and scaled under constant load, and no request fails."""

from __future__ import annotations

import json

import pytest

from tests.support.load import Load
from tests.support.manifests import deployment, service
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
PORT = 30082


def test_no_request_fails_while_pods_are_replaced(cluster: Cluster, namespace: str) -> None:
    def kubectl(*words: str, stdin: str = "") -> None:
        cluster.kubectl(*words, "-n", namespace, stdin=stdin)

    def rolled_out() -> None:
        kubectl("rollout", "status", "deployment/web", "--timeout=60s")

    for item in (deployment("web", replicas=3), service("web", node_port=PORT)):
        kubectl("apply", "-f", "-", stdin=json.dumps(item))
    rolled_out()
    with Load(cluster.address, PORT) as load:
        load.more(100)
        kubectl("set", "env", "deployment/web", "VERSION=2")
        rolled_out()
        load.more(100)
        assert {answer.split()[0] for answer in load.answers} == {"1", "2"}
        kubectl("rollout", "restart", "deployment/web")
        rolled_out()
        kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
        rolled_out()
        kubectl("scale", "deployment/web", "--replicas=1")
        rolled_out()
        kubectl("scale", "deployment/web", "--replicas=4")
        rolled_out()
        load.more(100)
        kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=4", "--timeout=30s")
    assert load.failures == []
    served = set(load.answers)
    assert len(served) >= 3 + 3 + 3 + 3 + 3, served

"""client-go by itself: protobuf, informers, watches that resume, exec over SPDY and over WebSocket."""

from __future__ import annotations

import json
import os

import pytest

from tests.clients import program
from tests.support.manifests import pod
from wherry.testing.cluster import Cluster, run

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]


@pytest.mark.parametrize("name", ["TestProtobuf", "TestInformer", "TestWatchResumes", "TestExec"])
def test_client_go(cluster: Cluster, namespace: str, name: str) -> None:
    if name == "TestExec":
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(pod("one")))
        cluster.kubectl("wait", "-n", namespace, "pod/one", "--for=condition=Ready", "--timeout=60s")
    env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "NAMESPACE": namespace}
    argv = [str(program.build() / "operator.test"), f"-test.run=^{name}$", "-test.v", "-test.count=1"]
    assert f"--- PASS: {name} (" in run(argv, env=env, check=True, stdin="", timeout=120)

"""Use is shown without add-ons, and load adds replicas within ten seconds."""

from __future__ import annotations

import json
import time

import pytest

from tests.load import small
from tests.load.climb import Scaled, climb
from tests.support.image import TOOLS
from tests.support.manifests import deployment
from tests.support.rest import Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
# half a core at most while /tmp/busy exists
BURN = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
WORK = f"mkdir -p /tmp; while :; do if [ -e /tmp/busy ]; then {BURN}; else sleep 0.2; fi; done"
CONTAINER = {
    "name": "web",
    "image": TOOLS,
    "command": ["/bin/sh", "-c", WORK],
    "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}},
}
SCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 3,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
    },
}


def test_replicas_follow_the_load(cluster: Cluster, namespace: str) -> None:
    def kubectl(*words: str, stdin: str = "", check: bool = True) -> str:
        return cluster.kubectl("-n", namespace, *words, stdin=stdin, check=check)

    def until(what: str, wanted: str, seconds: float) -> float:
        began = time.monotonic()
        while (seen := kubectl("get", "deployment/web", "-o", f"jsonpath={what}")) != wanted:
            assert time.monotonic() - began < seconds, (seen, kubectl("describe", "hpa/web"))
            time.sleep(0.1)
        return time.monotonic() - began

    item = deployment("web")
    item["spec"]["template"]["spec"] = {"containers": [CONTAINER], "terminationGracePeriodSeconds": 1}
    kubectl("apply", "-f", "-", stdin=json.dumps(item))
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    rows = kubectl("top", "pods", "--no-headers").split()
    assert rows[0].startswith("web-")
    assert rows[1].endswith("m")
    assert "%" in cluster.kubectl("top", "nodes", "--no-headers")
    assert "web" in kubectl("top", "pods", "--containers", "--no-headers")

    kubectl("apply", "-f", "-", stdin=json.dumps(SCALER))
    kubectl("wait", "hpa/web", "--for=condition=ScalingActive", "--timeout=30s")
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "1"
    kubectl("exec", "deployment/web", "--", "touch", "/tmp/busy")
    took = until("{.spec.replicas}", "3", 30)
    print(f"three replicas {took:.1f} s after the load began")  # noqa: T201 - a figure, not a limit
    assert "New size: 3; reason: cpu resource utilization (percentage of request) above target" in kubectl(
        "describe", "hpa/web"
    )
    for pod in kubectl("get", "pods", "-l", "app=web", "-o", "name").split():
        kubectl("exec", pod, "--", "rm", "-f", "/tmp/busy", check=False)
    until("{.spec.replicas}", "1", 60)


def test_ten_times_the_visitors(cluster: Cluster, namespace: str, rest: Rest) -> None:
    """From outside, at https: replicas within ten seconds, fewer afterwards, and no visitor is turned away. The
    example's WordPress is put to the same by `make show-load`."""
    site = small.install(cluster, namespace, "visitors.test", most=3)
    scaled = Scaled(rest, namespace, small.NAME, f"app={small.NAME}", small.MILLI, small.PERCENT)
    told = climb(scaled, site, 1.0, quiet=6, high=15)
    assert told.served - told.over <= 20, told
    cluster.kubectl("-n", namespace, "delete", f"ingress/{small.NAME}")

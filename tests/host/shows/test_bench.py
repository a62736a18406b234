"""`wherry bench` on a real cluster: what it finds on one as it is made, and what it finds when something is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.manifests import pod
from tests.support.rest import Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]


def bench(cluster: Cluster, *arguments: str, check: bool = False) -> dict[str, dict[str, Any]]:
    """The findings by id."""
    found = json.loads(cluster.wherry("bench", "-o", "json", *arguments, check=check))
    return {one["id"]: one for one in found}


def having(findings: dict[str, dict[str, Any]], *statuses: str) -> set[str]:
    return {id for id, one in findings.items() if one["status"] in statuses}


def test_bench_of_a_cluster_as_it_is_made(cluster: Cluster) -> None:
    findings = bench(cluster, check=True)
    assert len(findings) == 131
    assert having(findings, "fail") == set(), findings
    looked_at = {id: one for id, one in findings.items() if id.startswith(("1.", "2.", "4."))}
    assert having(looked_at, "warn") == {"1.2.11"}, looked_at
    assert set(bench(cluster, "--only", "1.1,4.3", check=True)) == {
        id for id in findings if id.startswith(("1.1.", "4.3."))
    }
    text = cluster.wherry("bench", "--only", "1.3.3")
    assert "1.3.3   pass           Each controller has an account of its own" in text
    assert "1 checks: 1 pass" in text


def test_bench_sees_what_is_wrong(cluster: Cluster, rest: Rest, namespace: str) -> None:
    """Files of the node, pods, rights: as they are, not as they should be."""
    key = cluster.config.node_pair(cluster.node_names[0], "client").key
    grim = pod(
        "grim", "sleep 600", hostNetwork=True, hostPID=True,
        volumes=[{"name": "etc", "hostPath": {"path": "/etc"}}], container={"securityContext": {"privileged": True}},
    )  # fmt: skip
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(grim))
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/grim", "--timeout=60s")
    cluster.kubectl("create", "clusterrolebinding", "eve", "--clusterrole=cluster-admin", "--user=eve")
    key.chmod(0o644)
    try:
        findings = bench(cluster)
    finally:
        key.chmod(0o600)
        cluster.kubectl("delete", "clusterrolebinding", "eve")
    assert having(findings, "fail") == {"4.1.5"}
    assert findings["4.1.5"]["evidence"] == [f"{cluster.node_names[0]}: {key} has mode 644"]
    warned = having(findings, "warn")
    assert warned >= {"4.1.3", "4.2.13", "4.2.14", "5.1.1", "5.1.2", "5.1.5", "5.2.2", "5.2.3", "5.2.5", "5.2.11"}
    assert findings["5.1.1"]["evidence"] == ["User eve, by eve"]
    assert f"pod {namespace}/grim is privileged" in findings["5.2.2"]["evidence"]

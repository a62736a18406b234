"""Three nodes on one machine: pods everywhere, pods and Services and names reachable from everywhere, a node lost."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from tests.support.image import SERVE, TOOLS
from tests.support.manifests import Json, deployment, ready, service
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
PODS = "/api/v1/namespaces/default/pods"
ASK = """
import socket, sys
for host, port in (word.split(":") for word in sys.argv[1:]):
    with socket.create_connection((host, int(port)), timeout=5) as s:
        s.sendall(b"GET / HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n")
        print(s.makefile().read().split()[-1])
"""
NAMES = """
import socket, sys
for name in sys.argv[1:]:
    print(socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
"""


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Iterator[Cluster]:
    """A cluster of three nodes with a web server on each."""
    with Cluster(tmp_path_factory.mktemp("nodes") / "cluster", nodes=3) as it:
        it.load_image(tools)
        for item in (daemonset("each"), service("each")):
            it.kubectl("apply", "-f", "-", stdin=json.dumps(item))
        it.kubectl("rollout", "status", "daemonset/each", "--timeout=60s")
        yield it


def daemonset(name: str) -> Json:
    pods = deployment(name)["spec"]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {"selector": pods["selector"], "template": pods["template"]},
    }


def placed(cluster: Cluster, app: str) -> dict[str, Json]:
    """Node -> a pod of the application there."""
    found = json.loads(cluster.kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
    return {item["spec"]["nodeName"]: item for item in found}


def python(cluster: Cluster, pod: Json, code: str, *arguments: str) -> list[str]:
    """What a program prints that runs in a pod."""
    command = [*SERVE[:-1], "-c", code, *arguments]
    return cluster.kubectl("exec", pod["metadata"]["name"], "--", *command).split()


def test_every_pod_reaches_every_pod_service_and_name(three: Cluster) -> None:
    pods = placed(three, "each")
    assert sorted(pods) == ["wherry-1", "wherry-2", "wherry-3"]
    everyone = sorted(pod["metadata"]["name"] for pod in pods.values())
    addresses = [f"{pod['status']['podIP']}:8080" for pod in pods.values()]
    cluster_ip = three.kubectl("get", "service", "each", "-o", "jsonpath={.spec.clusterIP}")
    for pod in pods.values():
        assert sorted(python(three, pod, ASK, *addresses)) == everyone
        through = python(three, pod, ASK, *[f"{cluster_ip}:80"] * 10, *["each:80"] * 5, *["each.default:80"] * 5)
        assert len(set(through)) > 1, "twenty connections through the Service went to one pod"
        names = ["each", "each.default.svc.cluster.local", "kubernetes.default"]
        assert python(three, pod, NAMES, *names) == [cluster_ip, cluster_ip, "10.96.0.1"]


def test_pods_of_a_lost_node_are_replaced(three: Cluster) -> None:
    rest = Rest(three.kubeconfig)
    web = deployment("web", replicas=6)
    three.kubectl("apply", "-f", "-", stdin=json.dumps(web))
    three.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    lost = next(node for node in placed(three, "web") if node != "wherry-1")

    def elsewhere(objects: dict[str, Json]) -> bool:
        pods = [one for one in objects.values() if one["metadata"]["labels"].get("app") == "web"]
        there = [one for one in pods if ready(one) and one["spec"]["nodeName"] != lost]
        return len(there) == 6

    with Follower(rest, PODS) as pods:
        begun = time.monotonic()
        wire(three, lost, "down")
        try:
            pods.wait(elsewhere, 40, "six Ready pods elsewhere")
            took = time.monotonic() - begun
        finally:
            wire(three, lost, "up")
        three.kubectl("wait", f"node/{lost}", "--for=condition=Ready", "--timeout=30s")
        pods.wait(lambda objects: len(objects) == 6 + 3 and all(map(ready, objects.values())), 60, "all Ready again")
    assert took < 30
    assert TOOLS in three.wherry("image", "list")


def wire(cluster: Cluster, node: str, state: str) -> None:
    """Plug the cable between a node and the others, or pull it, at the machine's end."""
    link = f"wn-{crc32(node.encode()):08x}"
    subprocess.run(["ip", "-n", cluster.place.netns, "link", "set", link, state], check=True)

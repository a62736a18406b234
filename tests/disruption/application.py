"""The application in the cluster: a Deployment spread over the nodes, its Service, Ingress and disruption budget, and a
pod that does nothing, from whose network clients ask."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.disruption import plan
from tests.disruption.ground import Target
from tests.support import image
from tests.support.image import SERVE, TOOLS
from tests.support.manifests import Json, pod
from wherry.testing.cluster import Cluster, run

NAMESPACE = "disruption"
HOST = "disruption.test"
HTTP, DNS = 8080, 5353
NODE_PORT, NODE_PORT_DNS = 30090, 30053
REPLICAS = 4
CLIENT = "client"
SERVER = Path(__file__).with_name("server.py")
CLUSTER_DNS = Target("10.96.0.10", 53)
NAME = f"web.{NAMESPACE}.svc.cluster.local"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
_SELECTOR = {"app": "web"}
_ASK = """
import sys, time, http.client
host, *nodes = sys.argv[1:]
for node in nodes:
    until, seen = time.monotonic() + 60, None
    while seen != 200:
        try:
            connection = http.client.HTTPConnection(node, timeout=5)
            connection.request("GET", "/name/0", headers={"Host": host, "Connection": "close"})
            seen = connection.getresponse().status
        except OSError as error:
            seen = error
        if time.monotonic() > until:
            sys.exit(f"{node} does not serve the Ingress: {seen}")
        time.sleep(0.1)
"""


def archive(folder: Path) -> Path:
    """The image."""
    return image.archive(folder, SERVER)


def manifests(node: str) -> Iterator[Json]:
    """All objects; the client's pod is on `node`."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield _deployment()
    ports = [
        {"name": "http", "port": 80, "targetPort": HTTP, "nodePort": NODE_PORT},
        {"name": "dns", "port": 53, "targetPort": DNS, "protocol": "UDP", "nodePort": NODE_PORT_DNS},
    ]
    yield _object("v1", "Service", "web", {"type": "NodePort", "selector": _SELECTOR, "ports": ports})
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    yield _object("networking.k8s.io/v1", "Ingress", "web", {"rules": [{"host": HOST, "http": {"paths": paths}}]})
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": _SELECTOR}}
    yield _object("policy/v1", "PodDisruptionBudget", "web", budget)
    client = pod(CLIENT, nodeName=node)
    client["metadata"]["namespace"] = NAMESPACE
    yield client


def _object(version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def _deployment() -> Json:
    container = {
        "name": "web",
        "image": TOOLS,
        "command": SERVE,
        "ports": [{"containerPort": HTTP}, {"containerPort": DNS, "protocol": "UDP"}],
        "readinessProbe": {"httpGet": {"path": "/name/0", "port": HTTP}, "periodSeconds": 1},
    }
    spread = {
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": _SELECTOR}, "matchLabelKeys": ["pod-template-hash"],
    }  # fmt: skip
    inside = {"containers": [container], "topologySpreadConstraints": [spread]}
    template = {"metadata": {"labels": _SELECTOR}, "spec": inside}
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": _SELECTOR}, "template": template}
    return _object("apps/v1", "Deployment", "web", spec)


def deploy(cluster: Cluster, node: str) -> None:
    """Create everything and wait until it serves."""
    for item in manifests(node):
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(item))
    cluster.kubectl("rollout", "status", "-n", NAMESPACE, "deployment/web", "--timeout=90s")
    cluster.kubectl("wait", "-n", NAMESPACE, f"pod/{CLIENT}", "--for=condition=Ready", "--timeout=60s")


def wait_for_ingress(cluster: Cluster, nodes: Iterable[str]) -> None:
    """Until every node's HTTP entry serves the application. Raises CommandFailed."""
    argv = cluster.place.argv([sys.executable, "-c", _ASK, HOST, *nodes])
    run(argv, env={}, check=True, stdin="", timeout=120)


def fixed_targets(cluster_ip: str, nodes: Iterable[str], outside: str) -> dict[str, list[Target]]:
    """Way -> targets, of the ways that stay. `nodes`: the nodes' addresses; `outside`: what reaches the cluster from
    beyond."""
    listed = list(nodes)
    return {
        plan.SERVICE: [Target(cluster_ip, 80)],
        plan.NODE_PORT: [Target(node, NODE_PORT) for node in listed],
        plan.INGRESS: [Target(node, 80) for node in listed],
        plan.OUTSIDE_PORT: [Target(outside, NODE_PORT)],
        plan.OUTSIDE_INGRESS: [Target(outside, 80)],
        plan.udp(plan.SERVICE): [Target(cluster_ip, 53)],
        plan.udp(plan.NODE_PORT): [Target(node, NODE_PORT_DNS) for node in listed],
        plan.udp(plan.CLUSTER_DNS): [CLUSTER_DNS],
    }


def endpoints(slices: Mapping[str, Json], protocol: str) -> list[Target]:
    """The pods that take new connections, of all slices of the Service."""
    found = set()
    for piece in slices.values():
        numbers = [port["port"] for port in piece.get("ports") or () if port.get("protocol", "TCP") == protocol]
        for endpoint in piece.get("endpoints") or ():
            if endpoint.get("conditions", {}).get("ready", True) and numbers:
                found.add(Target(endpoint["addresses"][0], numbers[0], endpoint["targetRef"]["name"]))
    return sorted(found)

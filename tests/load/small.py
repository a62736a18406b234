"""A small site in a namespace: the test image's server, whose /work costs 20 ms of processor time, at https by its host
name, with an autoscaler that keeps each pod at 80 m. Quick to start, where the example's WordPress takes a minute."""

from __future__ import annotations

import json

from tests.load.visitors import Page, Site
from tests.support.manifests import Json, deployment, service
from wherry.testing.cluster import Cluster

NAME = "web"
MILLI, PERCENT = 100, 80
WAY = (Page("/work", b"1 web-"),)


def manifests(host: str, *, most: int) -> tuple[Json, ...]:
    """Deployment, Service, Ingress, autoscaler with at most so many replicas."""
    web = deployment(NAME, terminationGracePeriodSeconds=30)
    del web["spec"]["replicas"]
    (container,) = web["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": f"{MILLI}m"}, "limits": {"cpu": "200m"}}
    backend = {"service": {"name": NAME, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": NAME},
        "spec": {"tls": [{"hosts": [host]}], "rules": [rule]},
    }
    target = {"type": "Utilization", "averageUtilization": PERCENT}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
        },
    }
    return web, service(NAME), ingress, scaler


def install(cluster: Cluster, namespace: str, host: str, *, most: int) -> Site:
    """The site, with a pod that is Ready. Raises CommandFailed."""
    for item in manifests(host, most=most):
        cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(item))
    cluster.kubectl("-n", namespace, "rollout", "status", f"deployment/{NAME}", "--timeout=60s")
    return Site(host, cluster.address, cluster.wherry("site-ca"), WAY)

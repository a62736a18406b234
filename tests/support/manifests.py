"""Objects that tests with whole clusters create, as dicts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.support.image import SERVE, TOOLS

Json = dict[str, Any]


def deployment(name: str, *, replicas: int = 1, version: str = "1", **pod: Any) -> Json:
    """A Deployment of the HTTP server on port 8080; more fields of the pod's spec by keyword."""
    container = {
        "name": "web",
        "image": TOOLS,
        "command": SERVE,
        "env": [{"name": "VERSION", "value": version}],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def statefulset(name: str, replicas: int) -> Json:
    """A StatefulSet of the HTTP server, spread over the nodes, its pods made and ended at once."""
    pods = deployment(name)["spec"]
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
              "labelSelector": pods["selector"]}  # fmt: skip
    container = {"name": "db", "image": TOOLS, "command": SERVE}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "topologySpreadConstraints": [spread]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "serviceName": name, "selector": pods["selector"], "podManagementPolicy": "Parallel",
            "template": {**pods["template"], "spec": spec},
        },
    }  # fmt: skip


def service(name: str, *, port: int = 80, node_port: int = 0) -> Json:
    """A Service in front of `deployment(name)`."""
    ports: Json = {"port": port, "targetPort": 8080, **({"nodePort": node_port} if node_port else {})}
    spec = {"selector": {"app": name}, "ports": [ports], "type": "NodePort" if node_port else "ClusterIP"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def pod(name: str, *command: str, image: str = TOOLS, **spec: Any) -> Json:
    """A pod of one container `main` that runs a busybox shell command, or waits; ends at once when told to."""
    shell = command or ("trap 'exit 0' TERM; while :; do sleep 3600 & wait; done",)
    container = {"name": "main", "image": image, "command": ["/bin/sh", "-c", *shell], **spec.pop("container", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 2, **spec},
    }


def ready(item: Json) -> bool:
    """Whether a pod is Ready and stays."""
    conditions = item.get("status", {}).get("conditions", ())
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return is_ready and "deletionTimestamp" not in item["metadata"]


def processes(container_id: str) -> list[int]:
    """The processes of a container, by its ID as in a pod's status, lowest pid first."""
    number = container_id.rsplit("/", 1)[-1]
    assert number, "the container has no ID yet"
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and number in (entry / "cgroup").read_text():
                found.append(int(entry.name))
        except OSError:  # ended meanwhile
            continue
    return sorted(pid for pid in found if pid != os.getpid())

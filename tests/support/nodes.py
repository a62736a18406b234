"""Nodes and pods for tests of placing, in few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wherry.api.types.core import Node, Pod
from wherry.machinery.codec import from_dict

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def node(
    name: str, *, labels: Mapping[str, str] | None = None, cpu: str = "4", memory: str = "8Gi", pods: str = "110",
    taints: Sequence[Mapping[str, str]] = (), more: Mapping[str, str] | None = None, **spec: Any,
) -> Node:  # fmt: skip
    """A node with its host name as a label; `more` are further allocatable amounts, `spec` further fields."""
    amounts = {"cpu": cpu, "memory": memory, "pods": pods, **(more or {})}
    return from_dict(
        Node,
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "labels": {HOST: name, **(labels or {})},
                "annotations": {"wherry.dev/volumes": f"/var/lib/wherry/nodes/{name}/volumes"},
            },
            "spec": {"taints": list(taints), **spec},
            "status": {"allocatable": amounts, "capacity": amounts},
        },
    )


def pod(
    name: str, *, labels: Mapping[str, str] | None = None, cpu: str = "", memory: str = "", namespace: str = "default",
    on: str = "", container: Mapping[str, Any] | None = None, meta: Mapping[str, Any] | None = None, **spec: Any,
) -> Pod:  # fmt: skip
    """A pod of one container; `spec` are further fields as in JSON, `on` is the node it is bound to."""
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    main = {"name": "main", "image": "app:1", "resources": {"requests": requests}, **(container or {})}
    wanted = {"schedulerName": "default-scheduler", "containers": [main], **({"nodeName": on} if on else {}), **spec}
    labelled = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", "labels": dict(labels or {})}
    return from_dict(Pod, {"metadata": {**labelled, **(meta or {})}, "spec": wanted})


def apart(selector: Mapping[str, str], key: str = HOST, **term: Any) -> dict[str, Any]:
    """Required anti-affinity to pods with these labels."""
    rule = {"labelSelector": {"matchLabels": dict(selector)}, "topologyKey": key, **term}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}


def near(selector: Mapping[str, str], key: str = ZONE, **term: Any) -> dict[str, Any]:
    """Required affinity to pods with these labels."""
    rule = {"labelSelector": {"matchLabels": dict(selector)}, "topologyKey": key, **term}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}


def liking(selector: Mapping[str, str], key: str = ZONE, weight: int = 10, side: str = "podAffinity") -> dict[str, Any]:
    """Preferred affinity (or anti-affinity, by `side`) to pods with these labels."""
    rule = {"labelSelector": {"matchLabels": dict(selector)}, "topologyKey": key}
    return {side: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "podAffinityTerm": rule}]}}


def spreading(selector: Mapping[str, str], key: str = ZONE, skew: int = 1, **rule: Any) -> dict[str, Any]:
    """A topology spread constraint that must hold."""
    wanted = {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", **rule}
    return {"labelSelector": {"matchLabels": dict(selector)}, **wanted}

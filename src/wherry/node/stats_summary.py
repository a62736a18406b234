"""/stats/summary: a Look in the shape that upstream's agent answers in. Pure.

https://kubernetes.io/docs/reference/instrumentation/node-metrics/#summary-api-source
https://github.com/kubernetes/kubelet/blob/master/pkg/apis/stats/v1alpha1/types.go
"""

from __future__ import annotations

from typing import Any

from wherry.host.consumption import Space, Traffic, Use
from wherry.machinery.time import time_at
from wherry.node.metering import ContainerUse, Disk, Look, PodUse, VolumeUse


def summary(name: str, booted: float, look: Look, *, only_cpu_and_memory: bool = False) -> dict[str, Any]:
    """The whole answer. `booted`: epoch seconds."""
    at = time_at(look.at)
    node: dict[str, Any] = {
        "nodeName": name,
        "systemContainers": _system(look, booted),
        "startTime": time_at(booted),
        "cpu": _cpu(at, look.node, look.node_rate),
        "memory": _node_memory(at, look),
        "swap": _swap(at, look.node),
    }
    if not only_cpu_and_memory:
        node |= {
            "io": _io(at, look.node),
            "network": _network(at, look.traffic),
            "fs": _space(at, look.disk),
            "runtime": {
                "imageFs": _space(at, look.images_disk, used=look.images.used),
                "containerFs": _space(at, look.images_disk, used=_layers(look)),
            },
            "rlimit": {"time": at, "maxpid": look.tasks[1], "curproc": look.tasks[0]},
        }
    pods = [_pod(at, look, one, brief=only_cpu_and_memory) for one in look.pods]
    return {"node": _without_none(node), "pods": pods}


def _layers(look: Look) -> int:
    return sum(one.rootfs.used for pod in look.pods for one in pod.containers)


def _system(look: Look, booted: float) -> list[dict[str, Any]]:
    at, start = time_at(look.at), time_at(booted)
    cpu, resident = look.own
    own = Use(cpu=cpu, memory=resident, working_set=resident, rss=resident)
    everything = {
        "name": "pods", "startTime": start, "cpu": _cpu(at, look.all_pods, look.all_pods_rate),
        "memory": _memory(at, look.all_pods),
    }  # fmt: skip
    return [{"name": "kubelet", "startTime": start, "cpu": _cpu(at, own, None), "memory": _memory(at, own)}, everything]


def _pod(at: str, look: Look, one: PodUse, *, brief: bool) -> dict[str, Any]:
    meta = one.pod.metadata
    found: dict[str, Any] = {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": one.pod.status.start_time or at,
        "containers": [_container(at, look, each, brief=brief) for each in one.containers],
        "cpu": _cpu(at, one.use, one.rate),
        "memory": _memory(at, one.use),
        "swap": _swap(at, one.use),
    }
    if not brief:
        ephemeral = one.ephemeral
        found |= {
            "io": _io(at, one.use),
            "network": None if one.traffic is None else _network(at, one.traffic),
            "volume": [_volume(at, meta.namespace, each) for each in one.volumes] or None,
            "ephemeral-storage": _disk(at, look.disk, ephemeral),
            "process_stats": {"process_count": one.use.pids},
        }
    return _without_none(found)


def _container(at: str, look: Look, one: ContainerUse, *, brief: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": one.name,
        "startTime": time_at(one.started),
        "cpu": _cpu(at, one.use, one.rate),
        "memory": _memory(at, one.use),
        "swap": _swap(at, one.use),
    }
    if not brief:
        found |= {
            "io": _io(at, one.use),
            "rootfs": _disk(at, look.images_disk, one.rootfs),
            "logs": _disk(at, look.disk, one.logs),
        }
    return _without_none(found)


def _without_none(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _cpu(at: str, use: Use, rate: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {"time": at, "usageNanoCores": rate, "usageCoreNanoSeconds": use.cpu}
    return _without_none(found | {"psi": _pressure(use, "cpu")})


def _memory(at: str, use: Use) -> dict[str, Any]:
    found: dict[str, Any] = {
        "time": at, "availableBytes": max(0, use.limit - use.working_set) if use.limit else None,
        "usageBytes": use.memory, "workingSetBytes": use.working_set, "rssBytes": use.rss,
        "pageFaults": use.faults, "majorPageFaults": use.major_faults, "psi": _pressure(use, "memory"),
    }  # fmt: skip
    return _without_none(found)


def _node_memory(at: str, look: Look) -> dict[str, Any]:
    used = look.total - look.available
    usage = look.node.memory or used
    return _memory(at, look.node) | {"availableBytes": look.available, "usageBytes": usage, "workingSetBytes": used}


def _swap(at: str, use: Use) -> dict[str, Any]:
    return {"time": at, "swapUsageBytes": use.swap}


def _io(at: str, use: Use) -> dict[str, Any] | None:
    found = _pressure(use, "io")
    return {"time": at, "psi": found} if found else None


def _pressure(use: Use, kind: str) -> dict[str, Any] | None:
    found = (use.pressure or {}).get(kind)
    if not found:
        return None
    nothing = {"total": 0, "avg10": 0.0, "avg60": 0.0, "avg300": 0.0}
    shown: dict[str, Any] = {}
    for word in ("full", "some"):
        values = found.get(word)
        shown[word] = {**nothing, **values, "total": int(values["total"] * 1000)} if values else nothing
    return shown


def _network(at: str, traffic: tuple[Traffic, ...]) -> dict[str, Any]:
    interfaces = [
        {
            "name": one.name, "rxBytes": one.received, "rxErrors": one.received_errors, "txBytes": one.sent,
            "txErrors": one.sent_errors,
        }
        for one in traffic
    ]  # fmt: skip
    first = next((one for one in interfaces if one["name"] == "eth0"), interfaces[0] if interfaces else {})
    return {"time": at, **first, "interfaces": interfaces}


def _space(at: str, space: Space | None, *, used: int | None = None) -> dict[str, Any] | None:
    if space is None:
        return None
    return {
        "time": at, "availableBytes": space.available, "capacityBytes": space.capacity,
        "usedBytes": space.used if used is None else used, "inodesFree": space.inodes_free, "inodes": space.inodes,
        "inodesUsed": space.inodes_used,
    }  # fmt: skip


def _disk(at: str, on: Space | None, disk: Disk) -> dict[str, Any] | None:
    found = _space(at, on, used=disk.used)
    return None if found is None else {**found, "inodesUsed": disk.inodes}


def _volume(at: str, namespace: str, one: VolumeUse) -> dict[str, Any]:
    found = {**(_space(at, one.space) or {}), "name": one.name}
    if one.claim:
        found["pvcRef"] = {"name": one.claim, "namespace": namespace}
    return found

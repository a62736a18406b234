"""Which resources run short and which pod goes for it: pure.

A threshold is met when less is left than `AgentConfig.eviction_hard` says. Pods that use more than they asked for go
first, then those of lower priority, then those farthest above their request. Limits on local storage (of containers,
pods, emptyDir volumes) end a pod without any shortage. Words are upstream's.
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from wherry.api.core.pod_resources import pod_requests
from wherry.api.types.core import Pod
from wherry.host.consumption import Space
from wherry.machinery.quantity import from_bytes, whole
from wherry.node.admission import CRITICAL
from wherry.node.metering import ContainerUse, PodUse

Kind = Literal["memory", "ephemeral-storage", "inodes", "pids"]
STATIC = "kubernetes.io/config.source"
RESOURCES: Mapping[str, Kind] = {
    "memory.available": "memory",
    "nodefs.available": "ephemeral-storage",
    "imagefs.available": "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.inodesFree": "inodes",
    "pid.available": "pids",
}
CONDITIONS: Mapping[Kind, tuple[str, str, str]] = {
    "memory": ("MemoryPressure", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "ephemeral-storage": ("DiskPressure", "KubeletHasDiskPressure", "kubelet has disk pressure"),
    "inodes": ("DiskPressure", "KubeletHasDiskPressure", "kubelet has disk pressure"),
    "pids": ("PIDPressure", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}
"""Resource -> the node's condition: type, reason, message."""
ORDER: tuple[Kind, ...] = ("memory", "ephemeral-storage", "inodes", "pids")


@dataclass(frozen=True, slots=True)
class Signal:
    """What is left of something, out of how much."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """A threshold that is met. Amounts in bytes or counts."""

    signal: str
    resource: Kind
    threshold: int
    available: int


@dataclass(frozen=True, slots=True)
class Victim:
    """A pod that has to go, and why."""

    pod: Pod
    message: str


def signals(memory: Signal, disk: Space | None, images: Space | None, pids: Signal) -> dict[str, Signal]:
    """The signals by upstream's names."""
    found = {"memory.available": memory, "pid.available": pids}
    for name, space in (("nodefs", disk), ("imagefs", images)):
        if space is not None:
            found[f"{name}.available"] = Signal(space.available, space.capacity)
            if space.inodes:  # some file systems make them as they need them
                found[f"{name}.inodesFree"] = Signal(space.inodes_free, space.inodes)
    return found


def quantity(text: str, capacity: int) -> int:
    """A threshold: an amount, or a percentage of the capacity. Raises ValueError."""
    if text.endswith("%"):
        return int(capacity * float(text[:-1]) / 100)
    return whole(text)


def shortages(found: Mapping[str, Signal], thresholds: Mapping[str, str]) -> list[Shortage]:
    """Every threshold that is met, the most urgent first."""
    met = []
    for name, text in thresholds.items():
        signal = found.get(name)
        if signal is None or name not in RESOURCES:
            continue
        limit = quantity(text, signal.capacity)
        if signal.available < limit:
            met.append(Shortage(name, RESOURCES[name], limit, signal.available))
    return sorted(met, key=lambda one: ORDER.index(one.resource))


def victim(short: Shortage, pods: Iterable[PodUse]) -> Victim | None:
    """The pod that goes first, if any may."""
    ranked = sorted((one for one in pods if evictable(one.pod)), key=lambda one: _rank(one, short.resource))
    return Victim(ranked[0].pod, _message(ranked[0], short)) if ranked else None


def evictable(pod: Pod) -> bool:
    """Whether a pod may be evicted: not one that the node cannot be without, and not one that ends already."""
    own = pod.metadata.annotations.get(STATIC, "api") != "api"
    return not own and (pod.spec.priority or 0) < CRITICAL and pod.status.phase not in ("Succeeded", "Failed")


def _used(one: PodUse, resource: Kind) -> int:
    match resource:
        case "memory":
            return one.use.working_set
        case "ephemeral-storage":
            return one.ephemeral.used
        case "inodes":
            return one.ephemeral.inodes
        case "pids":
            return one.use.pids


def _rank(one: PodUse, resource: Kind) -> tuple[bool, int, int]:
    used = _used(one, resource)
    asked = pod_requests(one.pod.spec).get(resource, 0)
    priority = one.pod.spec.priority or 0
    if resource in ("memory", "ephemeral-storage"):
        return used <= asked, priority, asked - used
    return False, priority, -used


def _message(one: PodUse, short: Shortage) -> str:
    def shown(amount: int) -> str:
        return str(from_bytes(amount)) if short.resource in ("memory", "ephemeral-storage") else str(amount)

    text = f"The node was low on resource: {short.resource}. "
    text += f"Threshold quantity: {shown(short.threshold)}, available: {shown(max(0, short.available))}. "
    for part in one.containers:
        used = _container_used(part, short.resource)
        asked = _request(one.pod, part.name, short.resource)
        if used is not None and used > asked:
            words = f"was using {shown(used)}, request is {shown(asked)}, has larger consumption of {short.resource}. "
            text += f"Container {part.name} {words}"
    return text


def _container_used(part: ContainerUse, resource: Kind) -> int | None:
    if resource == "memory":
        return part.use.working_set
    return part.rootfs.used + part.logs.used if resource == "ephemeral-storage" else None


def _request(pod: Pod, name: str, resource: str) -> int:
    found = next((one for one in (*pod.spec.init_containers, *pod.spec.containers) if one.name == name), None)
    asked = found.resources.requests.get(resource) if found else None
    return whole(asked) if asked is not None else 0


def wants_walk(pod: Pod) -> bool:
    """Whether a pod has any limit on local storage that has to be watched."""
    spec = pod.spec
    limited = any("ephemeral-storage" in one.resources.limits for one in (*spec.init_containers, *spec.containers))
    return limited or any(one.empty_dir is not None and one.empty_dir.size_limit for one in spec.volumes)


def over_limit(one: PodUse) -> Victim | None:
    """The limit on local storage that a pod exceeds, if any."""
    pod = one.pod
    if not evictable(pod):
        return None
    text = next(chain(_empty_dirs(one), _whole_pod(one), _containers(one)), "")
    return Victim(pod, text) if text else None


def _empty_dirs(one: PodUse) -> Iterator[str]:
    used = {each.name: each for each in one.volumes}
    for volume in one.pod.spec.volumes:
        limit = volume.empty_dir.size_limit if volume.empty_dir is not None else None
        if not limit or volume.name not in used or not whole(limit):
            continue
        if used[volume.name].space.used > whole(limit):
            yield f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '


def _whole_pod(one: PodUse) -> Iterator[str]:
    spec = one.pod.spec
    limits = [each.resources.limits.get("ephemeral-storage") for each in spec.containers]
    if not limits or any(limit is None for limit in limits):
        return
    total = sum(whole(limit) for limit in limits if limit is not None)
    if total and one.ephemeral.used > total:
        yield f"Pod ephemeral local storage usage exceeds the total limit of containers {from_bytes(total)}. "


def _containers(one: PodUse) -> Iterator[str]:
    spec = one.pod.spec
    limits = {each.name: each.resources.limits.get("ephemeral-storage") for each in spec.containers}
    for part in one.containers:
        limit = limits.get(part.name)
        if limit is not None and whole(limit) and part.rootfs.used + part.logs.used > whole(limit):
            yield f'Container {part.name} exceeded its local ephemeral storage limit "{limit}". '

"""Resizing pods in place: whether a new size fits, what is set aside for a pod, and what each container still needs.
Pure.

Three sizes: what the pod asks for (its spec), what the node has set aside (`Sizes`, worked with everywhere on the node:
`resized` puts it in place of the spec's), and what containers really have (actuated). After a restart of the agent the
size is decided anew; containers carry the size they were made with in an annotation, and changing limits to what they
are is harmless. https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from wherry.api.core.pod_resources import pod_requests
from wherry.api.types.core import Container as Spec
from wherry.api.types.core import Pod, ResourceRequirements
from wherry.machinery.codec import decode, encode
from wherry.machinery.quantity import Quantity, compare
from wherry.node.runtime.interface import Container

SIZE = "wherry.io/size"
"""Annotation of a container: CPU and memory it was made with."""
RESIZABLE = ("cpu", "memory")
POD = ""
"""The name under which the pod's own resources stand in `Sizes`."""
DEFERRED, INFEASIBLE = "Deferred", "Infeasible"

Sizes = Mapping[str, ResourceRequirements]
"""Resources by container name; the pod's own under ""."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a new size is not taken yet (Deferred) or cannot be taken (Infeasible)."""

    reason: str
    message: str


def sizes(pod: Pod) -> Sizes:
    """What a pod's spec asks for."""
    spec = pod.spec
    own = {POD: spec.resources} if spec.resources is not None else {}
    return {**own, **{one.name: one.resources for one in (*spec.init_containers, *spec.containers)}}


def allocated(pod: Pod) -> Sizes:
    """What was set aside for a pod, as its status tells: after a restart of the agent. A new pod: what it asks for."""
    found = dict(sizes(pod))
    status = pod.status
    for one in (*status.init_container_statuses, *status.container_statuses):
        if one.name in found and one.container_id and one.resources is not None:
            own = found[one.name]
            size = msgspec.structs.replace(own, requests=one.allocated_resources, limits=one.resources.limits)
            found[one.name] = own if same(own, size) else size
    return found


def resized(pod: Pod, wanted: Sizes) -> Pod:
    """The pod with these sizes in place of its own; parts that are not named stay."""
    spec = pod.spec
    changed = msgspec.structs.replace(
        spec,
        containers=tuple(_with(one, wanted) for one in spec.containers),
        init_containers=tuple(_with(one, wanted) for one in spec.init_containers),
        resources=wanted.get(POD, spec.resources),
    )
    return pod if changed == spec else msgspec.structs.replace(pod, spec=changed)


def _with(one: Spec, wanted: Sizes) -> Spec:
    size = wanted.get(one.name)
    return one if size is None or size == one.resources else msgspec.structs.replace(one, resources=size)


def same(one: ResourceRequirements | None, other: ResourceRequirements | None) -> bool:
    """Whether CPU and memory are the same."""
    return not _differing(one, other)


def _differing(one: ResourceRequirements | None, other: ResourceRequirements | None) -> set[str]:
    """Which of CPU and memory differ, in request or limit."""
    if one == other:
        return set()
    empty = ResourceRequirements()
    first, second = one or empty, other or empty
    found = set()
    for name in RESIZABLE:
        for left, right in ((first.requests, second.requests), (first.limits, second.limits)):
            a, b = left.get(name), right.get(name)
            if (a is None) != (b is None) or (a is not None and b is not None and compare(a, b) != 0):
                found.add(name)
    return found


def differ(one: Sizes, other: Sizes) -> bool:
    """Whether any part has another size."""
    return any(not same(one.get(name), other.get(name)) for name in {*one, *other})


def verdict(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, int]) -> Pending | None:
    """Whether the pod's size fits beside the others' (what is set aside for them). `allocatable`: millicores, bytes."""
    wanted = pod_requests(pod.spec)
    for name in RESIZABLE:
        if wanted.get(name, 0) > allocatable[name]:
            numbers = f"{name}, requested: {wanted[name]}, capacity: {allocatable[name]}"
            return Pending(INFEASIBLE, f"Node didn't have enough capacity: {numbers}")
    lacking = short(pod, others, allocatable)
    return Pending(DEFERRED, f"Node didn't have enough resource: {lacking[1]}") if lacking else None


def short(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, int]) -> tuple[str, str] | None:
    """The first resource that a pod would not find beside the others, and the numbers in upstream's words."""
    wanted = pod_requests(pod.spec)
    used: dict[str, int] = {}
    for other in others:
        if other.metadata.uid != pod.metadata.uid and other.status.phase not in ("Succeeded", "Failed"):
            for name, amount in pod_requests(other.spec).items():
                used[name] = used.get(name, 0) + amount
    for name, capacity in allocatable.items():
        asked, taken = wanted.get(name, 0), used.get(name, 0)
        if asked and asked + taken > capacity:
            return name, f"{name}, requested: {asked}, used: {taken}, capacity: {capacity}"
    return None


def annotation(spec: Spec) -> str:
    """The size a container is made with, to be read again by `made_with`."""
    own = spec.resources
    kept = {
        "requests": {name: own.requests[name] for name in RESIZABLE if name in own.requests},
        "limits": {name: own.limits[name] for name in RESIZABLE if name in own.limits},
    }
    return encode(kept).decode()


def made_with(container: Container) -> ResourceRequirements | None:
    """The size a container was made with; None when that is not known."""
    text = container.annotations.get(SIZE)
    return _read(text) if text else None


@lru_cache(maxsize=1024)
def _read(text: str) -> ResourceRequirements | None:
    try:
        return decode(ResourceRequirements, text.encode())
    except msgspec.DecodeError:
        return None


def needs(spec: Spec, container: Container, actuated: Sizes) -> str:
    """What a running container needs to come to its size: "", "update" or "restart". `actuated`: by container id."""
    has = actuated.get(container.id) or made_with(container)
    if has is None:
        return ""
    differing = _differing(has, spec.resources)
    restart = {one.resource_name for one in spec.resize_policy if one.restart_policy == "RestartContainer"}
    if differing & restart:
        return "restart"
    return "update" if differing else ""


def ended_for_size(spec: Spec, container: Container) -> bool:
    """Whether an ended container has to be followed by one of another size, by its policy."""
    has = made_with(container)
    restart = {one.resource_name for one in spec.resize_policy if one.restart_policy == "RestartContainer"}
    return has is not None and bool(_differing(has, spec.resources) & restart)


def largest(one: ResourceRequirements, other: ResourceRequirements) -> ResourceRequirements:
    """The larger of each; no limit is larger than any."""
    requests: dict[str, Quantity] = dict(one.requests)
    for name, amount in other.requests.items():
        if name not in requests or compare(amount, requests[name]) > 0:
            requests[name] = amount
    both = {name for name in one.limits if name in other.limits}
    limits = {
        name: one.limits[name] if compare(one.limits[name], other.limits[name]) > 0 else other.limits[name]
        for name in both
    }
    return ResourceRequirements(requests=requests, limits=limits)


def summary(pod: Pod, generation: int, error: str = "") -> str:
    """The sizes as the events of a resize show them: JSON."""
    spec = pod.spec
    shown: dict[str, object] = {}
    if spec.init_containers:
        shown["initContainers"] = [{"name": one.name, "resources": one.resources} for one in spec.init_containers]
    shown["containers"] = [{"name": one.name, "resources": one.resources} for one in spec.containers]
    shown["generation"] = generation
    if error:
        shown["error"] = error
    return encode(shown).decode()

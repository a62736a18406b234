"""What a pod asks of a node: requests, limits, and the quality of service that follows from them.

https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
Amounts are integers: cpu in millicores, everything else in whole units (bytes, counts), rounded up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wherry.api.types.core import Container, Pod, PodSpec
from wherry.machinery.quantity import Quantity, compare, from_bytes, from_milli, milli, total, whole

Amounts = Mapping[str, int]

_QOS_RESOURCES = ("cpu", "memory")


def amounts(quantities: Mapping[str, Quantity]) -> dict[str, int]:
    """A ResourceList as integers: cpu in millicores, the others in whole units."""
    return {name: milli(q) if name == "cpu" else whole(q) for name, q in quantities.items()}


def pod_requests(spec: PodSpec) -> Amounts:
    """What the scheduler sets aside: containers and sidecars together, or the largest step of initialisation, whichever
    is more, for each resource; pod-level requests go first; overhead comes on top."""
    wanted = _over_time(spec, "requests")
    if spec.resources is not None:
        wanted |= {name: n for name, n in amounts(spec.resources.requests).items() if pod_level(name)}
    return _sum(wanted, amounts(spec.overhead))


def pod_limits(spec: PodSpec) -> Amounts:
    """The limits under the same rules; overhead is added only where there is a limit."""
    allowed = _over_time(spec, "limits")
    if spec.resources is not None:
        allowed |= {name: n for name, n in amounts(spec.resources.limits).items() if pod_level(name)}
    overhead = amounts(spec.overhead)
    return {name: n + overhead.get(name, 0) for name, n in allowed.items()}


def pod_level(name: str) -> bool:
    """Whether a resource may be asked for by the pod as a whole."""
    return name in _QOS_RESOURCES or name.startswith("hugepages-")


def is_sidecar(container: Container) -> bool:
    """An init container that keeps running beside the ordinary ones."""
    return container.restart_policy == "Always"


def _of(container: Container, side: str) -> dict[str, int]:
    return amounts(container.resources.requests if side == "requests" else container.resources.limits)


def _over_time(spec: PodSpec, side: str) -> dict[str, int]:
    running: dict[str, int] = {}
    for container in spec.containers:
        running = _sum(running, _of(container, side))
    sidecars: dict[str, int] = {}
    most: dict[str, int] = {}
    for container in spec.init_containers:
        step = _sum(sidecars, _of(container, side))
        if is_sidecar(container):
            sidecars = step
        most = _largest(most, step)
    return _largest(_sum(running, sidecars), most)


def container_totals(spec: PodSpec, side: str) -> dict[str, Quantity]:
    """Requests or limits of the containers together, as `pod_requests` adds them up, as quantities."""
    found = _over_time(spec, side)
    return {name: from_milli(n) if name == "cpu" else _plain(name, n) for name, n in found.items()}


def pod_totals(spec: PodSpec, side: str) -> dict[str, Quantity]:
    """Requests or limits of the pod as a whole, with its overhead, as quantities."""
    found = pod_requests(spec) if side == "requests" else pod_limits(spec)
    return {name: from_milli(n) if name == "cpu" else _plain(name, n) for name, n in found.items()}


def _plain(name: str, count: int) -> Quantity:
    return from_bytes(count) if name == "memory" or name.startswith("hugepages-") else Quantity(count)


def _sum(one: Amounts, other: Amounts) -> dict[str, int]:
    return dict(one) | {name: one.get(name, 0) + n for name, n in other.items()}


def _largest(one: Amounts, other: Amounts) -> dict[str, int]:
    return dict(one) | {name: max(one.get(name, 0), n) for name, n in other.items()}


# --- Quality of service ---


def qos_class(pod: Pod) -> str:
    """Guaranteed, Burstable or BestEffort, from the spec; the status' own word wins once it is there."""
    return pod.status.qos_class or compute_qos(pod.spec)


def compute_qos(spec: PodSpec) -> str:
    """The quality of service class of a spec (https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/)."""
    own = spec.resources
    parts = [own] if own and (own.requests or own.limits) else [
        c.resources for c in (*spec.containers, *spec.init_containers)
    ]  # fmt: skip
    requests = _qos_total(part.requests for part in parts)
    limits = _qos_total(part.limits for part in parts)
    if not requests and not limits:
        return "BestEffort"
    all_limited = all(_positive(part.limits).keys() == set(_QOS_RESOURCES) for part in parts)
    if all_limited and requests.keys() == limits.keys() and all(not compare(requests[n], limits[n]) for n in limits):
        return "Guaranteed"
    return "Burstable"


def _positive(quantities: Mapping[str, Quantity]) -> dict[str, Quantity]:
    return {name: q for name, q in quantities.items() if name in _QOS_RESOURCES and compare(q, "0") > 0}


def _qos_total(lists: Iterable[Mapping[str, Quantity]]) -> dict[str, Quantity]:
    sums: dict[str, Quantity] = {}
    for quantities in lists:
        for name, quantity in _positive(quantities).items():
            sums[name] = total((sums[name], quantity)) if name in sums else quantity
    return sums

"""PodInfo and Shape: what scheduling needs to know of a pod, worked out once for all pods of one template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wherry.api.core.pod_resources import is_sidecar, pod_requests
from wherry.api.types.core import (
    NodeSelector,
    Pod,
    PodAffinityTerm,
    PreferredSchedulingTerm,
    Toleration,
    WeightedPodAffinityTerm,
)
from wherry.machinery.codec import encode
from wherry.scheduler.terms import PodMatch, Spread, Term, Weighted, affinity_term, all_of, default_spread, spread_term

# What a container without requests counts as when nodes are scored (never when they are filtered).
DEFAULT_MILLICPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
_REMEMBERED = 2048

HostPort = tuple[str, str, int]
"""(protocol, ip, port)."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What all pods of one template have in common; masks and scores are cached under it, so it is compared by
    identity. Amounts: cpu in millicores, others in whole units. `wide`: some rule chooses namespaces by label.
    """

    namespace: str
    labels: Mapping[str, str]
    priority: int
    preempts: bool
    requests: Mapping[str, int]
    scored_cpu: int
    scored_memory: int
    ports: tuple[HostPort, ...]
    images: tuple[str, ...]
    tolerations: tuple[Toleration, ...]
    node_selector: Mapping[str, str]
    required_nodes: NodeSelector | None
    preferred_nodes: tuple[PreferredSchedulingTerm, ...]
    affinity: tuple[Term, ...]
    friends: PodMatch | None
    """The pods that all of `affinity` speaks of."""
    anti_affinity: tuple[Term, ...]
    preferred: tuple[Weighted, ...]
    hard_spread: tuple[Spread, ...]
    soft_spread: tuple[Spread, ...]
    default_spread: bool
    """The spreading is nobody's wish; nodes without the zone label take part."""
    wide: bool

    @property
    def minds_neighbours(self) -> bool:
        """Whether a pod that appears somewhere may let this one in."""
        return bool(self.affinity or self.hard_spread)


@dataclass(slots=True, eq=False)
class PodInfo:
    """One pod, read for scheduling."""

    pod: Pod
    uid: str
    shape: Shape
    terminating: bool

    @property
    def name(self) -> str:
        """namespace/name."""
        return f"{self.pod.metadata.namespace}/{self.pod.metadata.name}"

    @property
    def priority(self) -> int:
        """The pod's priority."""
        return self.shape.priority


class Shapes:
    """Reads pods; remembers shapes. `namespaces` are the labels of every namespace, kept up to date by the owner."""

    def __init__(self, namespaces: Mapping[str, Mapping[str, str]]) -> None:
        self._namespaces = namespaces
        self._known: dict[bytes, Shape] = {}

    def read(self, pod: Pod) -> PodInfo:
        """A pod, with the shape it shares with others of its template."""
        key = _key(pod)
        shape = self._known.get(key)
        if shape is None:
            if len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            shape = self._known[key] = read_shape(pod, self._namespaces)
        return PodInfo(pod, pod.metadata.uid, shape, pod.metadata.deletion_timestamp is not None)

    def forget_wide(self) -> None:
        """Labels of a namespace have changed: rules that choose by them must be read again."""
        for key in [key for key, shape in self._known.items() if shape.wide]:
            del self._known[key]


def _key(pod: Pod) -> bytes:
    spec, meta = pod.spec, pod.metadata
    containers = [(c.image, c.resources, c.ports, c.restart_policy) for c in (*spec.init_containers, *spec.containers)]
    images = [volume.image for volume in spec.volumes if volume.image is not None]
    owners = [ref.kind for ref in meta.owner_references if ref.controller]
    return encode(
        (
            meta.namespace, meta.labels, owners, spec.priority, spec.preemption_policy, spec.affinity, spec.tolerations,
            spec.node_selector, spec.topology_spread_constraints, spec.overhead, spec.resources, containers,
            len(spec.init_containers), images,
        )
    )  # fmt: skip


def read_shape(pod: Pod, namespaces: Mapping[str, Mapping[str, str]]) -> Shape:
    """Everything about a pod that its template decides."""
    spec, affinity = pod.spec, pod.spec.affinity
    node = affinity.node_affinity if affinity else None
    near = affinity.pod_affinity if affinity else None
    apart = affinity.pod_anti_affinity if affinity else None
    asked_near = near.required_during_scheduling_ignored_during_execution if near else ()
    asked_apart = apart.required_during_scheduling_ignored_during_execution if apart else ()
    liked = near.preferred_during_scheduling_ignored_during_execution if near else ()
    disliked = apart.preferred_during_scheduling_ignored_during_execution if apart else ()
    every = (*asked_near, *asked_apart, *(w.pod_affinity_term for w in (*liked, *disliked)))
    terms = tuple(affinity_term(term, pod, namespaces) for term in asked_near)
    spread = tuple(spread_term(c, pod) for c in spec.topology_spread_constraints)
    requests = pod_requests(spec)
    cpu, memory = _missing(pod)
    return Shape(
        namespace=pod.metadata.namespace,
        labels=pod.metadata.labels,
        priority=spec.priority or 0,
        preempts=spec.preemption_policy != "Never",
        requests={name: amount for name, amount in requests.items() if amount > 0},
        scored_cpu=requests.get("cpu", 0) + cpu,
        scored_memory=requests.get("memory", 0) + memory,
        ports=_ports(pod),
        images=_images(pod),
        tolerations=spec.tolerations,
        node_selector=spec.node_selector,
        required_nodes=node.required_during_scheduling_ignored_during_execution if node else None,
        preferred_nodes=node.preferred_during_scheduling_ignored_during_execution if node else (),
        affinity=terms,
        friends=all_of(terms),
        anti_affinity=tuple(affinity_term(term, pod, namespaces) for term in asked_apart),
        preferred=(*_weighted(liked, 1, pod, namespaces), *_weighted(disliked, -1, pod, namespaces)),
        hard_spread=tuple(rule for rule in spread if rule.hard),
        soft_spread=tuple(rule for rule in spread if not rule.hard) if spread else default_spread(pod),
        default_spread=not spread,
        wide=any(_is_wide(term) for term in every),
    )


def _is_wide(term: PodAffinityTerm) -> bool:
    chosen = term.namespace_selector
    return chosen is not None and bool(chosen.match_labels or chosen.match_expressions)


def _weighted(
    terms: Iterable[WeightedPodAffinityTerm], sign: int, pod: Pod, namespaces: Mapping[str, Mapping[str, str]]
) -> Iterable[Weighted]:
    for term in terms:
        yield Weighted(affinity_term(term.pod_affinity_term, pod, namespaces), sign * term.weight)


def _missing(pod: Pod) -> tuple[int, int]:
    """What containers without requests count as, together."""
    own = pod.spec.resources.requests if pod.spec.resources is not None else {}
    running = (*pod.spec.containers, *(c for c in pod.spec.init_containers if is_sidecar(c)))
    cpu = 0 if "cpu" in own else sum(DEFAULT_MILLICPU for c in running if "cpu" not in c.resources.requests)
    memory = 0 if "memory" in own else sum(DEFAULT_MEMORY for c in running if "memory" not in c.resources.requests)
    return cpu, memory


def _ports(pod: Pod) -> tuple[HostPort, ...]:
    running = (*pod.spec.containers, *(c for c in pod.spec.init_containers if is_sidecar(c)))
    return tuple(
        (port.protocol or "TCP", port.host_ip or "0.0.0.0", port.host_port)
        for container in running
        for port in container.ports
        if port.host_port
    )


def _images(pod: Pod) -> tuple[str, ...]:
    spec = pod.spec
    names = [container.image for container in (*spec.init_containers, *spec.containers)]
    names += [volume.image.reference for volume in spec.volumes if volume.image is not None]
    return tuple(name if name.rfind(":") > name.rfind("/") else f"{name}:latest" for name in names)

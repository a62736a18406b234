"""PodInfo: what scheduling needs to know of one pod, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wherry.api.core.pod_resources import pod_requests
from wherry.api.types.core import NodeSelector, Pod, PreferredSchedulingTerm, Toleration
from wherry.scheduler.terms import Spread, Term, Weighted, affinity_term, default_spread, spread_term

# What a container without requests counts as when nodes are scored (never when they are filtered).
DEFAULT_MILLICPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class PodInfo:
    """One pod, read for scheduling. Amounts: cpu in millicores, others in whole units; ports (protocol, ip, port)."""

    pod: Pod
    uid: str
    namespace: str
    labels: Mapping[str, str]
    priority: int
    requests: Mapping[str, int]
    scored_cpu: int
    scored_memory: int
    ports: tuple[tuple[str, str, int], ...]
    tolerations: tuple[Toleration, ...]
    node_selector: Mapping[str, str]
    required_nodes: NodeSelector | None
    preferred_nodes: tuple[PreferredSchedulingTerm, ...]
    affinity: tuple[Term, ...]
    anti_affinity: tuple[Term, ...]
    preferred: tuple[Weighted, ...]
    spread: tuple[Spread, ...]
    terminating: bool

    @property
    def name(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.pod.metadata.name}"


def read_pod(pod: Pod, namespaces: Mapping[str, Mapping[str, str]]) -> PodInfo:
    """Read a pod; `namespaces` are the labels of every namespace."""
    spec, affinity = pod.spec, pod.spec.affinity
    node = affinity.node_affinity if affinity else None
    near = affinity.pod_affinity if affinity else None
    apart = affinity.pod_anti_affinity if affinity else None
    preferred = [
        Weighted(affinity_term(w.pod_affinity_term, pod, namespaces), sign * w.weight)
        for side, sign in ((near, 1), (apart, -1))
        if side
        for w in side.preferred_during_scheduling_ignored_during_execution
    ]
    requests = pod_requests(spec)
    cpu, memory = _scored(pod)
    return PodInfo(
        pod=pod,
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        labels=pod.metadata.labels,
        priority=spec.priority or 0,
        requests=requests,
        scored_cpu=max(requests.get("cpu", 0), cpu),
        scored_memory=max(requests.get("memory", 0), memory),
        ports=_ports(pod),
        tolerations=spec.tolerations,
        node_selector=spec.node_selector,
        required_nodes=node.required_during_scheduling_ignored_during_execution if node else None,
        preferred_nodes=node.preferred_during_scheduling_ignored_during_execution if node else (),
        affinity=_terms(near.required_during_scheduling_ignored_during_execution if near else (), pod, namespaces),
        anti_affinity=_terms(
            apart.required_during_scheduling_ignored_during_execution if apart else (), pod, namespaces
        ),
        preferred=tuple(preferred),
        spread=tuple(spread_term(c, pod) for c in spec.topology_spread_constraints) or default_spread(pod),
        terminating=pod.metadata.deletion_timestamp is not None,
    )


def _terms(terms: tuple[object, ...], pod: Pod, namespaces: Mapping[str, Mapping[str, str]]) -> tuple[Term, ...]:
    return tuple(affinity_term(term, pod, namespaces) for term in terms)  # type: ignore[arg-type]  # PodAffinityTerms


def _scored(pod: Pod) -> tuple[int, int]:
    cpu = sum(0 if "cpu" in c.resources.requests else DEFAULT_MILLICPU for c in pod.spec.containers)
    memory = sum(0 if "memory" in c.resources.requests else DEFAULT_MEMORY for c in pod.spec.containers)
    requests = pod_requests(pod.spec)
    return requests.get("cpu", 0) + cpu, requests.get("memory", 0) + memory


def _ports(pod: Pod) -> tuple[tuple[str, str, int], ...]:
    return tuple(
        (port.protocol or "TCP", port.host_ip or "0.0.0.0", port.host_port)
        for container in (*pod.spec.containers, *(c for c in pod.spec.init_containers if c.restart_policy == "Always"))
        for port in container.ports
        if port.host_port
    )

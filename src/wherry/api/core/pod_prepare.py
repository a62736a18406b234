"""What a pod gets from the API server when it is made: phase, quality of service, merged label keys, pod-level amounts.

https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from wherry.api.core.pod_resources import compute_qos, container_totals, pod_level
from wherry.api.defaulting import each, within
from wherry.api.types.core import (
    Affinity,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodCondition,
    PodSpec,
    PodStatus,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement

A = TypeVar("A", PodAffinity, PodAntiAffinity)

GATED = PodCondition(
    type="PodScheduled",
    status="False",
    reason="SchedulingGated",
    message="Scheduling is blocked due to non-empty scheduling gates",
)


def prepare(new: Pod, old: Pod | None) -> Pod:
    """A new pod is Pending and knows its quality of service; a later one keeps what clients that know less dropped."""
    if new.spec.scheduling_group is not None:  # of workload-aware scheduling, which is off
        new = replace(new, spec=replace(new.spec, scheduling_group=None))
    if old is not None:
        return _keep(new, old)
    spec = _pod_level(_merge_label_keys(new.spec, new.metadata.labels))
    status = PodStatus(
        phase="Pending", conditions=(GATED,) if spec.scheduling_gates else (), qos_class=compute_qos(spec)
    )
    return replace(new, spec=spec, status=status)


def _keep(new: Pod, old: Pod) -> Pod:
    if new.spec.resources is None and old.spec.resources is not None:
        new = replace(new, spec=replace(new.spec, resources=old.spec.resources))
    if not new.status.qos_class and old.status.qos_class:
        new = replace(new, status=replace(new.status, qos_class=old.status.qos_class))
    return new


# --- matchLabelKeys: the pod's own values become part of the selector ---


def _merge_label_keys(spec: PodSpec, labels: Mapping[str, str]) -> PodSpec:
    def term(item: PodAffinityTerm) -> PodAffinityTerm:
        merged = _merged(item.label_selector, item.match_label_keys, "In", labels)
        return replace(item, label_selector=_merged(merged, item.mismatch_label_keys, "NotIn", labels))

    def weighted(item: WeightedPodAffinityTerm) -> WeightedPodAffinityTerm:
        return within(item, pod_affinity_term=term)

    def one_way(affinity: A) -> A:
        return within(
            affinity,
            preferred_during_scheduling_ignored_during_execution=each(weighted),
            required_during_scheduling_ignored_during_execution=each(term),
        )

    def both(affinity: Affinity) -> Affinity:
        return within(affinity, pod_affinity=one_way, pod_anti_affinity=one_way)

    def spread(constraint: TopologySpreadConstraint) -> TopologySpreadConstraint:
        merged = _merged(constraint.label_selector, constraint.match_label_keys, "In", labels)
        return replace(constraint, label_selector=merged)

    return within(spec, affinity=both, topology_spread_constraints=each(spread))


def _merged(
    selector: LabelSelector | None, keys: Sequence[str], operator: str, labels: Mapping[str, str]
) -> LabelSelector | None:
    if selector is None:
        return None
    more = tuple(
        LabelSelectorRequirement(key=key, operator=operator, values=(labels[key],)) for key in keys if key in labels
    )
    return replace(selector, match_expressions=(*selector.match_expressions, *more)) if more else selector


# --- Pod-level resources ---


def _pod_level(spec: PodSpec) -> PodSpec:
    """Pod-level requests not given are the sum of the containers', else the pod-level limits."""
    own = spec.resources
    if own is None or not own.limits:
        return spec
    wanted = {n: q for n, q in container_totals(spec, "requests").items() if n in ("cpu", "memory")}
    limits = {n: q for n, q in own.limits.items() if pod_level(n)}
    return replace(spec, resources=replace(own, requests={**limits, **wanted, **own.requests}))

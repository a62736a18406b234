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
    Container,
    EphemeralContainer,
    Lifecycle,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodCondition,
    PodSpec,
    PodStatus,
    TopologySpreadConstraint,
    VolumeMount,
    WeightedPodAffinityTerm,
)
from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement

A = TypeVar("A", PodAffinity, PodAntiAffinity)
C = TypeVar("C", Container, EphemeralContainer)

GATED = PodCondition(
    type="PodScheduled",
    status="False",
    reason="SchedulingGated",
    message="Scheduling is blocked due to non-empty scheduling gates",
)


def prepare(new: Pod, old: Pod | None) -> Pod:
    """A new pod is Pending and knows its quality of service; a later one keeps what clients that know less dropped."""
    spec = without_alpha(new.spec, old.spec if old is not None else None)
    if spec != new.spec:
        new = replace(new, spec=spec)
    if old is not None:
        return _keep(new, old)
    spec = _pod_level(_merge_label_keys(spec, new.metadata.labels))
    status = PodStatus(
        phase="Pending", conditions=(GATED,) if spec.scheduling_gates else (), qos_class=compute_qos(spec)
    )
    return replace(new, spec=spec, status=status)


def without_alpha(spec: PodSpec, old: PodSpec | None) -> PodSpec:
    """The spec less the fields of features that are off, which stay where they already are in use."""
    signals, options = _alpha(old) if old is not None else (False, False)

    def mount(item: VolumeMount) -> VolumeMount:
        return replace(item, bind_mount_options=())

    def lifecycle(item: Lifecycle) -> Lifecycle:
        return replace(item, stop_signal=None)

    def container(item: C) -> C:
        if not signals:
            item = within(item, lifecycle=lifecycle)
        return item if options else within(item, volume_mounts=each(mount))

    responders = spec.eviction_responders if old is not None and old.eviction_responders else ()
    spec = replace(spec, scheduling_group=None, eviction_responders=responders)
    if not any(_alpha(spec)):
        return spec
    return within(
        spec, init_containers=each(container), containers=each(container), ephemeral_containers=each(container)
    )


def _alpha(spec: PodSpec) -> tuple[bool, bool]:
    """Whether any container has a stop signal, and whether any mount has options."""
    every: tuple[Container | EphemeralContainer, ...] = (
        *spec.init_containers,
        *spec.containers,
        *spec.ephemeral_containers,
    )
    signals = any(c.lifecycle is not None and c.lifecycle.stop_signal is not None for c in every)
    return signals, any(m.bind_mount_options for c in every for m in c.volume_mounts)


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

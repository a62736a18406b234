"""Validation of pods: new ones, and what may change in one that is there.

https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from wherry.api.checks import Errors, nonnegative
from wherry.api.core.container_validation import image_text
from wherry.api.core.placement_validation import tolerations
from wherry.api.core.pod_annotations import MIRROR, annotation_updates, pod_annotations
from wherry.api.core.pod_resources import compute_qos
from wherry.api.core.podspec_validation import pod_spec
from wherry.api.types.core import (
    Affinity,
    Container,
    NodeAffinity,
    NodeSelectorTerm,
    Pod,
    PodSpec,
    Toleration,
)
from wherry.machinery.names import in_range
from wherry.machinery.validation import forbidden, invalid, required

UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate(new: Pod, old: Pod | None) -> Errors:
    """A new pod, or an ordinary update of one."""
    yield from _itself(new)
    if old is None:
        yield from _new(new)
    else:
        yield from annotation_updates("metadata.annotations", new.metadata.annotations, old.metadata.annotations)
        yield from _changes(new.spec, old.spec)


def _itself(pod: Pod) -> Errors:
    spec = pod.spec
    yield from pod_annotations("metadata.annotations", pod.metadata.annotations, spec)
    yield from pod_spec("spec", spec, pod.metadata.name, is_pod=True)
    if not spec.service_account_name:
        for index, volume in enumerate(spec.volumes):
            for place, source in enumerate(volume.projected.sources if volume.projected else ()):
                if source.service_account_token is not None:
                    at = f"spec.volumes[{index}].projected.sources[{place}].serviceAccountToken"
                    yield forbidden(at, "must not be specified when serviceAccountName is not set")
    yield from nonnegative("spec.terminationGracePeriodSeconds", spec.termination_grace_period_seconds)
    for index, container in enumerate(spec.containers):
        yield from image_text(f"spec.containers[{index}].image", container.image)
    for index, container in enumerate(spec.init_containers):
        yield from image_text(f"spec.initContainers[{index}].image", container.image)


def _new(pod: Pod) -> Errors:
    if pod.spec.ephemeral_containers:
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if pod.spec.node_name and pod.spec.scheduling_gates:
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


# --- Updates ---


def _changes(new: PodSpec, old: PodSpec) -> Errors:
    for field, more, less in (
        ("containers", new.containers, old.containers),
        ("initContainers", new.init_containers, old.init_containers),
    ):
        if len(more) != len(less):
            yield forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(more):
            if not container.image:
                yield required(f"spec.{field}[{index}].image")
            yield from image_text(f"spec.{field}[{index}].image", container.image)
    refused = list(_deadline(new.active_deadline_seconds, old.active_deadline_seconds))
    yield from refused
    if refused and new.active_deadline_seconds is not None:
        return
    yield from _only_added("spec.tolerations", new.tolerations, old.tolerations)
    known = {gate.name for gate in old.scheduling_gates}
    for index, gate in enumerate(new.scheduling_gates):
        if gate.name not in known:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            yield forbidden(f"spec.schedulingGates[{index}].name", why)
    masked = _masked(new, old)
    if old.scheduling_gates:
        yield from _gated(masked, old)
        masked = _without_placement(masked, old)
    if masked != old:
        yield forbidden("spec", f"pod updates may not change fields other than {UPDATABLE}")


def _masked(new: PodSpec, old: PodSpec) -> PodSpec:
    """`new` with everything that may change put back."""
    spec = replace(
        new,
        containers=_images_of(new.containers, old.containers),
        init_containers=_images_of(new.init_containers, old.init_containers),
        active_deadline_seconds=old.active_deadline_seconds,
        scheduling_gates=old.scheduling_gates,
        tolerations=old.tolerations,
    )
    if (old.termination_grace_period_seconds or 0) < 0 and spec.termination_grace_period_seconds == 1:
        spec = replace(spec, termination_grace_period_seconds=old.termination_grace_period_seconds)
    return spec


def _images_of(new: tuple[Container, ...], old: tuple[Container, ...]) -> tuple[Container, ...]:
    return tuple(replace(mine, image=theirs.image) for mine, theirs in zip(new, old, strict=True))


def _deadline(new: int | None, old: int | None) -> Errors:
    at = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            yield invalid(at, None, "must not update from a positive integer to nil value")
        return
    for problem in in_range(new, 0, 2**31 - 1):
        yield invalid(at, new, problem)
    if old is not None and new > old:
        yield invalid(at, new, "must be less than or equal to previous value")


def _only_added(path: str, new: tuple[Toleration, ...], old: tuple[Toleration, ...]) -> Errors:
    timeless = [replace(item, toleration_seconds=None) for item in new]
    if not all(replace(item, toleration_seconds=None) in timeless for item in old):
        yield forbidden(path, "existing toleration can not be modified except its tolerationSeconds")
        return
    yield from tolerations(path, new)


# --- Gated pods: placement may still become narrower ---


def _gated(new: PodSpec, old: PodSpec) -> Errors:
    if not old.node_selector.items() <= new.node_selector.items():
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield invalid("spec.nodeSelector", new.node_selector, why)
    before, after = _terms(old), _terms(new)
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    if not before:
        return
    if len(before) != len(after):
        yield invalid(path, after, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for index, (mine, theirs) in enumerate(zip(after, before, strict=True)):
        if not _narrower(mine, theirs):
            yield invalid(f"{path}[{index}]", mine, "only additions are allowed (no mutations or deletions)")


def _narrower(new: NodeSelectorTerm, old: NodeSelectorTerm) -> bool:
    if not old.match_expressions and not old.match_fields:
        return not new.match_expressions and not new.match_fields
    expressions = new.match_expressions[: len(old.match_expressions)] == old.match_expressions
    return expressions and new.match_fields[: len(old.match_fields)] == old.match_fields


def _node_affinity(spec: PodSpec) -> NodeAffinity | None:
    return spec.affinity.node_affinity if spec.affinity else None


def _terms(spec: PodSpec) -> tuple[NodeSelectorTerm, ...]:
    own = _node_affinity(spec)
    wanted = own.required_during_scheduling_ignored_during_execution if own else None
    return wanted.node_selector_terms if wanted else ()


def _without_placement(new: PodSpec, old: PodSpec) -> PodSpec:
    affinity = replace(new.affinity or Affinity(), node_affinity=_node_affinity(old))
    same = old.affinity if affinity == (old.affinity or Affinity()) else affinity
    return replace(new, node_selector=old.node_selector, affinity=same)


# --- Subresources ---


def check_ephemeral(new: Pod, old: Pod | None) -> Errors:
    """/ephemeralcontainers: they may be added, never changed or removed."""
    if MIRROR in new.metadata.annotations:
        yield forbidden("", "static pods do not support ephemeral containers")
        return
    yield from _itself(new)
    known = {container.name: container for container in new.spec.ephemeral_containers}
    for container in old.spec.ephemeral_containers if old else ():
        if container.name not in known:
            why = f'existing ephemeral containers "{container.name}" may not be removed\n'
            yield forbidden("spec.ephemeralContainers", why)
        elif known[container.name] != container:
            why = f'existing ephemeral containers "{container.name}" may not be changed\n'
            yield forbidden("spec.ephemeralContainers", why)


def check_resize(new: Pod, old: Pod | None) -> Errors:
    """/resize: cpu and memory of containers, within the same quality of service."""
    yield from _itself(new)
    if old is None:
        return
    if MIRROR in old.metadata.annotations:
        yield forbidden("", "static pods cannot be resized")
        return
    if new.status.qos_class and new.status.qos_class != compute_qos(new.spec):
        yield invalid("spec", new.status.qos_class, "Pod QOS Class may not change as a result of resizing")
    if not _can_resize(old):
        yield forbidden("spec", "Pod running on node without support for resize")
    yield from _removed(new.spec, old.spec)
    if _amountless(new.spec) != _amountless(old.spec):
        yield forbidden("spec", "only cpu and memory resources are mutable")


def _can_resize(pod: Pod) -> bool:
    """Whether the pod's node reports the size of containers, which says that it can change it."""
    running = (status for status in pod.status.container_statuses if status.state.running is not None)
    first = next(running, None)
    return first is None or first.resources is not None


def _removed(new: PodSpec, old: PodSpec) -> Errors:
    """What is asked for or limited stays so, in another amount."""
    for field, mine, theirs in (
        ("initContainers", new.init_containers, old.init_containers),
        ("containers", new.containers, old.containers),
    ):
        for index, (after, before) in enumerate(zip(mine, theirs, strict=True)):
            at = f"spec.{field}[{index}].resources"
            if not before.resources.requests.keys() <= after.resources.requests.keys():
                yield forbidden(f"{at}.requests", "resource requests cannot be removed")
            if not before.resources.limits.keys() <= after.resources.limits.keys():
                yield forbidden(f"{at}.limits", "resource limits cannot be removed")
    if old.resources is None or new.resources is None:
        return
    if not old.resources.requests.keys() <= new.resources.requests.keys():
        yield forbidden("spec.resources.requests", "pod-level resource requests cannot be removed")
    if not old.resources.limits.keys() <= new.resources.limits.keys():
        yield forbidden("spec.resources.limits", "pod-level resource limits cannot be removed")


def _amountless(spec: PodSpec) -> PodSpec:
    return replace(
        spec,
        containers=tuple(map(_resized, spec.containers)),
        init_containers=tuple(map(_resized, spec.init_containers)),
        resources=None,
    )


def _resized(container: Container) -> Container:
    own = container.resources
    kept: dict[str, Any] = {
        side: {name: q for name, q in getattr(own, side).items() if name not in ("cpu", "memory")}
        for side in ("limits", "requests")
    }
    return replace(container, resources=replace(own, **kept))


def check_binding(new: Pod, old: Pod | None) -> Errors:
    """/binding: the API server checks the rest when it binds."""
    if not new.spec.node_name:
        yield required("spec.nodeName")

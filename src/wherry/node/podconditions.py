"""A pod's conditions: ready, initialized, its gates, a resize under way, disruption. Pure.

Reasons and messages are the words that clients of upstream see. A transition time moves only when the status moves.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wherry.api.types.core import ContainerStateTerminated, ContainerStatus, Pod, PodCondition, PodStatus
from wherry.machinery import conditions
from wherry.machinery.time import Time
from wherry.node import resize, restartall
from wherry.node.facts import Facts, exited, is_sidecar, running

RESIZE_CONDITIONS = ("PodResizePending", "PodResizeInProgress")
_NO_REASON = " "
"""False without a reason: upstream gives none for this condition."""


def ended(one: ContainerStatus) -> ContainerStateTerminated | None:
    """How its last run ended, if it does not run now."""
    if one.state.terminated:
        return one.state.terminated
    return one.last_state.terminated if one.state.waiting else None


def succeeded(one: ContainerStatus) -> bool:
    return one.state.terminated is not None and one.state.terminated.exit_code == 0


def compute(pod: Pod, status: PodStatus, facts: Facts, now: Time) -> tuple[PodCondition, ...]:
    """All conditions of the pod, others' own included. `status` is complete but for them."""
    found = pod.status.conditions
    generation = pod.metadata.generation
    for kind, (reason, message) in _findings(pod, status, facts).items():
        true = not reason or (reason == "PodCompleted" and kind == "Initialized")
        wanted = PodCondition(
            type=kind, status="True" if true else "False", reason=reason.strip(), message=message,
            observed_generation=generation, last_transition_time=now,
        )  # fmt: skip
        found = _put(found, wanted)
    if facts.rejected is not None and facts.rejected.reason == "Evicted":
        disrupted = PodCondition(
            type="DisruptionTarget", status="True", reason="TerminationByKubelet", message=facts.rejected.message,
            observed_generation=generation, last_transition_time=now,
        )  # fmt: skip
        found = _put(found, disrupted)
    if restartall.used(pod):
        found = _put(found, _starting_over(pod, facts, now))
    return _resizing(found, pod, status, facts, now)


def _starting_over(pod: Pod, facts: Facts, now: Time) -> PodCondition:
    """AllContainersRestarting: from the end that asked for it until a new container is there."""
    since = restartall.epoch(pod, facts)
    true = bool(since) and not restartall.fresh(facts, since).containers
    return PodCondition(
        type=restartall.CONDITION, status="True" if true else "False", reason=restartall.STARTED if true else "",
        observed_generation=pod.metadata.generation, last_transition_time=now,
    )  # fmt: skip


def _resizing(
    found: tuple[PodCondition, ...], pod: Pod, status: PodStatus, facts: Facts, now: Time
) -> tuple[PodCondition, ...]:
    """PodResizePending and PodResizeInProgress are there only while they are true."""
    wanted = []
    if not status.phase.startswith(("Succ", "Fail")) and facts.pending is not None:
        wanted.append(("PodResizePending", facts.pending.reason, facts.pending.message))
    if _in_progress(pod, facts) or facts.resize_error:
        wanted.append(("PodResizeInProgress", "Error" if facts.resize_error else "", facts.resize_error))
    for kind, reason, message in wanted:
        made = PodCondition(
            type=kind, status="True", reason=reason, message=message, observed_generation=pod.metadata.generation,
            last_transition_time=now, last_probe_time=now,
        )  # fmt: skip
        old = conditions.get(found, kind)
        if old is not None:
            made = msgspec.structs.replace(made, last_probe_time=old.last_probe_time)
        found = _put(found, made)
    kinds = {kind for kind, _, _ in wanted}
    return tuple(one for one in found if one.type not in RESIZE_CONDITIONS or one.type in kinds)


def _in_progress(pod: Pod, facts: Facts) -> bool:
    if facts.group_stale:
        return True
    sidecars = (one for one in pod.spec.init_containers if is_sidecar(one))
    for spec in (*pod.spec.containers, *sidecars):
        latest = facts.latest(spec.name)
        if latest is None:
            continue
        if running(latest) and resize.needs(spec, latest, facts.actuated):
            return True
        if exited(latest) and resize.ended_for_size(spec, latest):
            return True
    return False


def _put(found: tuple[PodCondition, ...], wanted: PodCondition) -> tuple[PodCondition, ...]:
    """Set a condition; its transition time stays while its status stays."""
    old = conditions.get(found, wanted.type)
    if old is None:
        return (*found, wanted)
    if old.status == wanted.status:
        wanted = msgspec.structs.replace(wanted, last_transition_time=old.last_transition_time)
    return tuple(wanted if one.type == wanted.type else one for one in found)


def _findings(pod: Pod, status: PodStatus, facts: Facts) -> dict[str, tuple[str, str]]:
    """Condition -> (reason, message) of why it is false; reason "" means true."""
    done = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(status.phase, "")
    containers = (done, "") if done else _containers_ready(pod, status)
    gates = containers if containers[0] else _gates(pod)
    has_frame = facts.sandbox is not None and (pod.spec.host_network or bool(facts.sandbox.ips))
    return {
        "PodReadyToStartContainers": ("", "") if has_frame else (_NO_REASON, ""),
        "Initialized": _initialized(pod, status),
        "Ready": gates,
        "ContainersReady": containers,
        "PodScheduled": ("", ""),
    }


def _initialized(pod: Pod, status: PodStatus) -> tuple[str, str]:
    if status.phase == "Succeeded":
        return "PodCompleted", ""
    begun = any(one.state.running or ended(one) for one in status.container_statuses)
    if begun:
        return "", ""
    sidecars = {one.name for one in pod.spec.init_containers if is_sidecar(one)}
    left = [
        one.name
        for one in status.init_container_statuses
        if not (one.started if one.name in sidecars else succeeded(one))
    ]
    return _incomplete("ContainersNotInitialized", "incomplete", left) if left else ("", "")


def _containers_ready(pod: Pod, status: PodStatus) -> tuple[str, str]:
    sidecars = {one.name for one in pod.spec.init_containers if is_sidecar(one)}
    counted = (*(one for one in status.init_container_statuses if one.name in sidecars), *status.container_statuses)
    left = [one.name for one in counted if not one.ready]
    return _incomplete("ContainersNotReady", "unready", left) if left else ("", "")


def _incomplete(reason: str, word: str, names: Iterable[str]) -> tuple[str, str]:
    return reason, f"containers with {word} status: [{' '.join(names)}]"


def _gates(pod: Pod) -> tuple[str, str]:
    messages = []
    for gate in pod.spec.readiness_gates:
        found = conditions.get(pod.status.conditions, gate.condition_type)
        name = gate.condition_type
        if found is None:
            messages.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif found.status != "True":
            messages.append(f'the status of pod readiness gate "{name}" is not "True", but {found.status}')
    return ("ReadinessGatesNotReady", ", ".join(messages)) if messages else ("", "")

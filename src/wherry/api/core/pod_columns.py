"""What `kubectl get pods` prints: readiness, one word for the state, restarts and when the last one was.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from wherry.api.columns import AGE, or_none
from wherry.api.core.pod_resources import is_sidecar
from wherry.api.core.pod_state import condition, is_ready, is_terminal
from wherry.api.types.core import ContainerStateTerminated, ContainerStatus, Pod
from wherry.machinery.resource import Column
from wherry.machinery.table import age


class Summary(NamedTuple):
    """One line about a pod. `last_restart`: when the last restarted container had ended, "" if unknown."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart: str


class _Step(NamedTuple):
    """What initialisation has come to: `reason` is None once it is over."""

    reason: str | None
    ready: int
    seen: tuple[ContainerStatus, ...]


def summary(pod: Pod) -> Summary:
    """The pod in one line, in the words of kubectl."""
    sidecars = {c.name for c in pod.spec.init_containers if is_sidecar(c)}
    reason = pod.status.reason or pod.status.phase
    if (scheduled := condition(pod, "PodScheduled")) is not None and scheduled.reason == "SchedulingGated":
        reason = "SchedulingGated"
    step = _initialisation(pod, sidecars)
    counted: tuple[ContainerStatus, ...] = step.seen
    ready = step.ready
    initialized = condition(pod, "Initialized")
    if step.reason is None or (initialized is not None and initialized.status == "True"):
        ready += sum(c.ready and c.state.running is not None for c in pod.status.container_statuses)
        counted = (*(s for s in step.seen if s.name in sidecars), *pod.status.container_statuses)
        reason = _running(pod, step.reason or reason)
    else:
        reason = step.reason
    return Summary(
        ready,
        len(pod.spec.containers) + len(sidecars),
        _ending(pod, reason),
        sum(c.restart_count for c in counted),
        max((_last_end(c) for c in counted), default=""),
    )


def _last_end(container: ContainerStatus) -> str:
    ended = container.last_state.terminated
    return (ended.finished_at or "") if ended else ""


def _initialisation(pod: Pod, sidecars: set[str]) -> _Step:
    ready = 0
    statuses = pod.status.init_container_statuses
    for index, container in enumerate(statuses):
        ended, waiting = container.state.terminated, container.state.waiting
        if ended is not None and ended.exit_code == 0:
            continue
        if container.name in sidecars and container.started:
            ready += container.ready
            continue
        if ended is not None:
            reason = f"Init:{_why_ended(ended)}"
        elif waiting is not None and waiting.reason not in ("", "PodInitializing"):
            reason = f"Init:{waiting.reason}"
        else:
            reason = f"Init:{index}/{len(pod.spec.init_containers)}"
        return _Step(reason, ready, statuses[: index + 1])
    return _Step(None, ready, statuses)


def _why_ended(ended: ContainerStateTerminated) -> str:
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"


def _running(pod: Pod, reason: str) -> str:
    error, running = "", False
    for container in reversed(pod.status.container_statuses):
        waiting, ended = container.state.waiting, container.state.terminated
        if waiting is not None and waiting.reason:
            reason = waiting.reason
        elif ended is not None:
            reason = _why_ended(ended)
            error = reason if ended.exit_code else error
        elif container.ready and container.state.running is not None:
            running = True
    if reason != "Completed":
        return reason
    if running and is_ready(pod):
        return "Running"
    return error or ("NotReady" if running else reason)


def _ending(pod: Pod, reason: str) -> str:
    if pod.metadata.deletion_timestamp is None:
        return reason
    if pod.status.reason == "NodeLost":
        return "Unknown"
    return reason if is_terminal(pod) else "Terminating"


def _ready(pod: Pod, _: float) -> str:
    found = summary(pod)
    return f"{found.ready}/{found.total}"


def _restarts(pod: Pod, now: float) -> str:
    found = summary(pod)
    if found.restarts and found.last_restart:
        return f"{found.restarts} ({age(found.last_restart, now)} ago)"
    return str(found.restarts)


def _gates(pod: Pod, _: float) -> str:
    gates = [gate.condition_type for gate in pod.spec.readiness_gates]
    return f"{sum(_is_true(pod, gates))}/{len(gates)}" if gates else "<none>"


def _is_true(pod: Pod, types: Iterable[str]) -> Iterable[bool]:
    for type_ in types:
        found = condition(pod, type_)
        yield found is not None and found.status == "True"


COLUMNS: tuple[Column[Pod], ...] = (
    Column("Ready", _ready, description="Containers that are ready, of all that should run."),
    Column("Status", lambda pod, _: summary(pod).status, description="The state of the containers in one word."),
    Column("Restarts", _restarts, description="Restarts of the containers, and when the last one was."),
    AGE,
    Column("IP", lambda pod, _: or_none(next((ip.ip for ip in pod.status.pod_ips), "")), wide=True),
    Column("Node", lambda pod, _: or_none(pod.spec.node_name), wide=True),
    Column("Nominated Node", lambda pod, _: or_none(pod.status.nominated_node_name), wide=True),
    Column("Readiness Gates", _gates, wide=True),
)

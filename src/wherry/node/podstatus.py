"""A pod's status from what is known of it: container states, conditions, phase, addresses. Pure.

Reasons and messages are the words that clients of upstream see. A transition time moves only when the status moves, so
computing twice gives the same object and nothing is published.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from wherry.api.core.pod_resources import compute_qos
from wherry.api.types.core import (
    Container as Spec,
)
from wherry.api.types.core import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    EphemeralContainer,
    HostIP,
    Pod,
    PodIP,
    PodStatus,
    ResourceRequirements,
    VolumeMountStatus,
)
from wherry.machinery.time import time_at
from wherry.node import podconditions, resize
from wherry.node.facts import Facts, exited, is_sidecar, running
from wherry.node.podconditions import ended, succeeded
from wherry.node.runtime.interface import Container

SCHEME = "containerd://"


def as_container(extra: EphemeralContainer) -> Spec:
    """An ephemeral container's definition in the shape of an ordinary one."""
    fields = {name: getattr(extra, name) for name in Spec.__struct_fields__}
    return Spec(**fields)


def started(spec: Spec, container: Container | None, facts: Facts) -> bool:
    """Whether it runs, its postStart has ended, and its startup probe (if any) has succeeded."""
    if container is None or not running(container) or container.id in facts.awaiting_hook:
        return False
    found = facts.probes.get(container.id)
    return spec.startup_probe is None or (found is not None and found.started)


def ready(spec: Spec, container: Container | None, facts: Facts) -> bool:
    """Whether it has started and its readiness probe (if any) says so."""
    if container is None or not started(spec, container, facts):
        return False
    found = facts.probes.get(container.id)
    return spec.readiness_probe is None or (found is not None and found.ready)


def prior(pod: Pod, name: str) -> ContainerStatus | None:
    """What was last published about a container."""
    status = pod.status
    known = (*status.init_container_statuses, *status.container_statuses, *status.ephemeral_container_statuses)
    return next((one for one in known if one.name == name), None)


def next_attempt(pod: Pod, name: str, last: Container | None) -> int:
    """The restart count of the next container of that name; goes on from what was published if the runtime forgot."""
    if last is not None:
        return last.attempt + 1
    before = prior(pod, name)
    return before.restart_count + 1 if before and before.container_id else 0


def compute(
    pod: Pod,
    facts: Facts,
    now: float,
    *,
    waiting: Mapping[str, tuple[str, str]],
    over: bool,
    verdict: tuple[str, str] | None,
) -> PodStatus:
    """The whole status. `waiting`: why containers wait; `over`: nothing will run again; `verdict`: the node ends it."""
    view = _View(pod, facts, waiting, ending=pod.metadata.deletion_timestamp is not None or verdict is not None)
    init = tuple(view.status(one) for one in pod.spec.init_containers)
    main = tuple(sorted((view.status(one) for one in pod.spec.containers), key=lambda one: one.name))
    extra = tuple(_unprobed(view.status(as_container(one))) for one in pod.spec.ephemeral_containers)
    old = pod.status
    sandbox = facts.sandbox
    ips = facts.host_ips if pod.spec.host_network else (sandbox.ips if sandbox else ())
    if not ips:
        ips = tuple(one.ip for one in old.pod_ips)
    phase = _phase(pod, init, main, over=over, verdict=verdict)
    reason, message = verdict or (old.reason, old.message)
    status = msgspec.structs.replace(
        old,
        phase=phase,
        reason=reason,
        message=message,
        observed_generation=pod.metadata.generation,
        start_time=old.start_time or time_at(now),
        host_ip=facts.host_ips[0] if facts.host_ips else old.host_ip,
        host_ips=tuple(HostIP(ip=ip) for ip in facts.host_ips) or old.host_ips,
        pod_ip=ips[0] if ips and sandbox else old.pod_ip,
        pod_ips=tuple(PodIP(ip=ip) for ip in ips) if sandbox else old.pod_ips,
        qos_class=old.qos_class or compute_qos(pod.spec),
        allocated_resources=pod.spec.resources.requests if pod.spec.resources else old.allocated_resources,
        resources=pod.spec.resources or old.resources,
        init_container_statuses=init,
        container_statuses=main,
        ephemeral_container_statuses=extra,
    )
    return msgspec.structs.replace(status, conditions=podconditions.compute(pod, status, facts, time_at(now)))


@dataclass(frozen=True, slots=True)
class _View:
    pod: Pod
    facts: Facts
    waiting: Mapping[str, tuple[str, str]]
    ending: bool

    def status(self, spec: Spec) -> ContainerStatus:
        """What one container is doing."""
        history = self.facts.history(spec.name)
        if not history:
            return self._unborn(spec)
        latest, before = history[0], next((one for one in history[1:] if exited(one)), None)
        why = self.waiting.get(spec.name)
        last = ContainerState(terminated=_terminated(before)) if before else self._last_published(spec, latest)
        if exited(latest):
            state = ContainerState(terminated=_terminated(latest))
            if why:
                state, last = ContainerState(waiting=ContainerStateWaiting(reason=why[0], message=why[1])), state
        elif running(latest):
            state = ContainerState(running=ContainerStateRunning(started_at=time_at(latest.started)))
        else:
            state = self._wait(spec)
        is_ready = self._ready(spec, latest)
        return ContainerStatus(
            name=spec.name,
            image=latest.image or spec.image,
            image_id=latest.image_id,
            container_id=SCHEME + latest.id,
            restart_count=latest.attempt,
            ready=is_ready,
            started=started(spec, latest, self.facts),
            state=state,
            last_state=last,
            allocated_resources=spec.resources.requests,
            resources=self._size(spec, latest),
            volume_mounts=_mounts(spec),
        )

    def _size(self, spec: Spec, latest: Container) -> ResourceRequirements:
        """What a running container has; what one that does not run will get."""
        if not running(latest):
            return spec.resources
        has = self.facts.actuated.get(latest.id) or resize.made_with(latest)
        if has is None or resize.same(has, spec.resources):
            return spec.resources
        return msgspec.structs.replace(
            spec.resources,
            requests={**spec.resources.requests, **has.requests},
            limits={**spec.resources.limits, **has.limits},
        )

    def _ready(self, spec: Spec, latest: Container) -> bool:
        regular_init = any(one.name == spec.name and not is_sidecar(one) for one in self.pod.spec.init_containers)
        if regular_init:
            return exited(latest) and latest.exit_code == 0
        return ready(spec, latest, self.facts)

    def _last_published(self, spec: Spec, latest: Container) -> ContainerState:
        """The run before, if the runtime has forgotten it but it was published."""
        before = prior(self.pod, spec.name)
        if before is None or latest.attempt == 0:
            return ContainerState()
        if before.container_id != SCHEME + latest.id and before.state.terminated:
            return before.state
        return before.last_state

    def _unborn(self, spec: Spec) -> ContainerStatus:
        """No container of that name is known."""
        before = prior(self.pod, spec.name)
        if before and before.container_id:
            return self._forgotten(spec, before)
        return ContainerStatus(
            name=spec.name, image=spec.image, ready=False, started=False, state=self._wait(spec),
            volume_mounts=_mounts(spec),
        )  # fmt: skip

    def _forgotten(self, spec: Spec, before: ContainerStatus) -> ContainerStatus:
        """It was published once, and is gone: its end was not seen."""
        state, last = before.state, before.last_state
        if state.running:
            state = ContainerState(
                terminated=ContainerStateTerminated(
                    exit_code=137, reason="ContainerStatusUnknown", started_at=state.running.started_at,
                    message="The container could not be located when the pod was terminated",
                    container_id=before.container_id,
                )
            )  # fmt: skip
        why = self.waiting.get(spec.name)
        if why and state.terminated:
            state, last = ContainerState(waiting=ContainerStateWaiting(reason=why[0], message=why[1])), state
        return msgspec.structs.replace(before, state=state, last_state=last, ready=False, started=False)

    def _wait(self, spec: Spec) -> ContainerState:
        default = "PodInitializing" if self.pod.spec.init_containers else "ContainerCreating"
        reason, message = self.waiting.get(spec.name, (default, ""))
        return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def _unprobed(one: ContainerStatus) -> ContainerStatus:
    """An ephemeral container is never ready and has no size of its own."""
    return msgspec.structs.replace(one, ready=False, started=None, resources=None, allocated_resources={})


def _mounts(spec: Spec) -> tuple[VolumeMountStatus, ...]:
    return tuple(
        VolumeMountStatus(
            name=one.name, mount_path=one.mount_path, read_only=one.read_only,
            recursive_read_only="Disabled" if one.read_only else None,
        )
        for one in spec.volume_mounts
    )  # fmt: skip


def _terminated(one: Container) -> ContainerStateTerminated:
    code = one.exit_code
    reason = one.reason or ("Completed" if code == 0 else "Error")
    return ContainerStateTerminated(
        exit_code=code,
        reason=reason,
        message=one.message,
        started_at=time_at(one.started) if one.started else None,
        finished_at=time_at(one.finished) if one.finished else None,
        container_id=SCHEME + one.id,
    )


def _phase(
    pod: Pod,
    init: tuple[ContainerStatus, ...],
    main: tuple[ContainerStatus, ...],
    *,
    over: bool,
    verdict: tuple[str, str] | None,
) -> str:
    """Pending, Running, Succeeded or Failed; the last two only when nothing runs any more, and then for good."""
    if pod.status.phase in ("Succeeded", "Failed"):
        return pod.status.phase
    if verdict is not None:
        return "Failed" if over else (pod.status.phase or "Pending")
    ordinary = {one.name for one in pod.spec.init_containers if not is_sidecar(one)}
    if over:
        codes = [one.state.terminated for one in (*(i for i in init if i.name in ordinary), *main)]
        return "Succeeded" if all(end is not None and end.exit_code == 0 for end in codes) else "Failed"
    begun = any(one.state.running or ended(one) for one in main)
    if not begun and any(one.name in ordinary and not succeeded(one) for one in init):
        return "Pending"
    if any(one.state.waiting and not one.last_state.terminated for one in main):
        return "Pending"
    return "Running"

"""The pod's life: (pod, facts, now) -> instructions and status. Pure; the worker acts, and asks again after every
change.

Invariants: no container is started while another of its name may run; init containers run in order, each to its end
(sidecars until they have started); main containers start after them; a terminating pod first drains, then its main
containers end, then its sidecars in reverse order, then its sandbox; only then is the object deleted.
Restart state lives in the containers' own annotations (attempt, back-off step), so an agent that comes back knows it.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from wherry.api.types.core import Container as Spec
from wherry.api.types.core import Pod, PodStatus
from wherry.machinery.time import seconds
from wherry.node import exchange, podstatus, resize, restartall
from wherry.node.facts import (
    STEP,
    CreateSandbox,
    Drain,
    Facts,
    Finish,
    GetImage,
    Instruction,
    Kill,
    MountVolumes,
    RemoveContainer,
    Resize,
    Role,
    RunHook,
    Say,
    Start,
    StopSandbox,
    changed,
    exited,
    is_sidecar,
    pod_text,
    running,
)
from wherry.node.runtime.interface import Container, State

RESET_AFTER = 600.0
"""A container that ran this long (seconds) starts over without delay."""
CAP = 300.0
SIDECAR_GRACE = 2.0
"""What a sidecar gets (seconds) when the main containers have used up the pod's grace."""
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


def delay(step: int) -> float:
    """Seconds between a container's end and its restart number `step` in a row: 0, 10, 20, 40 ... 300."""
    return 0.0 if step <= 0 else min(CAP, 10.0 * 2 ** (min(step, 10) - 1))


def next_step(last: Container) -> int:
    """The back-off step of the container that follows `last`."""
    if last.started and last.finished - last.started >= RESET_AFTER:
        return 1
    own = last.annotations.get(STEP, "0")
    return (int(own) if own.isdigit() else 0) + 1


def restart_at(last: Container) -> float:
    """When the container that follows `last` may start."""
    return last.finished + delay(next_step(last) - 1)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, what to publish, and when to ask again if nothing happens before (None: no need)."""

    instructions: tuple[Instruction, ...]
    status: PodStatus
    wake_at: float | None = None
    settled: bool = True
    """False while a container is exchanged for one of a new definition: nobody is told of that moment (Ready would flap
    for a change of image that takes a tenth of a second), unless it gets long."""


def decide(pod: Pod, facts: Facts, now: float) -> Decision:
    """The one entry point."""
    ending = must_end(pod, facts, now)
    plan = _Plan(pod, facts, now)
    until = None if ending else exchange.ends(pod, facts)
    settled = until is None or now >= until
    if until is not None and not settled:
        plan.wakes.append(until)
    steps = tuple(plan.end(delete=pod.metadata.deletion_timestamp is not None) if ending else plan.run())
    status = podstatus.compute(pod, facts, now, waiting=plan.waiting, over=plan.over, verdict=_verdict(pod, facts, now))
    return Decision(steps, status, min(plan.wakes, default=None), settled)


def must_end(pod: Pod, facts: Facts, now: float) -> bool:
    """Whether the pod has to stop: deleted, over, refused, or past its deadline."""
    return (
        pod.metadata.deletion_timestamp is not None
        or pod.status.phase in ("Succeeded", "Failed")
        or _verdict(pod, facts, now) is not None
    )


def _verdict(pod: Pod, facts: Facts, now: float) -> tuple[str, str] | None:
    """(reason, message) when the node itself ends the pod as Failed."""
    if pod.status.phase in ("Succeeded", "Failed"):
        return None
    if facts.rejected:
        return facts.rejected.reason, facts.rejected.message
    limit = pod.spec.active_deadline_seconds
    if limit is not None and pod.status.start_time and now >= seconds(pod.status.start_time) + limit:
        return "DeadlineExceeded", DEADLINE_MESSAGE
    return None


def policy(pod: Pod, spec: Spec) -> str:
    """The restart policy that counts for one container."""
    return spec.restart_policy or pod.spec.restart_policy or "Always"


def wants_restart(pod: Pod, spec: Spec, last: Container, *, init: bool = False) -> bool:
    """Whether an ended container is to run again."""
    action = restartall.matching_action(spec, last)
    if action:
        return action.startswith("Restart")
    by = policy(pod, spec)
    if init and not is_sidecar(spec):
        return last.exit_code != 0 and by != "Never"
    return by == "Always" or (by == "OnFailure" and last.exit_code != 0)


class _Plan:
    """One decision in the making. `waiting` collects (reason, message) by container name for the status."""

    def __init__(self, pod: Pod, facts: Facts, now: float) -> None:
        self.pod, self.facts, self.now = pod, facts, now
        self.epoch = restartall.epoch(pod, facts)
        self.fresh = restartall.fresh(facts, self.epoch)
        """What counts for what is to run: all, but for what was there before the pod had to start over."""
        self.wakes: list[float] = []
        self.waiting: dict[str, tuple[str, str]] = {}
        self.over = False
        """Everything has ended for good."""

    # --- a pod that lives

    def run(self) -> Iterator[Instruction]:
        self._note_deadline()
        stale = [one for one in self.facts.containers if one.created < self.epoch and running(one)]
        if stale:
            text = "will be restarted: all containers of the pod start over"
            for one in stale:
                yield Kill(one.name, one.id, grace_of(self.pod), f"Container {one.name} {text}")
            return
        todo, ended = self._wanted()
        if ended:
            yield from self._wind_down()
            return
        yield from self._watch_running()
        if todo and not self.facts.volumes_ready and self._may("volumes", "/volumes"):
            yield MountVolumes()
        if self.facts.sandbox is None:
            yield from self._frame(needed=bool(todo))
        for spec, role in todo:
            yield from self._bring_up(spec, role)
        yield from self._tidy()

    def _note_deadline(self) -> None:
        limit, start = self.pod.spec.active_deadline_seconds, self.pod.status.start_time
        if limit is not None and start:
            self.wakes.append(seconds(start) + limit)

    def _wanted(self) -> tuple[list[tuple[Spec, Role]], bool]:
        """Containers to be brought up now, and whether the pod has run to its end."""
        todo: list[tuple[Spec, Role]] = []
        facts, spec = self.fresh, self.pod.spec
        initialized = any(facts.current(one.name) for one in spec.containers)
        for init in spec.init_containers:
            now = facts.current(init.name)
            if is_sidecar(init):
                if not running(now):
                    todo.append((init, "sidecar"))
                if not initialized and not podstatus.started(init, now, facts):
                    return todo, self._mains_over()
            elif not initialized and not (exited(now) and now is not None and now.exit_code == 0):
                if exited(now) and now is not None and not wants_restart(self.pod, init, now, init=True):
                    return [], True
                if not running(now):
                    todo.append((init, "init"))
                return todo, False
        if self._mains_over():
            return [], True
        return todo + self._mains(), False

    def _mains_over(self) -> bool:
        """Whether every main container has ended and none is to run again."""
        for spec in self.pod.spec.containers:
            last = self.fresh.latest(spec.name)
            if last is None or not exited(last) or self._runs_again(spec, last):
                return False
        return bool(self.pod.spec.containers)

    def _runs_again(self, spec: Spec, last: Container) -> bool:
        return wants_restart(self.pod, spec, last) or self._remade(spec, last)

    def _remade(self, spec: Spec, last: Container) -> bool:
        """Whether it ended because its definition or its size changed, or others of the pod had to start over: what
        follows starts at once."""
        if last.created < self.epoch and restartall.matching_action(spec, last) != restartall.ACTION:
            return True
        return changed(spec, last) or resize.ended_for_size(spec, last)

    def _mains(self) -> list[tuple[Spec, Role]]:
        todo: list[tuple[Spec, Role]] = []
        for spec in self.pod.spec.containers:
            last = self.fresh.latest(spec.name)
            now = self.fresh.current(spec.name)
            if last is not None and exited(last) and not self._runs_again(spec, last):
                continue
            if not running(now):
                todo.append((spec, "main"))
            if spec.lifecycle and spec.lifecycle.post_start and not self._hook_over(now):
                break  # the next container waits for this one's hook
        todo += [
            (podstatus.as_container(extra), "ephemeral")
            for extra in self.pod.spec.ephemeral_containers
            if self.facts.latest(extra.name) is None
        ]
        return todo

    def _hook_over(self, container: Container | None) -> bool:
        return container is not None and running(container) and container.id not in self.facts.awaiting_hook

    def _frame(self, *, needed: bool) -> Iterator[Instruction]:
        facts = self.facts
        for old in facts.sandboxes:
            if any(running(one) and one.sandbox == old.id for one in facts.containers):
                yield StopSandbox(old.id)
                return
        if needed and self._may("sandbox", "/sandbox"):
            if facts.sandboxes:
                yield Say(facts.sandboxes[0].id, "Normal", "SandboxChanged",
                          "Pod sandbox changed, it will be killed and re-created.")  # fmt: skip
            yield CreateSandbox(facts.sandboxes[0].attempt + 1 if facts.sandboxes else 0)

    def _may(self, kind: str, owner: str) -> bool:
        """Whether work of that kind may begin: none in flight, no back-off running."""
        if kind in self.facts.busy:
            return False
        problem = self.facts.problems.get(owner)
        if problem and problem.retry_at > self.now:
            self.wakes.append(problem.retry_at)
            return False
        return True

    def _bring_up(self, spec: Spec, role: Role) -> Iterator[Instruction]:
        last = self.facts.latest(spec.name)
        attempt, step = podstatus.next_attempt(self.pod, spec.name, last), 0
        if last is not None and exited(last):
            step = next_step(last)
            if not self._remade(spec, last) and not self._back_off_over(spec, last):
                yield Say(
                    f"{last.id} BackOff", "Warning", "BackOff",
                    f"Back-off restarting failed container {spec.name} in pod {pod_text(self.pod)}", spec.name,
                )  # fmt: skip
                return
        elif last is not None and last.state is State.CREATED:
            attempt = last.attempt
        problem = self.facts.problems.get(spec.name)
        if problem:
            self.waiting[spec.name] = (problem.reason, problem.message)
        if f"image {spec.name}" in self.facts.busy or not self._may(f"start {spec.name}", spec.name):
            return
        image = self.facts.images.get((spec.name, attempt))
        if image is None:
            yield GetImage(spec.name, attempt)
        elif self.facts.volumes_ready and self.facts.sandbox is not None:
            yield Start(spec.name, role, attempt, step, image)

    def _back_off_over(self, spec: Spec, last: Container) -> bool:
        at = restart_at(last)
        if at <= self.now:
            return True
        self.wakes.append(at)
        wait = f"{_duration(delay(next_step(last) - 1))}"
        text = f"back-off {wait} restarting failed container={spec.name} pod={pod_text(self.pod)}"
        self.waiting[spec.name] = ("CrashLoopBackOff", text)
        return False

    def _watch_running(self) -> Iterator[Instruction]:
        """Running containers that need something: a hook, or an end."""
        specs = {one.name: one for one in (*self.pod.spec.init_containers, *self.pod.spec.containers)}
        for name, spec in specs.items():
            now = self.facts.current(name)
            if now is None or not running(now):
                continue
            if now.id in self.facts.awaiting_hook:
                yield RunHook(name, now.id)
            size = resize.needs(spec, now, self.facts.actuated) if self._resizable(spec) else ""
            reason = self._why_kill(spec, now)
            if not reason and size == "restart":
                reason = f"Container {name} resize requires restart"
            if reason:
                yield Kill(name, now.id, self._grace(spec, now), reason)
            elif size:
                yield Resize(name, now.id)

    def _resizable(self, spec: Spec) -> bool:
        """Main containers and sidecars; an ordinary init container takes its new size when it is started next."""
        return is_sidecar(spec) or any(one.name == spec.name for one in self.pod.spec.containers)

    def _why_kill(self, spec: Spec, now: Container) -> str:
        if changed(spec, now):
            return f"Container {spec.name} definition changed, will be restarted"
        if self.facts.hooks.get(now.id) is False:
            return "FailedPostStartHook"
        found = self.facts.probes.get(now.id)
        if found and found.failed:
            return f"Container {spec.name} failed {found.failed} probe, will be restarted"
        return ""

    def _grace(self, spec: Spec, now: Container) -> float:
        found = self.facts.probes.get(now.id)
        probe = spec.liveness_probe if found and found.failed == "liveness" else spec.startup_probe
        if found and found.failed and probe and probe.termination_grace_period_seconds is not None:
            return float(probe.termination_grace_period_seconds)
        return grace_of(self.pod)

    def _tidy(self) -> Iterator[Instruction]:
        """Keep the present container and the one before; the rest goes."""
        for name in {one.name for one in self.facts.containers}:
            for old in self.facts.history(name)[2:]:
                if not running(old):
                    yield RemoveContainer(old.id)

    # --- a pod that ends

    def _wind_down(self) -> Iterator[Instruction]:
        """The main containers have ended by themselves: end the sidecars, then the sandbox."""
        left = yield from self._end_containers(self.now + grace_of(self.pod))
        if left:
            return
        self.over = True
        yield from self._end_sandbox()

    def end(self, *, delete: bool) -> Iterator[Instruction]:
        facts = self.facts
        working = any(kind.split(" ")[0] in ("sandbox", "start", "volumes") for kind in facts.busy)
        alive = any(running(one) for one in facts.containers)
        if alive and delete and not facts.drained:
            yield Drain()
            return
        since = facts.stopping_since or self.now
        left = yield from self._end_containers(since + self._ending_grace())
        if left or working:
            return
        self.over = True
        stopping = tuple(self._end_sandbox())
        yield from stopping
        if not stopping and not facts.busy:
            yield Finish(delete)

    def _ending_grace(self) -> float:
        own, refused = grace_of(self.pod), self.facts.rejected
        return own if refused is None or refused.grace is None else min(own, refused.grace)

    def _end_containers(self, until: float) -> Generator[Instruction, None, bool]:
        """Kill what runs, in order; its value (by `yield from`) tells whether anything is left."""
        sidecars = [one.name for one in self.pod.spec.init_containers if is_sidecar(one)]
        alive = {one.name: one for one in reversed(self.facts.containers) if running(one)}
        first = [one for name, one in alive.items() if name not in sidecars]
        last = [alive[name] for name in reversed(sidecars) if name in alive]
        grace = max(0.0, until - self.now)
        if not first and grace == 0.0 and last:
            grace = SIDECAR_GRACE if grace_of(self.pod) else 0.0
        for one in first or last[:1]:
            yield Kill(one.name, one.id, grace, f"Stopping container {one.name}")
        return bool(first or last)

    def _end_sandbox(self) -> Iterator[Instruction]:
        for one in self.facts.sandboxes:
            if one.ready:
                yield StopSandbox(one.id)


def grace_of(pod: Pod) -> float:
    """Seconds between the stop signal and SIGKILL."""
    granted = pod.metadata.deletion_grace_period_seconds
    if pod.metadata.deletion_timestamp is not None and granted is not None:
        return float(granted)
    own = pod.spec.termination_grace_period_seconds
    return 30.0 if own is None else float(own)


def _duration(wait: float) -> str:
    """As Go prints it: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(wait), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"

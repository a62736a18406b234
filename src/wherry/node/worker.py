"""Worker: one pod's loop. Decide, publish, begin what was decided, wait for news; until the pod is gone.

Work runs as tasks, each under a name that is never in flight twice, so deciding again is always safe. What the runtime
does not remember (volumes mounted, images found, problems, hooks, probe results) lives here and is rebuilt by doing it
again; every one of those steps is idempotent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wherry.aio.backoff import Backoff
from wherry.api.types.core import Pod, PodStatus
from wherry.machinery.errors import APIError
from wherry.machinery.time import seconds, time_at
from wherry.node import admission, fence, lifecycle
from wherry.node import facts as f
from wherry.node.fence import Verdict
from wherry.node.hooks.hook import HookFault
from wherry.node.performer import Parts, Performer
from wherry.node.probing import Probing
from wherry.node.resizing import Resizing
from wherry.node.runtime.interface import RuntimeFault
from wherry.node.status import OWN

log = logging.getLogger(__name__)

SANDBOX = "/sandbox"
VOLUMES = "/volumes"
EVICTION_GRACE = 1.0
"""Seconds between stop signal and SIGKILL for a pod whose resources the node needs at once."""
ROOM_AGAIN = 0.3
"""Seconds until a pod looks again whether the ones that are ending have made room."""


@dataclass(slots=True)
class _Memory:
    """What only this worker knows."""

    volumes_ready: bool = False
    over: bool = False
    """What was mounted is being taken away: nothing is mounted any more."""
    images: dict[tuple[str, int], str] = field(default_factory=dict)
    problems: dict[str, f.Problem] = field(default_factory=dict)
    hooks: dict[str, bool] = field(default_factory=dict)
    awaiting: set[str] = field(default_factory=set)
    stopping_since: float = 0.0
    drained: bool = False
    rejected: f.Problem | None = None
    done: set[str] = field(default_factory=set)
    kills: dict[str, float] = field(default_factory=dict)
    """container id -> latest moment (epoch seconds) at which it must be dead"""


class Worker:
    """See the module."""

    def __init__(self, parts: Parts, pod: Pod) -> None:
        self._parts = parts
        self._do = Performer(parts, pod)
        self._status = pod.status
        self._memory = _Memory()
        self._sizes = Resizing(self._do)
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._probing = Probing(parts, self._do, self.wake)
        self._backoffs: dict[str, Backoff] = {}
        self._taken = pod.status.start_time is not None
        """The node has decided to run it."""
        self._gone = False
        """The object no longer exists."""
        self._finished = False
        self._refresh_at = parts.clock.monotonic() + parts.config.refresh

    @property
    def pod(self) -> Pod:
        """The pod as last seen, with the status last decided."""
        return self._do.pod

    def wake(self) -> None:
        """Something changed."""
        self._wake.set()

    def update(self, pod: Pod) -> None:
        """The object changed."""
        mine = {one.type: one for one in self._status.conditions if one.type in OWN}
        others = tuple(one for one in pod.status.conditions if one.type not in OWN)
        phase = pod.status.phase if pod.status.phase in ("Succeeded", "Failed") else self._status.phase
        self._status = msgspec.structs.replace(
            self._status, conditions=(*others, *mine.values()), phase=phase,
            reason=pod.status.reason or self._status.reason, message=pod.status.message or self._status.message,
        )  # fmt: skip
        old, new = self._do.pod.metadata, pod.metadata
        if (old.labels, old.annotations) != (new.labels, new.annotations):
            self._refresh_at = 0.0
        self._do.pod = msgspec.structs.replace(self._sizes.wish(pod), status=self._status)
        self.wake()

    def vanish(self) -> None:
        """The object is gone: end the pod with its own grace, and tell nobody."""
        if self._gone:
            return
        self._gone = True
        self._parts.publisher.forget(self._do.uid)
        pod = self._do.pod
        if pod.metadata.deletion_timestamp is None:
            grace = pod.spec.termination_grace_period_seconds
            meta = msgspec.structs.replace(
                pod.metadata, deletion_timestamp=time_at(self._parts.clock.now()),
                deletion_grace_period_seconds=max(1, 30 if grace is None else grace),
            )  # fmt: skip
            self._do.pod = msgspec.structs.replace(pod, metadata=meta)
        self.wake()

    def reject(self, reason: str, message: str) -> None:
        """The node refuses or evicts the pod."""
        self._memory.rejected = f.Problem(reason, message)
        self.wake()

    def evict(self, message: str) -> None:
        """The node needs back what the pod uses."""
        if self._memory.rejected is None:
            self._do.tell("Warning", "Evicted", message)
            self._memory.rejected = f.Problem("Evicted", message, grace=EVICTION_GRACE)
            self.wake()

    async def run(self) -> None:
        """Until the pod has ended and is deleted."""
        async with asyncio.TaskGroup() as group:
            while not self._finished:
                self._wake.clear()
                held = self._held() or not (self._taken or self._take())
                pause = ROOM_AGAIN if held else self._pause(self._step(group))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
            self._probing.stop()
            for task in self._busy.values():
                task.cancel()

    def _held(self) -> bool:
        """Whether nothing may be done yet. A pod whose time without an API is up ends here, before anything else."""
        verdict = self._parts.verdict(self._do.pod)
        if verdict is Verdict.END and self._memory.rejected is None:
            self._do.tell("Warning", fence.REASON, fence.MESSAGE)
            self._memory.rejected = f.Problem(fence.REASON, fence.MESSAGE, grace=EVICTION_GRACE)
        if verdict is not Verdict.HOLD:
            return False
        return not lifecycle.must_end(self._do.pod, self._facts(), self._parts.clock.now())

    def _pause(self, wake_at: float | None) -> float:
        until = max(0.0, self._refresh_at - self._parts.clock.monotonic())
        if wake_at is not None:
            until = min(until, max(0.005, wake_at - self._parts.clock.now()))
        return until

    def _step(self, group: asyncio.TaskGroup) -> float | None:
        now = self._parts.clock.now()
        memory = self._memory
        if lifecycle.must_end(self._do.pod, self._facts(), now):
            memory.stopping_since = memory.stopping_since or self._stopping_since(now)
            for name, task in self._busy.items():
                if name.startswith("image "):
                    task.cancel()
        retry_at = None if memory.stopping_since else self._resize(group, now)
        self._probing.follow(group, memory.awaiting, stopping=bool(memory.stopping_since))
        # before decide(): after a restart a prober begins with what the status says, which decide() replaces
        decision = lifecycle.decide(self._do.pod, self._facts(), now)
        if decision.settled:
            self._publish(decision.status)
        for order in decision.instructions:
            self._begin(group, order)
        if self._parts.clock.monotonic() >= self._refresh_at:
            self._refresh_at = self._parts.clock.monotonic() + self._parts.config.refresh
            if memory.volumes_ready and not memory.over:
                self._task(group, "refresh", self._do.refresh())
        return min((at for at in (decision.wake_at, retry_at) if at is not None), default=None)

    def _publish(self, status: PodStatus) -> None:
        if status != self._status:
            if not self._memory.stopping_since:
                self._sizes.say_completed(self._status, status)
            self._status = status
            self._do.pod = msgspec.structs.replace(self._do.pod, status=status)
        if not self._gone:
            self._parts.publisher.publish(self._do.uid, status)

    def _resize(self, group: asyncio.TaskGroup, now: float) -> float | None:
        """Take a new size if it fits; when to try again if it does not."""
        retry_at = self._sizes.allocate(now)
        if self._sizes.group_stale:
            self._task(group, "resize group", self._sizes.resize_group())
        return retry_at

    def _take(self) -> bool:
        """Decide whether the node runs this new pod; False while pods that are ending hold what it needs."""
        parts, pod = self._parts, self._do.pod
        self._taken = True
        if parts.room is None or lifecycle.must_end(pod, self._facts(), parts.clock.now()):
            return True
        others = [one for one in parts.others() if one.status.start_time is not None]
        problem = admission.refusal(pod, others, parts.room())
        if problem is None:
            return True
        staying = [one for one in others if one.metadata.deletion_timestamp is None]
        if admission.refusal(pod, staying, parts.room()) is None:
            self._taken = False
            return False
        self._do.tell("Warning", problem.reason, problem.message)
        self.reject(problem.reason, f"Pod was rejected: {problem.message}")
        return True

    def _stopping_since(self, now: float) -> float:
        """When the grace began: at the request, also for an agent that was not there then."""
        meta = self._do.pod.metadata
        if meta.deletion_timestamp is None:
            return now
        asked = seconds(meta.deletion_timestamp) - (meta.deletion_grace_period_seconds or 0)
        return now if now - asked < 2.0 else asked  # stamps have whole seconds: never cut a short grace

    def _facts(self) -> f.Facts:
        memory, seen = self._memory, self._parts.observer.pod(self._do.uid)
        return f.Facts(
            sandboxes=seen.sandboxes,
            containers=seen.containers,
            host_ips=self._parts.config.addresses,
            volumes_ready=memory.volumes_ready,
            images=memory.images,
            problems=memory.problems,
            probes=self._probing.found(),
            hooks=memory.hooks,
            awaiting_hook=frozenset(memory.awaiting),
            actuated=self._sizes.actuated,
            pending=self._sizes.pending,
            resize_error=self._sizes.error,
            group_stale=self._sizes.group_stale,
            busy=frozenset(self._busy),
            stopping_since=memory.stopping_since,
            drained=memory.drained,
            rejected=memory.rejected,
        )

    # --- work

    def _begin(self, group: asyncio.TaskGroup, order: f.Instruction) -> None:  # noqa: C901, PLR0912 - one branch per instruction
        do = self._do
        match order:
            case f.CreateSandbox(attempt):
                self._try(group, "sandbox", SANDBOX, lambda: do.create_sandbox(attempt))
            case f.MountVolumes():
                self._try(group, "volumes", VOLUMES, self._prepare)
            case f.GetImage(name, attempt):
                self._try(group, f"image {name}", name, lambda: self._image(name, attempt))
            case f.Start(name):
                self._try(group, f"start {name}", name, lambda: self._start(order))
            case f.RunHook(name, container):
                self._task(group, f"hook {container}", self._hook(name, container))
            case f.Kill():
                self._kill(group, order)
            case f.Resize(name):
                self._task(group, f"resize {name}", self._sizes.resize(order, self.wake))
            case f.StopSandbox(sandbox):
                self._try(group, f"stop {sandbox}", "", lambda: do.stop_sandbox(sandbox))
            case f.RemoveContainer(container):
                self._try(group, f"remove {container}", "", lambda: do.remove_container(container))
            case f.Drain():
                self._task(group, "drain", self._drain())
            case f.Say(once, kind, reason, message, container):
                if once not in self._memory.done:
                    self._memory.done.add(once)
                    do.tell(kind, reason, message, container)
            case f.Finish(delete):
                self._memory.over = True
                if f"finish {delete}" not in self._memory.done:
                    self._try(group, "finish", "", lambda: self._finish(delete=delete))

    def _task(self, group: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin work unless work of that name is in flight."""
        if name in self._busy:
            work.close()
            return

        async def guarded() -> None:
            try:
                await work
            except (RuntimeFault, HookFault, APIError, OSError, TimeoutError) as error:
                log.info("pod %s: %s: %s", f.pod_text(self._do.pod), name, error)
                await asyncio.sleep(self._backoff(name))
            except Exception:
                log.exception("pod %s: %s", f.pod_text(self._do.pod), name)
                await asyncio.sleep(self._backoff(name))
            finally:
                self._busy.pop(name, None)
                self.wake()

        self._busy[name] = group.create_task(guarded())

    def _backoff(self, name: str) -> float:
        clock = self._parts.clock
        return self._backoffs.setdefault(name, Backoff(clock, first=0.5, cap=10.0, forget=60.0)).failed()

    def _try(self, group: asyncio.TaskGroup, name: str, owner: str, work: Callable[[], Awaitable[None]]) -> None:
        """Begin work whose failure is the owner's problem, shown in the status and tried again later."""
        if name not in self._busy:
            self._task(group, name, self._attempt(name, owner, work))

    async def _attempt(self, name: str, owner: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (RuntimeFault, HookFault, OSError, APIError, ValueError) as error:
            if not owner:
                raise
            reason = error.reason if isinstance(error, HookFault) else "CreateContainerError"
            wait = self._backoff(name)
            self._memory.problems[owner] = f.Problem(reason, str(error), self._parts.clock.now() + wait)
            self._say_failure(name, owner, error)
        else:
            if not name.startswith("image "):
                self._memory.problems.pop(owner, None)

    def _say_failure(self, name: str, owner: str, error: Exception) -> None:
        tell = self._do.tell
        if name == "sandbox":
            code = error.code.title().replace("_", "") if isinstance(error, RuntimeFault) else "Unknown"
            text = f"rpc error: code = {code} desc = {error}"
            tell("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {text}")
        elif name == "volumes":
            tell("Warning", "FailedMount", str(error))
        else:
            tell("Warning", "Failed", f"Error: {error}", owner)

    async def _prepare(self) -> None:
        await self._do.prepare()
        self._memory.volumes_ready = True

    async def _image(self, name: str, attempt: int) -> None:
        spec = self._do.spec_of(name)
        if spec is None:
            return
        found = await self._parts.puller.get(
            self._do.pod, spec, lambda kind, reason, text: self._do.tell(kind, reason, text, name)
        )
        if isinstance(found, f.Problem):
            self._memory.problems[name] = found
            return
        self._memory.problems.pop(name, None)
        self._memory.images = {key: held for key, held in self._memory.images.items() if key[0] != name}
        self._memory.images[name, attempt] = found

    async def _start(self, order: f.Start) -> None:
        spec = self._do.spec_of(order.name)
        container = await self._do.start(order)
        if container is not None and spec is not None and spec.lifecycle and spec.lifecycle.post_start:
            self._memory.awaiting.add(container.id)

    async def _hook(self, name: str, container: str) -> None:
        healthy = False
        try:
            healthy = await self._do.post_start(name, container)
        finally:
            self._memory.hooks[container] = healthy
            self._memory.awaiting.discard(container)

    def _kill(self, group: asyncio.TaskGroup, order: f.Kill) -> None:
        """Begin to end a container; again, sooner, if the grace was shortened meanwhile."""
        must_be_dead = self._parts.clock.now() + order.grace
        known = self._memory.kills.get(order.container)
        if known is not None and must_be_dead > known - 0.5:
            name = f"kill {order.container}"
        else:
            self._memory.kills[order.container] = must_be_dead
            name = f"kill {order.container}" if known is None else f"kill {order.container} sooner"
        self._task(group, name, self._do.kill(order, order.grace))

    async def _drain(self) -> None:
        await self._do.drain()
        self._memory.drained = True

    async def _finish(self, *, delete: bool) -> None:
        if delete and self._gone:
            await self._do.clear()
            await self._do.remove_all()
        else:
            await self._do.finish(delete=delete)
        self._memory.done.add(f"finish {delete}")
        self._finished = delete

    def status(self) -> PodStatus:
        """What was last decided."""
        return self._status

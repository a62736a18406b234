"""Resizing: one pod's sizes on this node, kept by its worker: what is set aside, what containers have, what goes wrong.

Decisions are in resize.py, limits are changed by the performer. Says ResizeStarted, ResizeDeferred, ResizeInfeasible,
ResizeError and ResizeCompleted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from wherry.api.types.core import Pod, PodStatus, ResourceRequirements
from wherry.machinery import conditions
from wherry.node import facts, resize
from wherry.node.facts import Problem
from wherry.node.hooks.hook import HookFault
from wherry.node.performer import Performer
from wherry.node.runtime.interface import RuntimeFault

AGAIN = 5.0
"""Seconds until a size that did not fit is tried again."""


@dataclass(slots=True)
class Resizing:
    """See the module. The performer's pod always has the sizes that are set aside."""

    do: Performer
    allocated: resize.Sizes = field(default_factory=dict)
    actuated: dict[str, ResourceRequirements] = field(default_factory=dict)
    """By container id, for containers that were given another size while they ran."""
    pending: Problem | None = None
    error: str = ""
    group_stale: bool = False
    """The pod's own size has changed, and its control group has not yet."""
    _wanted: resize.Sizes = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.allocated = resize.allocated(self.do.pod)
        self.do.pod = self.wish(self.do.pod)

    def wish(self, pod: Pod) -> Pod:
        """The object changed: the pod as the node works with it."""
        self._wanted = resize.sizes(pod)
        return resize.resized(pod, self.allocated)

    def allocate(self, now: float) -> float | None:
        """Take a new size if it fits; when to try again if it does not."""
        do, before = self.do, self.pending
        if not resize.differ(self._wanted, self.allocated):
            self.pending = None
            return None
        larger = resize.resized(do.pod, self._wanted)
        trouble = resize.verdict(larger, do.parts.others(), do.parts.machine.allocatable)
        if trouble is not None:
            self.pending = Problem(trouble.reason, trouble.message)
            if before != self.pending:
                self._tell(
                    "Warning", f"Resize{trouble.reason}", f"Pod resize {trouble.reason}", larger, trouble.message
                )
            return now + AGAIN
        self.group_stale = not resize.same(self.allocated.get(resize.POD), self._wanted.get(resize.POD))
        self.allocated, self.pending, self.error = self._wanted, None, ""
        do.pod = larger
        self._tell("Normal", "ResizeStarted", "Pod resize started", larger)
        return None

    def say_completed(self, was: PodStatus, now: PodStatus) -> None:
        """An event when everything has its new size."""
        kind = "PodResizeInProgress"
        if conditions.get(was.conditions, kind) is not None and conditions.get(now.conditions, kind) is None:
            self._tell("Normal", "ResizeCompleted", "Pod resize completed", self.do.pod)

    async def resize_group(self) -> None:
        """Give the pod's own control group its new size. Raises HookFault, OSError: it is tried again."""
        try:
            await self.do.resize_group()
        except (HookFault, OSError) as error:
            if self.error != str(error):
                self.error = str(error)
                self._tell("Warning", "ResizeError", "Pod resize error", self.do.pod, self.error)
            raise
        self.group_stale, self.error = False, ""

    async def resize(self, order: facts.Resize, wake: Callable[[], None]) -> None:
        """Give a container its new size. Raises HookFault, RuntimeFault, OSError: it is tried again."""
        do = self.do
        spec = do.spec_of(order.name)
        alive = [one for one in do.parts.observer.pod(do.uid).containers if facts.running(one)]
        has = {one.name: self.actuated.get(one.id) or resize.made_with(one) for one in alive}
        self.actuated = {one.id: self.actuated[one.id] for one in alive if one.id in self.actuated}
        try:
            await do.resize(order, {name: size for name, size in has.items() if size is not None})
        except (RuntimeFault, HookFault, OSError) as error:
            if self.error != str(error):
                self.error = str(error)
                self._tell("Warning", "ResizeError", "Pod resize error", do.pod, self.error)
                wake()
            raise
        self.error = ""
        if spec is not None:
            self.actuated[order.container] = spec.resources

    def _tell(self, kind: facts.EventKind, reason: str, words: str, pod: Pod, error: str = "") -> None:
        self.do.tell(kind, reason, f"{words}: {resize.summary(pod, self.do.pod.metadata.generation, error)}")

"""Plan: what is known about the nodes for all pods of one shape, kept from decision to decision.

`possible` (node filters and room for the requests) and `points` (scores that need no comparison between nodes) are
worked out for all nodes when a node has changed, else only where pods have come or gone since. What other filters and
scores can keep they keep here, under a name: until a node changes (`kept`), or the rules held by pods (`while_rules`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wherry.scheduler.podinfo import Shape
from wherry.scheduler.snapshot import Mask, Snapshot

T = TypeVar("T")
Score = NDArray[np.float64]
_PLANS = 128
_PIECEMEAL = 24
"""With more changed nodes than this, working all out anew is quicker."""


class Plan:
    """The plan of one shape; `wherry.scheduler.cycle` fills it in."""

    __slots__ = ("_kept", "_rules", "allowed", "generation", "points", "possible", "seen", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.generation = -1
        self.seen = 0
        """How much of the snapshot's log has been taken into account."""
        self.allowed: Mask = np.zeros(0, bool)
        self.possible: Mask = np.zeros(0, bool)
        self.points: Score = np.zeros(0)
        self._kept: dict[str, Any] = {}
        self._rules: dict[str, tuple[int, Any]] = {}

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """Something that only depends on nodes."""
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]
        return found

    def while_rules(self, name: str, snapshot: Snapshot, make: Callable[[], T]) -> T:
        """Something that only depends on which rules pods hold."""
        version, found = self._rules.get(name, (-1, None))
        if version != snapshot.tallies.version:
            found = make()
            self._rules[name] = (snapshot.tallies.version, found)
        out: T = found
        return out

    def stale_slots(self, snapshot: Snapshot) -> list[slice]:
        """The slots to work out anew; everything is as of now afterwards."""
        now = snapshot.log_start + len(snapshot.log)
        everything = self.generation != snapshot.generation or self.seen < snapshot.log_start
        changed = () if everything else set(snapshot.log[self.seen - snapshot.log_start :])
        if self.generation != snapshot.generation:
            self.generation = snapshot.generation
            self._kept.clear()
        self.seen = now
        if everything or len(changed) > _PIECEMEAL:
            return [slice(0, snapshot.size)]
        return [slice(slot, slot + 1) for slot in changed]


def plan_for(snapshot: Snapshot, shape: Shape) -> Plan:
    """The plan of a shape, not necessarily up to date."""
    plans: dict[Shape, Plan] = snapshot.plans
    found = plans.get(shape)
    if found is None:
        if len(plans) >= _PLANS:
            del plans[next(iter(plans))]
        found = plans[shape] = Plan(shape)
    return found

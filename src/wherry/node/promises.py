"""What an agent has promised about its stateful pods, and until when they may run. Pure.

The agent's half of `api.core.fencing`. Times are seconds of one clock that never goes back and counts the machine's
sleep. A server may hold any promise that was sent since the last answer, so all of them bind.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from wherry.api.core import fencing

EARLY = 2.0
"""The agent ends its pods so long before the watchdog would."""

Witnesses = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """`sets`: the witnesses named in each promise that a server may hold; () while none is in force. `base`: the moment
    that the time of the promise counts from. `answered`: when the last answered renewal was sent."""

    answered: float
    sets: tuple[Witnesses, ...] = ()
    base: float = float("-inf")

    @property
    def deadline(self) -> float | None:
        """When the stateful pods are dead at the latest; None while nothing is promised."""
        return self.base + fencing.SECONDS if self.sets else None

    def lapsed(self, now: float) -> bool:
        """Whether the agent must end them now."""
        return self.deadline is not None and now >= self.deadline - EARLY

    def away(self, now: float) -> bool:
        """Whether no server can have seen this node renew lately: what a witness is asked."""
        return now - self.answered >= fencing.AWAY

    def sending(self, witnesses: Witnesses, now: float) -> Standing:
        """A renewal is about to be sent, with a promise that names these; () for none."""
        if not witnesses or witnesses in self.sets:
            return self
        return replace(self, sets=(*self.sets, witnesses), base=self.base if self.sets else now)

    def answer(self, witnesses: Witnesses, sent: float) -> Standing:
        """The renewal that was sent then, with this promise, has been answered: no other holds any more."""
        sets = (witnesses,) if witnesses else ()
        return Standing(max(self.answered, sent), sets, max(self.base, sent))

    def asks(self, now: float) -> bool:
        """Whether it is time to ask the witnesses."""
        return bool(self.sets) and now - self.base >= fencing.AWAY

    def heard(self, away: Collection[str], began: float) -> Standing:
        """A round of questions that began then: these are away."""
        enough = all(fencing.agent_may_go_on(sum(one in away for one in each), len(each)) for each in self.sets)
        return replace(self, base=max(self.base, began)) if enough and self.sets else self

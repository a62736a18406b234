"""Preemption: which pods must go so that a more important one fits (pure).

For every node where it could help: take away all less important pods; if the pod then fits, give back as many as
possible: first those that no disruption budget allows to go, most important first. Among such nodes: fewest broken
budgets, least important victims, fewest victims, the later start.
https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wherry.api.core.pod import condition
from wherry.scheduler.cycle import Random, Refused, available, feasible_nodes, fresh_plan, nominees, verdicts
from wherry.scheduler.filters.interpod import holders
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.podinfo import PodInfo, Shape
from wherry.scheduler.snapshot import Snapshot

CANDIDATES = 64
"""Nodes with victims to choose from at most, so that a large cluster costs no more than a middling one."""
FEW_CANDIDATES = 16
"""The same where every try must ask all filters."""
BY_SCHEDULER = "PreemptionByScheduler"
NO_HELP = "Preemption is not helpful for scheduling"
NOBODY_LESSER = "No preemption victims found for incoming pod"


@dataclass(frozen=True, slots=True)
class Budget:
    """A disruption budget: how many more of the pods it covers may go."""

    namespace: str
    covers: Callable[[Mapping[str, str]], bool]
    allowed: int
    disrupted: frozenset[str]
    """Names of pods whose going has been counted already."""


@dataclass(frozen=True, slots=True)
class Victims:
    """These pods must leave this node, most important first; `violations` go although a budget forbids it."""

    node: str
    pods: tuple[PodInfo, ...]
    violations: int = 0


@dataclass(frozen=True, slots=True)
class NoVictims:
    """Preemption does not help; the text is what events say. `keep`: the pod's nomination stands all the same."""

    text: str
    keep: bool = False


def preempt(
    snapshot: Snapshot, ask: Ask, refused: Refused, budgets: Sequence[Budget], random: Random
) -> Victims | NoVictims:
    """The cheapest way to make room. The snapshot is as before when this returns."""
    why = _not_eligible(snapshot, ask, refused)
    if why:
        return NoVictims(why, keep=True)
    lesser = refused.helpful & (snapshot.lowest < ask.shape.priority)
    reasons: Counter[str] = Counter()
    hopeless = refused.nodes - int(np.count_nonzero(refused.helpful))
    nobody = int(np.count_nonzero(refused.helpful & ~lesser))
    reasons.update({reason: count for reason, count in ((NO_HELP, hopeless), (NOBODY_LESSER, nobody)) if count})
    found: list[Victims] = []
    with nominees(snapshot, ask):
        simple = _only_resources(snapshot, ask)
        amounts = _Amounts(snapshot, ask.shape)
        wanted = CANDIDATES if simple else FEW_CANDIDATES
        for slot in _from_anywhere(np.flatnonzero(lesser), random):
            trial = _Sums(snapshot, amounts, slot) if simple else _Removal(snapshot, ask, slot)
            victims = _on_node(snapshot, ask, slot, trial, budgets)
            if victims is None:
                reasons.update(trial.reasons())
            else:
                found.append(victims)
            trial.end()
            if len(found) >= wanted:
                break
    return min(found, key=_cost) if found else NoVictims(available(refused.nodes, reasons))


def _from_anywhere(slots: NDArray[np.int64], random: Random) -> Iterator[int]:
    """All of them, starting at any."""
    start = random.randrange(len(slots)) if len(slots) else 0
    for part in (slots[start:], slots[:start]):
        for slot in part:
            yield int(slot)


def _not_eligible(snapshot: Snapshot, ask: Ask, refused: Refused) -> str:
    if not ask.shape.preempts:
        return "not eligible due to preemptionPolicy=Never."
    promised = snapshot.nominated.get(ask.info.uid)
    slot = snapshot.index.get(promised[1]) if promised is not None else None
    if slot is None or not refused.helpful[slot]:
        return ""
    if any(info.priority < ask.shape.priority and _is_leaving(info) for info in snapshot.pods[slot].values()):
        return "not eligible due to a terminating pod on the nominated node."
    return ""


def _is_leaving(info: PodInfo) -> bool:
    target = condition(info.pod, "DisruptionTarget")
    return info.terminating and target is not None and (target.status, target.reason) == ("True", BY_SCHEDULER)


def _only_resources(snapshot: Snapshot, ask: Ask) -> bool:
    """Whether nothing but requests makes a node that could be helped impossible."""
    shape = ask.shape
    return not (
        shape.ports or shape.hard_spread or shape.affinity or shape.anti_affinity or ask.volumes.taken_once
        or holders(snapshot, fresh_plan(snapshot, ask))
    )  # fmt: skip


# --- One node ---


class _Amounts:
    """What pods take up of what the new one needs, worked out once per shape: columns of the snapshot, pods last."""

    def __init__(self, snapshot: Snapshot, shape: Shape) -> None:
        self.names = [*shape.requests, "pods"]
        self.columns = [snapshot.column(name) for name in self.names]
        self.wanted = [*shape.requests.values(), 1]
        self._known: dict[Shape, tuple[int, ...]] = {}

    def of(self, shape: Shape) -> tuple[int, ...]:
        """The amounts of a pod."""
        found = self._known.get(shape)
        if found is None:
            found = self._known[shape] = (*(shape.requests.get(name, 0) for name in self.names[:-1]), 1)
        return found


class _Sums:
    """Pods are taken away and given back on paper: only requests matter."""

    def __init__(self, snapshot: Snapshot, amounts: _Amounts, slot: int) -> None:
        self._amounts = amounts
        free = snapshot.allocatable[amounts.columns, slot] - snapshot.requested[amounts.columns, slot]
        self._short: list[int] = [wanted - there for wanted, there in zip(amounts.wanted, free.tolist(), strict=True)]

    def take(self, info: PodInfo) -> None:
        self._short = [short - n for short, n in zip(self._short, self._amounts.of(info.shape), strict=True)]

    def give_back(self, info: PodInfo) -> None:
        self._short = [short + n for short, n in zip(self._short, self._amounts.of(info.shape), strict=True)]

    def fits(self) -> bool:
        return max(self._short) <= 0

    def reasons(self) -> Counter[str]:
        """Why the pod did not fit without all those taken away."""
        return Counter(
            "Too many pods" if name == "pods" else f"Insufficient {name}"
            for name, short in zip(self._amounts.names, self._short, strict=True)
            if short > 0
        )

    def end(self) -> None:
        """Nothing to put back."""


class _Removal:
    """Pods are really taken out of the snapshot, and all filters asked; `end` puts everybody back."""

    def __init__(self, snapshot: Snapshot, ask: Ask, slot: int) -> None:
        self._snapshot, self._ask, self._slot = snapshot, ask, slot
        self._order = dict(snapshot.pods[slot])
        self._out: dict[str, PodInfo] = {}

    def take(self, info: PodInfo) -> None:
        self._out[info.uid] = info
        self._snapshot.drop_pod(info.uid)

    def give_back(self, info: PodInfo) -> None:
        del self._out[info.uid]
        self._snapshot.put_pod(info, self._snapshot.names[self._slot])

    def fits(self) -> bool:
        return bool(feasible_nodes(self._snapshot, self._ask)[self._slot])

    def reasons(self) -> Counter[str]:
        """Why the pod did not fit without all those taken away."""
        for refusals in verdicts(self._snapshot, self._ask):
            found = Counter(refusal.reason for refusal in refusals if refusal.nodes[self._slot])
            if found:
                return found
        return Counter()

    def end(self) -> None:
        """Put everybody back, in the old order."""
        for info in tuple(self._out.values()):
            self.give_back(info)
        pods = self._snapshot.pods[self._slot]
        for uid in self._order:
            pods[uid] = pods.pop(uid)


def _on_node(
    snapshot: Snapshot, ask: Ask, slot: int, trial: _Sums | _Removal, budgets: Sequence[Budget]
) -> Victims | None:
    lesser = sorted((i for i in snapshot.pods[slot].values() if i.priority < ask.shape.priority), key=_importance)
    for info in lesser:
        trial.take(info)
    if not trial.fits():
        return None
    protected = _protected(lesser, budgets) if budgets else {}
    victims: list[PodInfo] = []
    for info in (*protected.values(), *(info for info in lesser if info.uid not in protected)):
        trial.give_back(info)
        if not trial.fits():
            trial.take(info)
            victims.append(info)
    violations = sum(info.uid in protected for info in victims)
    ordered = sorted(victims, key=_importance) if protected else victims
    return Victims(snapshot.names[slot], tuple(ordered), violations)


def _importance(info: PodInfo) -> tuple[int, str]:
    """Smaller is more important: higher priority, then the earlier start."""
    return (-info.priority, _start(info))


def _start(info: PodInfo) -> str:
    """RFC 3339 in UTC sorts as text; a pod that has not started is later than all."""
    return info.pod.status.start_time or "~"


def _protected(pods: Sequence[PodInfo], budgets: Sequence[Budget]) -> dict[str, PodInfo]:
    """Those that cannot go without breaking a budget, if the others before them go."""
    allowed = [budget.allowed for budget in budgets]
    out: dict[str, PodInfo] = {}
    for info in pods:
        meta = info.pod.metadata
        for number, budget in enumerate(budgets):
            if budget.namespace != meta.namespace or not meta.labels or not budget.covers(meta.labels):
                continue
            if meta.name in budget.disrupted:
                continue
            allowed[number] -= 1
            if allowed[number] < 0:
                out[info.uid] = info
                break
    return out


def _cost(victims: Victims) -> tuple[int, int, int, int, _Later, str]:
    priorities = [info.priority for info in victims.pods]
    highest = max(priorities, default=0)
    earliest = min((_start(info) for info in victims.pods if info.priority == highest), default="")
    # Offset: so that more victims of negative priority do not look cheaper.
    total = sum(priority + 2**31 for priority in priorities)
    return (victims.violations, highest, total, len(priorities), _Later(earliest), victims.node)


@dataclass(frozen=True, slots=True)
class _Later:
    """Sorts later times first."""

    time: str

    def __lt__(self, other: _Later) -> bool:
        return self.time > other.time

"""The scheduling cycle: which node a pod goes to, or why to none (pure).

Filters say who is out, scores who is best; among equals `random` chooses. What pods of one template share is kept in
their plan, so that a decision only looks at what has changed since the last one. Room that is being made for other pods
(nominations) of at least the same priority counts as taken. The text of a failure is upstream's:
`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`
https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from wherry.scheduler.filters.resources import room
from wherry.scheduler.filters.table import AFTER_RESOURCES, BEFORE_RESOURCES, NODE_FILTERS, RESOURCE_FILTER
from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.plan import Plan, Score, plan_for
from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.scores.preferences import scale
from wherry.scheduler.scores.table import NEIGHBOUR_SCORES, NODE_SCORES, SCALED_SCORES, SLOT_SCORES
from wherry.scheduler.snapshot import Mask, Snapshot

OUT = -1.0
"""The score of a node that is not feasible."""


class Random(Protocol):
    """The part of random.Random that is used."""

    def randrange(self, stop: int, /) -> int:
        """0 <= n < stop."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The pod goes here."""

    node: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The pod goes nowhere: how many nodes there are, and how many each reason refused.

    `helpful` marks nodes where removing pods might help (for preemption).
    """

    nodes: int
    helpful: Mask
    reasons: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return available(self.nodes, self.reasons)


def available(nodes: int, reasons: Counter[str]) -> str:
    """What events say of nodes that are not available."""
    counts = sorted(f"{count} {reason}" for reason, count in reasons.items())
    return f"0/{nodes} nodes are available: {', '.join(counts)}." if counts else f"0/{nodes} nodes are available:"


# --- What is possible ---


def fresh_plan(snapshot: Snapshot, ask: Ask) -> Plan:
    """The plan of the pod's shape, up to date."""
    plan = plan_for(snapshot, ask.shape)
    before = plan.generation
    slots = plan.stale_slots(snapshot)
    if plan.generation != before:
        _look_at_nodes(snapshot, plan)
    for part in slots:
        plan.possible[part] = plan.allowed[part] & room(snapshot, plan.shape, part)
        points = plan.kept("node points", lambda: _node_points(snapshot, plan))[part].copy()
        for score, weight in SLOT_SCORES:
            points += weight * score(snapshot, plan.shape, part)
        plan.points[part] = points
    return plan


def _look_at_nodes(snapshot: Snapshot, plan: Plan) -> None:
    plan.allowed = snapshot.alive.copy()
    for apply in NODE_FILTERS:
        for refusal in apply(snapshot, plan.shape):
            plan.allowed &= ~refusal.nodes
    plan.possible = snapshot.mask()
    plan.points = np.zeros(snapshot.size)


def _node_points(snapshot: Snapshot, plan: Plan) -> Score:
    total = np.zeros(snapshot.size)
    for score, weight in NODE_SCORES:
        values = score(snapshot, plan.shape)
        if values is not None:
            total += weight * values
    return total


def feasible_nodes(snapshot: Snapshot, ask: Ask) -> Mask:
    """Nodes that pass all filters. Not to be written to."""
    plan = fresh_plan(snapshot, ask)
    out = plan.possible
    for apply in (*BEFORE_RESOURCES, *AFTER_RESOURCES):
        for refusal in apply(snapshot, ask):
            out = out & ~refusal.nodes
    return out


@contextmanager
def nominees(snapshot: Snapshot, ask: Ask) -> Iterator[bool]:
    """Meanwhile pods for which room is being made count as being there, as far as they matter as much as this one.

    Yields whether there are any.
    """
    moved: list[PodInfo] = []
    for uid, (info, node) in snapshot.nominated.items():
        if uid != ask.info.uid and info.priority >= ask.shape.priority and not snapshot.node_of(uid):
            snapshot.put_pod(info, node)
            moved.append(info)
    try:
        yield bool(moved)
    finally:
        for info in moved:
            snapshot.drop_pod(info.uid)


def all_feasible(snapshot: Snapshot, ask: Ask) -> Mask:
    """Nodes that pass all filters, whether nominated pods come or not."""
    if not snapshot.nominated:
        return feasible_nodes(snapshot, ask)
    with nominees(snapshot, ask) as any_moved:
        out = feasible_nodes(snapshot, ask).copy()
    return out & feasible_nodes(snapshot, ask) if any_moved else out


# --- What is best ---


def score_nodes(snapshot: Snapshot, ask: Ask, feasible: Mask) -> Score:
    """The weighted sum of all scores; OUT where the pod cannot go."""
    plan = fresh_plan(snapshot, ask)
    total = plan.points
    for raw, weight, reverse in SCALED_SCORES:
        values = plan.kept(raw.__name__, lambda raw=raw: raw(snapshot, plan.shape))  # type: ignore[misc]  # bound now
        if values is None:
            total = total + weight * 100 if reverse else total
        else:
            total = total + weight * scale(values, feasible, reverse=reverse)
    for score, weight in NEIGHBOUR_SCORES:
        said = score(snapshot, plan, feasible)
        if said is not None:
            total = total + weight * said
    return np.where(feasible, total, OUT)


def place(snapshot: Snapshot, ask: Ask, random: Random) -> Placed | Refused:
    """Decide."""
    feasible = all_feasible(snapshot, ask)
    promised = snapshot.nominated.get(ask.info.uid)
    if promised is not None and promised[1] in snapshot.index and feasible[snapshot.index[promised[1]]]:
        return Placed(promised[1])
    if not feasible.any():
        return explain(snapshot, ask)
    scores = score_nodes(snapshot, ask, feasible)
    best = np.flatnonzero(scores == scores.max())
    chosen = int(best[random.randrange(len(best))]) if len(best) > 1 else int(best[0])
    return Placed(snapshot.names[chosen])


# --- Why not ---


def explain(snapshot: Snapshot, ask: Ask) -> Refused:
    """Every filter after the other: which reason refused how many nodes first."""
    inquest = _Inquest(snapshot.alive.copy(), ~snapshot.alive, Counter())
    with nominees(snapshot, ask) as any_moved:
        inquest.hear(snapshot, ask)
    if any_moved:
        inquest.hear(snapshot, ask)
    return Refused(len(snapshot.index), ~inquest.hopeless & ~inquest.left, inquest.reasons)


@dataclass(slots=True)
class _Inquest:
    left: Mask
    hopeless: Mask
    reasons: Counter[str]

    def hear(self, snapshot: Snapshot, ask: Ask) -> None:
        """Take what the filters say of the nodes that are left."""
        for refusals in verdicts(snapshot, ask):
            out = snapshot.mask()
            for refusal in refusals:
                refused = refusal.nodes & self.left
                count = int(np.count_nonzero(refused))
                if count:
                    self.reasons[refusal.reason] += count
                out |= refused
                self.hopeless |= refused & refusal.hopeless
            self.left &= ~out


def verdicts(snapshot: Snapshot, ask: Ask) -> Iterator[list[Refusal]]:
    """What each filter says, in order."""
    fresh_plan(snapshot, ask)
    for judge in NODE_FILTERS:
        yield judge(snapshot, ask.shape)
    for apply in (*BEFORE_RESOURCES, RESOURCE_FILTER, *AFTER_RESOURCES):
        yield apply(snapshot, ask)

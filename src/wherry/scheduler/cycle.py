"""The scheduling cycle: which node a pod goes to, or why to none (pure).

Filters say who is out, scores who is best; among equals `random` chooses. The text of a failure is upstream's:
`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`
https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from wherry.scheduler.filters.table import FILTERS
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.scores.resources import Score
from wherry.scheduler.scores.table import SCORES
from wherry.scheduler.snapshot import Mask, Snapshot


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
    reasons: Counter[str] = field(default_factory=Counter)
    helpful: Mask | None = None

    def __str__(self) -> str:
        counts = sorted(f"{count} {reason}" for reason, count in self.reasons.items())
        text = f"0/{self.nodes} nodes are available"
        return f"{text}: {', '.join(counts)}." if counts else f"{text}."


def feasible_nodes(snapshot: Snapshot, ask: Ask) -> tuple[Mask, Counter[str], Mask]:
    """(nodes that remain, how many nodes each reason refused first, refused nodes where preemption might help)."""
    left = snapshot.alive.copy()
    reasons: Counter[str] = Counter()
    hopeless = ~snapshot.alive
    for apply in FILTERS:
        refusals = apply(snapshot, ask)
        out = snapshot.mask()
        for refusal in refusals:
            refused = refusal.nodes & left
            count = int(np.count_nonzero(refused))
            if not count:
                continue
            reasons[refusal.reason] += count
            out |= refused
            if refusal.hopeless:
                hopeless |= refused
        left &= ~out
    return left, reasons, ~hopeless & ~left


def score_nodes(snapshot: Snapshot, ask: Ask, feasible: Mask) -> Score:
    """The weighted sum of all scores."""
    total = np.zeros(snapshot.size)
    for score, weight in SCORES:
        total += weight * score(snapshot, ask, feasible)
    return total


def place(snapshot: Snapshot, ask: Ask, random: Random) -> Placed | Refused:
    """Decide."""
    feasible, reasons, helpful = feasible_nodes(snapshot, ask)
    candidates = np.flatnonzero(feasible)
    if len(candidates) == 0:
        return Refused(int(snapshot.alive.sum()), reasons, helpful)
    if len(candidates) == 1:
        return Placed(snapshot.names[int(candidates[0])])
    scores = score_nodes(snapshot, ask, feasible)[candidates]
    best = candidates[scores == scores.max()]
    return Placed(snapshot.names[int(best[random.randrange(len(best))])])

"""Scores and their weights, as upstream's default profile has them, by what they depend on."""

from __future__ import annotations

from collections.abc import Callable

from wherry.scheduler.plan import Plan, Score
from wherry.scheduler.podinfo import Shape
from wherry.scheduler.scores.neighbours import pod_affinity, spread
from wherry.scheduler.scores.preferences import bad_taints, image_locality, node_preference
from wherry.scheduler.scores.resources import balanced, least_allocated
from wherry.scheduler.snapshot import Mask, Snapshot

SLOT_SCORES: tuple[tuple[Callable[[Snapshot, Shape, slice], Score], int], ...] = ((least_allocated, 1), (balanced, 1))
"""Each node for itself, from what is on it."""

NODE_SCORES: tuple[tuple[Callable[[Snapshot, Shape], Score | None], int], ...] = ((image_locality, 1),)
"""Each node for itself, until a node changes. None: 0 everywhere."""

SCALED_SCORES: tuple[tuple[Callable[[Snapshot, Shape], Score | None], int, bool], ...] = (
    (bad_taints, 3, True),
    (node_preference, 2, False),
)
"""(raw values until a node changes, weight, whether less is better): scaled to 0..100 over the feasible nodes. None
counts as equal everywhere."""

NEIGHBOUR_SCORES: tuple[tuple[Callable[[Snapshot, Plan, Mask], Score | None], int], ...] = (
    (spread, 2),
    (pod_affinity, 2),
)
"""From the pods that are there, compared over the feasible nodes. None: 0 everywhere."""

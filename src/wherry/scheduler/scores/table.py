"""SCORES: every score and its weight, as upstream's default profile has them."""

from __future__ import annotations

from collections.abc import Callable

from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.scores.preferences import image_locality, node_affinity, pod_affinity, spread, taint_toleration
from wherry.scheduler.scores.resources import Score, balanced, least_allocated
from wherry.scheduler.snapshot import Mask, Snapshot

SCORES: tuple[tuple[Callable[[Snapshot, Ask, Mask], Score], int], ...] = (
    (taint_toleration, 3),
    (node_affinity, 2),
    (least_allocated, 1),
    (spread, 2),
    (pod_affinity, 2),
    (balanced, 1),
    (image_locality, 1),
)

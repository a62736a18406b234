"""NodeResourcesFit (LeastAllocated) and NodeResourcesBalancedAllocation: 0 to 100 per node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.snapshot import CPU, MEMORY, Mask, Snapshot

Score = NDArray[np.float64]


def least_allocated(snapshot: Snapshot, ask: Ask, _: Mask) -> Score:
    """Nodes with more left get more: the mean of the free share of cpu and memory."""
    wanted = np.array([[ask.info.scored_cpu], [ask.info.scored_memory]])
    capacity = snapshot.allocatable[[CPU, MEMORY]]
    free = np.where(capacity > 0, (capacity - snapshot.scored - wanted) * 100 // np.maximum(capacity, 1), 0)
    out: Score = np.maximum(free, 0).sum(axis=0) // 2
    return out.astype(np.float64)


def balanced(snapshot: Snapshot, ask: Ask, _: Mask) -> Score:
    """Nodes whose cpu and memory fill up evenly get more."""
    wanted = np.array([[ask.info.requests.get("cpu", 0)], [ask.info.requests.get("memory", 0)]])
    capacity = np.maximum(snapshot.allocatable[[CPU, MEMORY]], 1)
    shares = np.minimum((snapshot.requested[[CPU, MEMORY]] + wanted) / capacity, 1.0)
    out: Score = np.floor((1 - np.abs(shares[0] - shares[1]) / 2) * 100)
    return out

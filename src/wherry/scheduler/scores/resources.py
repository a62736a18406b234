"""NodeResourcesFit (LeastAllocated) and NodeResourcesBalancedAllocation: 0 to 100 per node.

Both take `slots`, so that after a pod has come or gone only its node is looked at again.
"""

from __future__ import annotations

import numpy as np

from wherry.scheduler.plan import Score
from wherry.scheduler.podinfo import Shape
from wherry.scheduler.snapshot import CPU, Snapshot
from wherry.scheduler.tally import Counts

_BOTH = slice(CPU, CPU + 2)
"""cpu and memory are rows 0 and 1 of the amounts."""


def least_allocated(snapshot: Snapshot, shape: Shape, slots: slice) -> Score:
    """Nodes with more left get more: the mean of the free share of cpu and memory, of those the node has at all."""
    capacity = snapshot.allocatable[_BOTH, slots]
    free = capacity - snapshot.scored[:, slots] - np.array([[shape.scored_cpu], [shape.scored_memory]])
    shares = np.maximum(free, 0) * 100 // np.maximum(capacity, 1)
    out: Score = shares.sum(axis=0) // np.maximum((capacity > 0).sum(axis=0), 1)
    return out.astype(np.float64)


def balanced(snapshot: Snapshot, shape: Shape, slots: slice) -> Score:
    """Nodes whose cpu and memory fill up more evenly with the pod than without get more; 0 without requests."""
    asked = np.array([[shape.requests.get("cpu", 0)], [shape.requests.get("memory", 0)]])
    if not asked.any():
        return np.zeros(snapshot.size)[slots]
    capacity = snapshot.allocatable[_BOTH, slots]
    used = snapshot.requested[_BOTH, slots]
    with_pod, without = _evenness(np.stack((used + asked, used)), capacity)
    out: Score = 50 + np.floor((50 + with_pod - without) / 2)
    return out


def _evenness(used: Counts, capacity: Counts) -> Score:
    """For each of several uses of the nodes: 100 where cpu and memory are used to the same share."""
    shares = np.minimum(used / np.maximum(capacity, 1), 1.0)
    apart = np.where((capacity > 0).all(axis=0), np.abs((shares[:, 0] - shares[:, 1]) / 2), 0.0)
    out: Score = np.floor((1 - apart) * 100)
    return out

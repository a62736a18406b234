"""What is preferred: taints (PreferNoSchedule), node affinity, images that are there. They only depend on nodes."""

from __future__ import annotations

import numpy as np

from wherry.scheduler.filters.node import term_mask, tolerates
from wherry.scheduler.plan import Score
from wherry.scheduler.podinfo import Shape
from wherry.scheduler.snapshot import Mask, Snapshot

MB = 1024 * 1024
IMAGE_LEAST, IMAGE_MOST = 23 * MB, 1000 * MB


def scale(values: Score, feasible: Mask, *, reverse: bool = False) -> Score:
    """To 0..100 over the feasible nodes by their largest value."""
    largest = values[feasible].max() if feasible.any() else 0.0
    if largest <= 0:
        return np.full(len(values), 100.0 if reverse else 0.0)
    out: Score = np.floor(values * 100 / largest)
    return 100 - out if reverse else out


def bad_taints(snapshot: Snapshot, shape: Shape) -> Score | None:
    """How many PreferNoSchedule taints are not tolerated; None if there are none anywhere."""
    counts = np.zeros(snapshot.size)
    tolerations = [t for t in shape.tolerations if not t.effect or t.effect == "PreferNoSchedule"]
    for taint, nodes in snapshot.taints.items():
        if taint[2] == "PreferNoSchedule" and not tolerates(tolerations, taint):
            counts += nodes
    return counts if counts.any() else None


def node_preference(snapshot: Snapshot, shape: Shape) -> Score | None:
    """The sum of the weights of preferred terms that match; None if nothing is preferred."""
    values = np.zeros(snapshot.size)
    for preferred in shape.preferred_nodes:
        if preferred.weight:
            values += term_mask(snapshot, preferred.preference) * preferred.weight
    return values if values.any() else None


def image_locality(snapshot: Snapshot, shape: Shape) -> Score | None:
    """Nodes that hold the pod's images already, by size and by how many nodes hold them; None if none does."""
    known = [snapshot.images[name] for name in shape.images if name in snapshot.images]
    if not known:
        return None
    values = np.zeros(snapshot.size)
    nodes = max(len(snapshot.index), 1)
    for size, held in known:
        values += held * float(int(size * (int(held.sum()) / nodes)))
    most = IMAGE_MOST * len(shape.images)
    out: Score = np.floor((np.clip(values, IMAGE_LEAST, most) - IMAGE_LEAST) * 100 / (most - IMAGE_LEAST))
    return out

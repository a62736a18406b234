"""VolumeBinding, VolumeZone, VolumeRestrictions: where the pod's volumes are, or may come to be."""

from __future__ import annotations

from wherry.scheduler.filters.node import selector_mask
from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.snapshot import Mask, Snapshot

CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NOTHING = "node(s) didn't find available persistent volumes to bind"
RWOP = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


def volumes(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Bound volumes must be reachable, unbound ones must find or get a volume on the node."""
    needs = ask.volumes
    out = []
    for affinity in needs.bound:
        out.append(Refusal(~selector_mask(snapshot, affinity), CONFLICT, hopeless=True))  # noqa: PERF401 - clearer
    for choice in needs.unbound:
        possible = snapshot.mask()
        if choice.anywhere:
            possible |= snapshot.alive
        for affinity in choice.places:
            possible |= selector_mask(snapshot, affinity)
        out.append(Refusal(~possible, NOTHING, hopeless=True))
    if needs.taken_once:
        out.append(Refusal(_all(snapshot), RWOP, hopeless=False))
    return out


def _all(snapshot: Snapshot) -> Mask:
    return snapshot.alive.copy()

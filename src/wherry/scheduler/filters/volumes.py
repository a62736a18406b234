"""VolumeRestrictions, VolumeBinding, VolumeZone: where the pod's volumes are, or may come to be."""

from __future__ import annotations

import numpy as np

from wherry.scheduler.filters.node import selector_mask
from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.snapshot import Mask, Snapshot
from wherry.scheduler.volumes import Choice, assign

CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NOT_FOUND = "node(s) didn't find available persistent volumes to bind"
GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
RWOP = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


def volume_restrictions(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """A ReadWriteOncePod claim has one user."""
    return [Refusal(snapshot.alive, RWOP, hopeless=False)] if ask.volumes.taken_once else []


def volume_binding(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Bound volumes must be reachable, unbound claims must find or get a volume on the node."""
    needs = ask.volumes
    out = []
    if needs.bound:
        reachable = snapshot.alive.copy()
        for affinity in needs.bound:
            reachable &= selector_mask(snapshot, affinity)
        out.append(Refusal(~reachable, CONFLICT, hopeless=True))
    if needs.unbound:
        out.append(Refusal(~_bindable(snapshot, needs.unbound), NOT_FOUND, hopeless=True))
    if needs.lost:
        out.append(Refusal(snapshot.alive, GONE, hopeless=True))
    return out


def _bindable(snapshot: Snapshot, choices: tuple[Choice, ...]) -> Mask:
    """Nodes where every claim finds a volume of its own or may have one made."""
    out = snapshot.alive.copy()
    rivals = False
    seen: set[str] = set()
    for choice in choices:
        possible = _somewhere(snapshot, choice)
        names = {candidate.volume for candidate in choice.candidates}
        rivals = rivals or (bool(names & seen) and not choice.made)
        seen |= names
        out &= possible
    if rivals or (len(choices) > 1 and any(not choice.made for choice in choices)):
        for slot in np.flatnonzero(out):
            node = snapshot.nodes[slot]
            out[slot] = node is not None and assign(choices, node) is not None
    return out


def _somewhere(snapshot: Snapshot, choice: Choice) -> Mask:
    possible = snapshot.mask()
    if choice.made:
        possible |= snapshot.alive if choice.made_in is None else selector_mask(snapshot, choice.made_in)
    for candidate in choice.candidates:
        possible |= snapshot.alive if candidate.where is None else selector_mask(snapshot, candidate.where)
    return possible & (selector_mask(snapshot, choice.only) if choice.only is not None else snapshot.alive)

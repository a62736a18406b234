"""DynamicResources: where the pod's claims have devices, or find some."""

from __future__ import annotations

import numpy as np

from wherry.scheduler.filters.node import selector_mask
from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.snapshot import Snapshot

ELSEWHERE = "resourceclaim not available on the node"
NONE_FREE = "cannot allocate all claims"


def devices(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Devices that were given must be reachable; claims without any must all find some on the node."""
    needs = ask.devices
    if not needs:
        return []
    out: list[Refusal] = []
    left = snapshot.alive.copy()
    if needs.bound:
        for selector in needs.bound:
            left &= selector_mask(snapshot, selector)
        out.append(Refusal(~left, ELSEWHERE, hopeless=True))
    if needs.open:
        possible = left.copy()
        for slot in np.flatnonzero(left):
            possible[slot] = needs.allocations(snapshot.names[slot]) is not None
        out.append(Refusal(~possible, NONE_FREE, hopeless=True))
    return out

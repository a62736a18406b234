"""InterPodAffinity: near these pods, apart from those; both the new pod's rules and those of the pods already there."""

from __future__ import annotations

import numpy as np

from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.snapshot import Mask, Snapshot
from wherry.scheduler.terms import Term

EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
ANTI = "node(s) didn't match pod anti-affinity rules"
NEAR = "node(s) didn't match pod affinity rules"


def interpod(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Required affinity and anti-affinity. Only affinity is hopeless: removing pods brings nobody nearer."""
    info = ask.info
    out = []
    if info.affinity:
        out.append(Refusal(~_near(snapshot, ask), NEAR, hopeless=True))
    if info.anti_affinity:
        apart = snapshot.mask()
        for term in info.anti_affinity:
            apart |= _domain_has(snapshot, term)
        out.append(Refusal(apart, ANTI, hopeless=False))
    existing = snapshot.mask()
    for term, holders in snapshot.anti_affinity_terms().items():
        if holders.any() and term.match(info.namespace, info.labels):
            existing |= snapshot.by_domain(term.topology_key, holders) > 0
    out.append(Refusal(existing, EXISTING, hopeless=False))
    return out


def _domain_has(snapshot: Snapshot, term: Term) -> Mask:
    out: Mask = snapshot.by_domain(term.topology_key, snapshot.counts(term.match)) > 0
    return out


def _near(snapshot: Snapshot, ask: Ask) -> Mask:
    """All rules hold; or nobody matches any of them yet and the pod matches them itself (the first of a group)."""
    info = ask.info
    near = snapshot.alive.copy()
    labelled = snapshot.alive.copy()
    anybody = False
    for term in info.affinity:
        near &= _domain_has(snapshot, term)
        labelled &= snapshot.label(term.topology_key)[0] >= 0
        anybody = anybody or bool(np.any(snapshot.counts(term.match)[labelled]))
    if not anybody and all(term.match(info.namespace, info.labels) for term in info.affinity):
        return labelled
    return near

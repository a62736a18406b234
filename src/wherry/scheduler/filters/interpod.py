"""InterPodAffinity: near these pods, apart from those; both the new pod's rules and those of the pods already there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from wherry.scheduler.filters.verdict import Ask, Refusal, first_only
from wherry.scheduler.plan import Plan, plan_for
from wherry.scheduler.podinfo import Shape
from wherry.scheduler.snapshot import Mask, Snapshot
from wherry.scheduler.tally import Tally
from wherry.scheduler.terms import Term

EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
ANTI = "node(s) didn't match pod anti-affinity rules"
NEAR = "node(s) didn't match pod affinity rules"
R = TypeVar("R")


def interpod(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Required affinity and anti-affinity. Only affinity is hopeless: removing pods brings nobody nearer."""
    shape = ask.shape
    out = []
    if shape.affinity:
        out.append(Refusal(~near(snapshot, shape), NEAR, hopeless=True))
    if shape.anti_affinity:
        apart = snapshot.mask()
        for term in shape.anti_affinity:
            apart |= domain_has(snapshot, snapshot.tallies.matching(term.match), term.topology_key)
        out.append(Refusal(apart, ANTI, hopeless=False))
    against = holders(snapshot, plan_for(snapshot, shape))
    if against:
        existing = snapshot.mask()
        for term, tally in against:
            existing |= domain_has(snapshot, tally, term.topology_key)
        out.append(Refusal(existing, EXISTING, hopeless=False))
    return first_only(out) if len(out) > 1 else out


def holders(snapshot: Snapshot, plan: Plan) -> list[tuple[Term, Tally]]:
    """The anti-affinity rules of pods that are there and that speak of pods like this one."""
    return plan.while_rules("apart", snapshot, lambda: speaking_of(plan.shape, snapshot.tallies.apart))


def speaking_of(shape: Shape, rules: Mapping[Term, Tally]) -> list[tuple[Term, Tally]]:
    """Those rules that speak of pods of this shape."""
    return [(term, tally) for term, tally in rules.items() if term.match(shape.namespace, shape.labels)]


def domain_has(snapshot: Snapshot, tally: Tally, key: str) -> Mask:
    """Nodes in whose domain there is any pod of the tally."""
    if not tally.total:
        return snapshot.mask()
    out: Mask = (tally.domains(key, snapshot.label) > 0)[snapshot.label(key)[0]]
    return out


def near(snapshot: Snapshot, shape: Shape) -> Mask:
    """Pods that all rules speak of are in the domain of each; or there are none yet and the pod is one itself."""
    assert shape.friends is not None
    friends = snapshot.tallies.matching(shape.friends)
    labelled = snapshot.alive.copy()
    reached = snapshot.mask()
    for term in shape.affinity:
        has_label = snapshot.label(term.topology_key)[0] > 0
        labelled &= has_label
        reached |= has_label
    if not np.any(friends.by_node[reached]) and shape.friends(shape.namespace, shape.labels):
        return labelled
    for term in shape.affinity:
        labelled &= domain_has(snapshot, friends, term.topology_key)
    return labelled

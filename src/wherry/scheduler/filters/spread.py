"""PodTopologySpread: pods of one kind, spread evenly over the domains of a topology key.

https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from __future__ import annotations

import numpy as np

from wherry.scheduler.filters.node import matching_nodes, untolerated
from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.snapshot import Counts, Mask, Snapshot
from wherry.scheduler.terms import Spread

REASON = "node(s) didn't match pod topology spread constraints"
MISSING = f"{REASON} (missing required label)"


def eligible_nodes(snapshot: Snapshot, info: PodInfo, rule: Spread) -> Mask:
    """Nodes whose pods count for a rule."""
    out = snapshot.alive.copy()
    if rule.honor_affinity:
        out &= matching_nodes(snapshot, info)
    if rule.honor_taints:
        out &= ~untolerated(snapshot, info.tolerations, ("NoSchedule", "NoExecute"))
    return out


def spread(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Nodes where the pod would make a hard rule's skew too large, or that lack its label."""
    info = ask.info
    rules = [rule for rule in info.spread if rule.hard]
    if not rules:
        return []
    labelled = snapshot.alive.copy()
    for rule in rules:
        labelled &= snapshot.label(rule.topology_key)[0] >= 0
    out = []
    for rule in rules:
        codes, known = snapshot.label(rule.topology_key)
        counting = eligible_nodes(snapshot, info, rule) & labelled
        per_node = domain_counts(snapshot, rule, counting)
        present = np.zeros(len(known) + 1, bool)
        present[codes[counting]] = True
        totals = np.zeros(len(known) + 1, np.int64)
        totals[codes[counting]] = per_node[counting]
        domains = int(present[: len(known)].sum())
        least = int(totals[: len(known)][present[: len(known)]].min()) if domains else 0
        if domains < rule.min_domains:
            least = 0
        mine = int(rule.match(info.namespace, info.labels))
        crowded = (per_node + mine - least > rule.max_skew) & (codes >= 0)
        out += [Refusal(codes < 0, MISSING, hopeless=True), Refusal(crowded, REASON, hopeless=False)]
    return out


def domain_counts(snapshot: Snapshot, rule: Spread, counting: Mask) -> Counts:
    """Per node, matching pods in its domain, on counting nodes only."""
    return snapshot.by_domain(rule.topology_key, np.where(counting, snapshot.counts(rule.match), 0))

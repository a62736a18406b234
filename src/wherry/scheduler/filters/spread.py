"""PodTopologySpread: pods of one kind, spread evenly over the domains of a topology key.

https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wherry.scheduler.filters.node import FORBIDDING, matching_nodes, untolerated
from wherry.scheduler.filters.verdict import Ask, Refusal, first_only
from wherry.scheduler.plan import Plan, plan_for
from wherry.scheduler.podinfo import Shape
from wherry.scheduler.snapshot import Mask, Snapshot
from wherry.scheduler.tally import Counts
from wherry.scheduler.terms import Spread

REASON = "node(s) didn't match pod topology spread constraints"
MISSING = f"{REASON} (missing required label)"


def labelled(snapshot: Snapshot, rules: Sequence[Spread]) -> Mask:
    """Nodes that have the labels of all rules."""
    out = snapshot.alive.copy()
    for rule in rules:
        out &= snapshot.label(rule.topology_key)[0] > 0
    return out


def counting_nodes(snapshot: Snapshot, shape: Shape, rule: Spread, among: Mask) -> Mask:
    """Nodes whose pods count for a rule."""
    out = among
    if rule.honor_affinity and (shape.node_selector or shape.required_nodes is not None):
        out = out & matching_nodes(snapshot, shape)
    if rule.honor_taints:
        out = out & ~untolerated(snapshot, shape.tolerations, FORBIDDING)
    return out


def totals(snapshot: Snapshot, rule: Spread, counting: Mask | None) -> Counts:
    """Matching pods by code of the rule's label, on `counting` nodes; None means all nodes with that label."""
    codes, values = snapshot.label(rule.topology_key)
    if rule.blank:
        return np.zeros(len(values) + 1, np.int64)
    tally = snapshot.tallies.matching(rule.match)
    if counting is None:
        return tally.domains(rule.topology_key, snapshot.label)
    return np.bincount(codes[counting], tally.by_node[counting], len(values) + 1).astype(np.int64)


class HardRule:
    """A rule that must hold, with what only depends on nodes worked out."""

    __slots__ = ("codes", "counting", "domains", "mine", "missing", "rule")

    def __init__(self, snapshot: Snapshot, shape: Shape, rule: Spread, among: Mask) -> None:
        self.rule = rule
        self.codes, values = snapshot.label(rule.topology_key)
        counting = counting_nodes(snapshot, shape, rule, among)
        present = np.zeros(len(values) + 1, bool)
        present[self.codes[counting]] = True
        present[0] = False
        self.domains = np.flatnonzero(present)
        everywhere = bool(np.array_equal(counting, snapshot.alive & (self.codes > 0)))
        self.counting = None if everywhere else counting
        self.missing = self.codes == 0
        self.mine = int(rule.match(shape.namespace, shape.labels))

    def crowded(self, snapshot: Snapshot) -> Mask:
        """Nodes where one more pod would make the skew too large."""
        by_code = totals(snapshot, self.rule, self.counting)
        least = int(by_code[self.domains].min()) if len(self.domains) >= max(self.rule.min_domains, 1) else 0
        out: Mask = (by_code + (self.mine - least) > self.rule.max_skew)[self.codes]
        return out


def hard_rules(snapshot: Snapshot, plan: Plan) -> list[HardRule]:
    """The pod's hard rules, kept until a node changes."""

    def make() -> list[HardRule]:
        rules = plan.shape.hard_spread
        among = labelled(snapshot, rules)
        return [HardRule(snapshot, plan.shape, rule, among) for rule in rules]

    return plan.kept("hard spread", make)


def spread(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Nodes where the pod would make a hard rule's skew too large, or that lack its label."""
    if not ask.shape.hard_spread:
        return []
    out = []
    for rule in hard_rules(snapshot, plan_for(snapshot, ask.shape)):
        out.append(Refusal(rule.missing, MISSING, hopeless=True))
        out.append(Refusal(rule.crowded(snapshot) & ~rule.missing, REASON, hopeless=False))
    return first_only(out)

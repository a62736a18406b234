"""What pods that are there say: InterPodAffinity (preferred rules of both sides) and soft PodTopologySpread."""

from __future__ import annotations

import numpy as np

from wherry.scheduler.filters.interpod import speaking_of
from wherry.scheduler.filters.spread import counting_nodes, labelled, totals
from wherry.scheduler.plan import Plan, Score
from wherry.scheduler.snapshot import Mask, Snapshot
from wherry.scheduler.tally import Counts, Tally
from wherry.scheduler.terms import Spread, Term

HOSTNAME = "kubernetes.io/hostname"
_Opinion = tuple[Term, Tally, int]


def pod_affinity(snapshot: Snapshot, plan: Plan, feasible: Mask) -> Score | None:
    """Preferred rules of this pod, and of the pods there about pods like this one; required ones of theirs count 1.

    None: nobody has anything to say.
    """
    shape = plan.shape
    opinions = plan.while_rules("opinions", snapshot, lambda: _opinions(snapshot, plan))
    if not opinions and not shape.preferred:
        return None
    own = [(w.term, snapshot.tallies.matching(w.term.match), w.weight) for w in shape.preferred]
    by_key: dict[str, Counts] = {}
    for term, tally, weight in (*own, *opinions):
        if tally.total:
            said = weight * tally.domains(term.topology_key, snapshot.label)
            by_key[term.topology_key] = by_key[term.topology_key] + said if term.topology_key in by_key else said
    if not by_key:
        return None
    values = np.zeros(snapshot.size)
    for key, by_code in by_key.items():
        values += by_code[snapshot.label(key)[0]]
    heard = values[feasible]
    low, high = heard.min(initial=np.inf), heard.max(initial=-np.inf)
    if high <= low:
        return None
    out: Score = np.floor(100 * ((values - low) / (high - low)))
    return out


def _opinions(snapshot: Snapshot, plan: Plan) -> list[_Opinion]:
    shape, tallies = plan.shape, snapshot.tallies
    out: list[_Opinion] = [(term, tally, 1) for term, tally in speaking_of(shape, tallies.near)]
    for (term, weight), tally in tallies.preferred.items():
        if term.match(shape.namespace, shape.labels):
            out.append((term, tally, weight))
    return out


class SoftRule:
    """A preference for even spreading, with what only depends on nodes worked out."""

    __slots__ = ("codes", "complete", "counting", "domains", "names", "nodes", "rule")

    def __init__(self, snapshot: Snapshot, plan: Plan, rule: Spread, among: Mask) -> None:
        self.rule = rule
        self.codes, values = snapshot.label(rule.topology_key)
        self.names = len(values) + 1
        counting = counting_nodes(snapshot, plan.shape, rule, among)
        everywhere = bool(np.array_equal(counting & (self.codes > 0), snapshot.alive & (self.codes > 0)))
        self.counting = None if everywhere else counting
        self.complete = bool((self.codes > 0)[snapshot.alive].all())
        self.nodes, self.domains = int(np.count_nonzero(among)), self._present(among)

    def _present(self, nodes: Mask) -> int:
        """In how many domains these nodes are."""
        present = np.zeros(self.names, bool)
        present[self.codes[nodes]] = True
        return int(np.count_nonzero(present))

    def score(self, snapshot: Snapshot, usable: Mask, nodes: int) -> Score:
        """How many pods like this one there are, weighed by the number of domains."""
        rule = self.rule
        if rule.topology_key == HOSTNAME:
            domains = nodes
            found = np.zeros(snapshot.size) if rule.blank else snapshot.tallies.matching(rule.match).by_node
        else:
            domains = self.domains if nodes == self.nodes else self._present(usable)
            found = totals(snapshot, rule, self.counting)[self.codes]
        said: Score = found * np.log(domains + 2) + (rule.max_skew - 1)
        return said if self.complete else np.where(self.codes > 0, said, 0.0)


def soft_rules(snapshot: Snapshot, plan: Plan) -> tuple[Mask, list[SoftRule]]:
    """(nodes that take part, the pod's soft rules), kept until a node changes."""

    def make() -> tuple[Mask, list[SoftRule]]:
        rules = plan.shape.soft_spread
        among = snapshot.alive if plan.shape.default_spread else labelled(snapshot, rules)
        known = [SoftRule(snapshot, plan, rule, among) for rule in rules]
        if plan.shape.default_spread:  # a label nobody has says nothing
            known = [rule for rule in known if rule.codes.any()]
        return among, known

    return plan.kept("soft spread", make)


def spread(snapshot: Snapshot, plan: Plan, feasible: Mask) -> Score | None:
    """Soft spread rules: domains with fewer matching pods are better, more so where there are more domains."""
    if not plan.shape.soft_spread:
        return None
    among, rules = soft_rules(snapshot, plan)
    usable = feasible & among
    nodes = int(np.count_nonzero(usable))
    values = np.zeros(snapshot.size)
    for rule in rules:
        values += rule.score(snapshot, usable, nodes)
    values = np.floor(values + 0.5)
    heard = values[usable]
    high, low = heard.max(initial=0.0), heard.min(initial=np.inf)
    if not nodes:
        return np.zeros(snapshot.size)
    if high == 0:
        return np.where(among, 100.0, 0.0)
    out: Score = np.floor(100 * (high + low - values) / high)
    return out if nodes == np.count_nonzero(feasible) else np.where(among, out, 0.0)

"""Pod terms: a pod's affinity and spreading rules in a form whose answers can be cached and counted.

A `PodMatch` (which namespaces, which labels) is a hashable value: the snapshot keeps one count per node for each that
is in use, so a rule costs the same with 10 and with 100,000 pods. Rules follow
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ and topology-spread-constraints/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wherry.api.types.core import Pod, PodAffinityTerm, TopologySpreadConstraint
from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement
from wherry.machinery.selectors import compile_selector, format_selector


@dataclass(frozen=True, slots=True)
class PodMatch:
    """Which pods a rule speaks of. `namespaces` None means all of them; `living` leaves out those being deleted."""

    namespaces: frozenset[str] | None
    text: str
    living: bool
    matches: Callable[[Mapping[str, str]], bool] = field(compare=False, repr=False)

    def __call__(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether the rule speaks of a pod with these labels."""
        return (self.namespaces is None or namespace in self.namespaces) and self.matches(labels)


@dataclass(frozen=True, slots=True)
class Term:
    """One affinity rule: pods like `match`, near means "same value of `topology_key`"."""

    match: PodMatch
    topology_key: str


@dataclass(frozen=True, slots=True)
class Weighted:
    """A preferred rule; negative weight for anti-affinity."""

    term: Term
    weight: int


@dataclass(frozen=True, slots=True)
class Spread:
    """One topology spread constraint. `hard` is DoNotSchedule.

    `blank`: its selector is empty; upstream then counts no pod that is there, though it matches the new one.
    """

    match: PodMatch
    topology_key: str
    max_skew: int
    hard: bool
    min_domains: int
    honor_affinity: bool
    honor_taints: bool
    blank: bool = False


def _with_keys(
    selector: LabelSelector | None, labels: Mapping[str, str], keys: tuple[str, ...], operator: str
) -> LabelSelector | None:
    if selector is None:
        return None
    extra = tuple(
        LabelSelectorRequirement(key=key, operator=operator, values=(labels[key],)) for key in keys if key in labels
    )
    if not extra:
        return selector
    return LabelSelector(match_labels=selector.match_labels, match_expressions=(*selector.match_expressions, *extra))


def _match(namespaces: frozenset[str] | None, selector: LabelSelector | None, *, living: bool = False) -> PodMatch:
    text = "<nothing>" if selector is None else format_selector(selector)
    return PodMatch(namespaces, text, living, compile_selector(selector))


def all_of(terms: Sequence[Term]) -> PodMatch | None:
    """The pods that every one of these rules speaks of: what required affinity looks for. None without rules."""
    if len(terms) < 2:
        return terms[0].match if terms else None
    matches = [term.match for term in terms]
    limits = [match.namespaces for match in matches if match.namespaces is not None]
    namespaces = frozenset.intersection(*limits) if limits else None
    text = " and ".join(sorted({match.text for match in matches}))

    def matches_all(labels: Mapping[str, str]) -> bool:
        return all(match.matches(labels) for match in matches)

    return PodMatch(namespaces, text, living=False, matches=matches_all)


def affinity_term(term: PodAffinityTerm, pod: Pod, all_namespaces: Mapping[str, Mapping[str, str]]) -> Term:
    """A rule of `pod`; `all_namespaces` are the labels of every namespace, for namespaceSelector."""
    labels = pod.metadata.labels
    selector = _with_keys(term.label_selector, labels, term.match_label_keys, "In")
    selector = _with_keys(selector, labels, term.mismatch_label_keys, "NotIn")
    namespaces: frozenset[str] | None
    if term.namespace_selector is None:
        namespaces = frozenset(term.namespaces or (pod.metadata.namespace,))
    elif not term.namespace_selector.match_labels and not term.namespace_selector.match_expressions:
        namespaces = None
    else:
        wanted = compile_selector(term.namespace_selector)
        found = {name for name, of in all_namespaces.items() if wanted(of)}
        namespaces = frozenset(found | set(term.namespaces))
    return Term(_match(namespaces, selector), term.topology_key)


# What upstream spreads by where a pod that is one of many asks for nothing: hosts and zones, as a preference.
_DEFAULT_SPREAD = (("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5))
# What tells the pods of one StatefulSet apart.
_OWN_LABELS = ("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index")
_MANY = ("ReplicaSet", "StatefulSet", "ReplicationController")


def default_spread(pod: Pod) -> tuple[Spread, ...]:
    """The soft spreading of pods that belong to a set and have no rules of their own."""
    if not pod.metadata.labels or not any(
        ref.controller and ref.kind in _MANY for ref in pod.metadata.owner_references
    ):
        return ()
    shared = {key: value for key, value in pod.metadata.labels.items() if key not in _OWN_LABELS}
    match = _match(frozenset((pod.metadata.namespace,)), LabelSelector(match_labels=shared), living=True)
    return tuple(
        Spread(match, key, skew, hard=False, min_domains=1, honor_affinity=True, honor_taints=False)
        for key, skew in _DEFAULT_SPREAD
    )


def spread_term(constraint: TopologySpreadConstraint, pod: Pod) -> Spread:
    """A topology spread constraint of `pod`."""
    labels = pod.metadata.labels
    selector = _with_keys(constraint.label_selector, labels, constraint.match_label_keys, "In")
    return Spread(
        match=_match(frozenset((pod.metadata.namespace,)), selector, living=True),
        topology_key=constraint.topology_key,
        max_skew=constraint.max_skew,
        hard=constraint.when_unsatisfiable == "DoNotSchedule",
        min_domains=constraint.min_domains or 1,
        honor_affinity=constraint.node_affinity_policy != "Ignore",
        honor_taints=constraint.node_taints_policy == "Honor",
        blank=selector is not None and not selector.match_labels and not selector.match_expressions,
    )

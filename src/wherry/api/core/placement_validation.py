"""Validation of where a pod may run: node selectors, affinity, tolerations, topology spread.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.api.checks import Errors, label_name, named, one_of, positive, selector, unsupported
from wherry.api.types.core import (
    Affinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    Taint,
    Toleration,
    TopologySpreadConstraint,
)
from wherry.machinery.meta import LabelSelector
from wherry.machinery.names import dns_label, dns_subdomain, label_value
from wherry.machinery.validation import duplicate, forbidden, invalid, required

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"


def affinity(path: str, own: Affinity | None) -> Errors:
    """Node affinity, pod affinity and pod anti-affinity."""
    if own is None:
        return
    nodes = own.node_affinity
    if nodes is not None:
        wanted = nodes.required_during_scheduling_ignored_during_execution
        if wanted is not None:
            yield from node_selector(f"{path}.nodeAffinity.{_REQUIRED}", wanted)
        for index, term in enumerate(nodes.preferred_during_scheduling_ignored_during_execution):
            at = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
            if not 0 < term.weight <= 100:
                yield invalid(f"{at}.weight", term.weight, _WEIGHT)
            yield from _node_term(f"{at}.preference", term.preference, check_values=False)
    if own.pod_affinity is not None:
        yield from _pod_affinity(f"{path}.podAffinity", own.pod_affinity)
    if own.pod_anti_affinity is not None:
        yield from _pod_affinity(f"{path}.podAntiAffinity", own.pod_anti_affinity)


# --- Nodes ---


def node_selector(path: str, own: NodeSelector) -> Errors:
    """Terms of which one must match."""
    if not own.node_selector_terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(own.node_selector_terms):
        yield from _node_term(f"{path}.nodeSelectorTerms[{index}]", term)


def _node_term(path: str, term: NodeSelectorTerm, *, check_values: bool = True) -> Errors:
    for index, need in enumerate(term.match_expressions):
        yield from _node_label(f"{path}.matchExpressions[{index}]", need, check_values=check_values)
    for index, need in enumerate(term.match_fields):
        yield from _node_field(f"{path}.matchFields[{index}]", need)


def _node_label(path: str, need: NodeSelectorRequirement, *, check_values: bool) -> Errors:
    if need.operator in ("In", "NotIn"):
        if not need.values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif need.operator in ("Exists", "DoesNotExist"):
        if need.values:
            yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif need.operator in ("Gt", "Lt"):
        if len(need.values) != 1:
            yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid(f"{path}.operator", need.operator, "not a valid selector operator")
    yield from label_name(f"{path}.key", need.key)
    for index, value in enumerate(need.values if check_values else ()):
        yield from named(f"{path}.values[{index}]", value, label_value)


def _node_field(path: str, need: NodeSelectorRequirement) -> Errors:
    if need.operator not in ("In", "NotIn"):
        yield invalid(f"{path}.operator", need.operator, "not a valid selector operator")
    elif len(need.values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", why)
    if need.key != "metadata.name":
        yield invalid(f"{path}.key", need.key, "not a valid field selector key")
        return
    for index, value in enumerate(need.values):
        yield from named(f"{path}.values[{index}]", value, dns_subdomain)


# --- Pods ---


def _pod_affinity(path: str, own: PodAffinity | PodAntiAffinity) -> Errors:
    for index, term in enumerate(own.required_during_scheduling_ignored_during_execution):
        yield from _pod_term(f"{path}.{_REQUIRED}[{index}]", term)
    for index, weighted in enumerate(own.preferred_during_scheduling_ignored_during_execution):
        at = f"{path}.{_PREFERRED}[{index}]"
        if not 0 < weighted.weight <= 100:
            yield invalid(f"{at}.weight", weighted.weight, _WEIGHT)
        yield from _pod_term(f"{at}.podAffinityTerm", weighted.pod_affinity_term)


def _pod_term(path: str, term: PodAffinityTerm) -> Errors:
    yield from selector(f"{path}.labelSelector", term.label_selector)
    yield from selector(f"{path}.namespaceSelector", term.namespace_selector)
    for name in term.namespaces:
        yield from named(f"{path}.namespace", name, dns_label)
    yield from _label_keys(path, term.match_label_keys, term.mismatch_label_keys, term.label_selector)
    if not term.topology_key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from label_name(f"{path}.topologyKey", term.topology_key)


def _label_keys(path: str, match: Sequence[str], mismatch: Sequence[str], own: LabelSelector | None) -> Errors:
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and own is None:
            yield forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
        elif own is not None:
            for index, key in enumerate(keys):
                yield from label_name(f"{path}.{field}[{index}]", key)
    if own is not None:
        seen = set(own.match_labels)
        for expression in own.match_expressions:
            if expression.key in match and expression.key in seen:
                at = f"{path}[{list(match).index(expression.key)}]"
                yield invalid(at, expression.key, "exists in both matchLabelKeys and labelSelector")
            seen.add(expression.key)
    for index, key in enumerate(match):
        if key in mismatch:
            yield invalid(f"{path}.matchLabelKeys[{index}]", key, "exists in both matchLabelKeys and mismatchLabelKeys")


# --- Tolerations and taints ---


def tolerations(path: str, items: Sequence[Toleration]) -> Errors:
    """Which taints a pod puts up with."""
    for index, item in enumerate(items):
        yield from _toleration(f"{path}[{index}]", item)


def _toleration(path: str, item: Toleration) -> Errors:
    if item.key:
        yield from label_name(f"{path}.key", item.key)
    elif item.operator != "Exists":
        why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{path}.operator", item.operator, why)
    if item.toleration_seconds is not None and item.effect != "NoExecute":
        yield invalid(f"{path}.effect", item.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if item.operator in ("Equal", ""):
        if problems := label_value(item.value):
            yield invalid(f"{path}.operator", item.value, ";".join(problems))
    elif item.operator == "Exists":
        if item.value:
            yield invalid(f"{path}.operator", item.value, "value must be empty when `operator` is 'Exists'")
    else:
        allowed = ("Equal", "Exists", "Lt", "Gt") if item.operator in ("Lt", "Gt") else ("Equal", "Exists")
        yield unsupported(f"{path}.operator", item.operator, allowed)
    if item.effect:
        yield from one_of(f"{path}.effect", item.effect, EFFECTS)


def taints(path: str, items: Sequence[Taint]) -> Errors:
    """Taints of a node: each key once per effect."""
    seen: set[tuple[str, str]] = set()
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        yield from label_name(f"{at}.key", item.key)
        if problems := label_value(item.value):
            yield invalid(f"{at}.value", item.value, ";".join(problems))
        yield from one_of(f"{at}.effect", item.effect, EFFECTS)
        if (item.effect, item.key) in seen:
            why = "taints must be unique by key and effect pair"
            yield duplicate(at, item)._replace(message=f"{duplicate(at, item).message}: {why}")
        seen.add((item.effect, item.key))


# --- Topology spread ---


def spread(path: str, constraints: Sequence[TopologySpreadConstraint]) -> Errors:
    """How pods are spread over zones, nodes, ..."""
    for index, own in enumerate(constraints):
        at = f"{path}[{index}]"
        yield from positive(f"{at}.maxSkew", own.max_skew)
        if not own.topology_key:
            yield required(f"{at}.topologyKey", "can not be empty")
        if own.when_unsatisfiable not in ("DoNotSchedule", "ScheduleAnyway"):
            yield unsupported(f"{at}.whenUnsatisfiable", own.when_unsatisfiable, ("DoNotSchedule", "ScheduleAnyway"))
        pair = (own.topology_key, own.when_unsatisfiable)
        if pair in ((c.topology_key, c.when_unsatisfiable) for c in constraints[index + 1 :]):
            yield duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}")
        yield from _min_domains(f"{at}.minDomains", own)
        for field, policy in (
            ("nodeAffinityPolicy", own.node_affinity_policy),
            ("nodeTaintsPolicy", own.node_taints_policy),
        ):
            if policy is not None and policy not in ("Honor", "Ignore"):
                yield unsupported(f"{at}.{field}", policy, ("Honor", "Ignore"))
        yield from _label_keys(at, own.match_label_keys, (), own.label_selector)
        yield from selector(f"{at}.labelSelector", own.label_selector)


def _min_domains(path: str, own: TopologySpreadConstraint) -> Errors:
    if own.min_domains is None:
        return
    yield from positive(path, own.min_domains)
    if own.when_unsatisfiable != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {own.when_unsatisfiable}"
        yield invalid(path, own.min_domains, why)

"""What depends on the node alone: NodeUnschedulable, NodeName, TaintToleration, NodeAffinity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wherry.api.types.core import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Toleration
from wherry.machinery.selectors import node_requirement
from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.snapshot import Mask, Snapshot

UNSCHEDULABLE_TAINT = ("node.kubernetes.io/unschedulable", "", "NoSchedule")


def tolerates(tolerations: Sequence[Toleration], taint: tuple[str, str, str]) -> bool:
    """Whether any toleration covers the taint (key, value, effect)."""
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: Toleration, taint: tuple[str, str, str]) -> bool:
    key, value, effect = taint
    if toleration.effect and toleration.effect != effect:
        return False
    if toleration.key and toleration.key != key:
        return False
    match toleration.operator or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.key) and toleration.value == value
        case _:
            return False


def unschedulable(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Cordoned nodes, unless tolerated."""
    if tolerates(ask.info.tolerations, UNSCHEDULABLE_TAINT):
        return []
    return [Refusal(snapshot.unschedulable, "node(s) were unschedulable", hopeless=True)]


def node_name(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """spec.nodeName, where a pod asks for one before it is scheduled."""
    wanted = ask.info.pod.spec.node_name
    if not wanted:
        return []
    others = np.ones(snapshot.size, bool)
    if wanted in snapshot.index:
        others[snapshot.index[wanted]] = False
    return [Refusal(others, "node(s) didn't match the requested node name", hopeless=True)]


def untolerated(snapshot: Snapshot, tolerations: Sequence[Toleration], effects: tuple[str, ...]) -> Mask:
    """Nodes with a taint of one of these effects that is not tolerated."""
    out = snapshot.mask()
    for taint, nodes in snapshot.taints.items():
        if taint[2] in effects and not tolerates(tolerations, taint):
            out |= nodes
    return out


def taints(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Taints NoSchedule and NoExecute that the pod does not tolerate."""
    out = untolerated(snapshot, ask.info.tolerations, ("NoSchedule", "NoExecute"))
    return [Refusal(out, "node(s) had untolerated taint(s)", hopeless=True)]


def node_affinity(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """nodeSelector and required node affinity."""
    info = ask.info
    if not info.node_selector and info.required_nodes is None:
        return []
    reason = "node(s) didn't match Pod's node affinity/selector"
    return [Refusal(~matching_nodes(snapshot, info), reason, hopeless=True)]


def matching_nodes(snapshot: Snapshot, info: PodInfo) -> Mask:
    """Nodes that satisfy nodeSelector and required node affinity."""
    out = snapshot.alive.copy()
    for key, value in info.node_selector.items():
        codes, values = snapshot.label(key)
        out &= codes == values.get(value, -2)
    if info.required_nodes is not None:
        out &= selector_mask(snapshot, info.required_nodes)
    return out


def selector_mask(snapshot: Snapshot, selector: NodeSelector) -> Mask:
    """Nodes that match any term of a node selector. An empty term matches nothing."""
    out = snapshot.mask()
    for term in selector.node_selector_terms:
        out |= term_mask(snapshot, term)
    return out


def term_mask(snapshot: Snapshot, term: NodeSelectorTerm) -> Mask:
    """Nodes that match all requirements of a term."""
    if not term.match_expressions and not term.match_fields:
        return snapshot.mask()
    out = snapshot.alive.copy()
    for requirement in (*term.match_expressions, *term.match_fields):
        out &= _requirement_mask(snapshot, requirement)
    return out


def _requirement_mask(snapshot: Snapshot, requirement: NodeSelectorRequirement) -> Mask:
    """Decided once per distinct value of the label, then spread over the nodes."""
    key = requirement.key
    codes, values = snapshot.label(key)
    by_code = np.zeros(len(values) + 1, bool)
    for value, code in values.items():
        by_code[code] = node_requirement(key, requirement.operator, requirement.values, {key: value})
    by_code[-1] = node_requirement(key, requirement.operator, requirement.values, {})
    out: Mask = by_code[codes]  # code -1 is the last entry: no such label
    return out

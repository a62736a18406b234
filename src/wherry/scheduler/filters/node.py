"""What depends on the node alone: NodeUnschedulable, TaintToleration, NodeAffinity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wherry.api.types.core import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Toleration
from wherry.machinery.selectors import node_requirement
from wherry.scheduler.filters.verdict import Refusal
from wherry.scheduler.podinfo import Shape
from wherry.scheduler.snapshot import NAME_FIELD, Mask, Snapshot

UNSCHEDULABLE_TAINT = ("node.kubernetes.io/unschedulable", "", "NoSchedule")
FORBIDDING = ("NoSchedule", "NoExecute")


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
            return toleration.value == value
        case "Gt" | "Lt" as operator:
            return node_requirement(key, operator, (toleration.value,), {key: value})
        case _:
            return False


def unschedulable(snapshot: Snapshot, shape: Shape) -> list[Refusal]:
    """Cordoned nodes, unless tolerated."""
    if tolerates(shape.tolerations, UNSCHEDULABLE_TAINT) or not snapshot.unschedulable.any():
        return []
    return [Refusal(snapshot.unschedulable, "node(s) were unschedulable", hopeless=True)]


def untolerated(snapshot: Snapshot, tolerations: Sequence[Toleration], effects: tuple[str, ...]) -> Mask:
    """Nodes with a taint of one of these effects that is not tolerated."""
    out = snapshot.mask()
    for taint, nodes in snapshot.taints.items():
        if taint[2] in effects and not tolerates(tolerations, taint):
            out |= nodes
    return out


def taints(snapshot: Snapshot, shape: Shape) -> list[Refusal]:
    """Taints NoSchedule and NoExecute that the pod does not tolerate."""
    if not snapshot.taints:
        return []
    out = untolerated(snapshot, shape.tolerations, FORBIDDING)
    return [Refusal(out, "node(s) had untolerated taint(s)", hopeless=True)]


def node_affinity(snapshot: Snapshot, shape: Shape) -> list[Refusal]:
    """nodeSelector and required node affinity."""
    if not shape.node_selector and shape.required_nodes is None:
        return []
    reason = "node(s) didn't match Pod's node affinity/selector"
    return [Refusal(~matching_nodes(snapshot, shape), reason, hopeless=True)]


def matching_nodes(snapshot: Snapshot, shape: Shape) -> Mask:
    """Nodes that satisfy nodeSelector and required node affinity."""
    out = snapshot.alive.copy()
    for key, value in shape.node_selector.items():
        codes, values = snapshot.label(key)
        out &= codes == values.get(value, -1)
    if shape.required_nodes is not None:
        out &= selector_mask(snapshot, shape.required_nodes)
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
    for requirement in term.match_expressions:
        out &= _requirement_mask(snapshot, requirement.key, requirement)
    for requirement in term.match_fields:
        out &= _requirement_mask(snapshot, NAME_FIELD if requirement.key == "metadata.name" else "", requirement)
    return out


def _requirement_mask(snapshot: Snapshot, key: str, requirement: NodeSelectorRequirement) -> Mask:
    """Decided once per distinct value of the label, then spread over the nodes."""
    codes, values = snapshot.label(key)
    by_code = np.zeros(len(values) + 1, bool)
    asked, operator = requirement.values, requirement.operator
    if operator in ("In", "NotIn"):  # the common ones, without asking for each of thousands of names
        by_code[[values[value] for value in asked if value in values]] = True
        out: Mask = by_code[codes]
        return out if operator == "In" else ~out
    by_code[0] = node_requirement(key, operator, asked, {})
    for value, code in values.items():
        by_code[code] = node_requirement(key, operator, asked, {key: value})
    there: Mask = by_code[codes]
    return there

"""Which nodes are meant: node selectors and affinity, taints and tolerations, as controllers need them.

https://kubernetes.io/docs/concepts/scheduling-eviction/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wherry.api.core import fencing
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.types.core import Node, NodeSelector, NodeSelectorTerm, Pod, PodSpec, Taint, Toleration
from wherry.machinery import conditions
from wherry.machinery.selectors import node_requirement
from wherry.reconcile.view import Index, View

HOSTNAME = "kubernetes.io/hostname"
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


def _node_name(pod: Pod) -> Iterator[str]:
    if pod.spec.node_name:
        yield pod.spec.node_name


TOO_MANY = 0.55


def lost_nodes(nodes: Sequence[Node]) -> int:
    """How many are not Ready."""
    return sum(not conditions.is_true(node.status.conditions, "Ready") for node in nodes)


def too_many(lost: int, nodes: int) -> bool:
    """Whether so many are lost (all, or more than two and 55 %) that it is more likely we who are."""
    return lost == nodes or (lost > 2 and lost / nodes >= TOO_MANY)


OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def is_out_of_service(node: Node) -> bool:
    """Whether a lost node's stateful pods are known to be dead: fenced, or said to be by a person with the taint."""
    if conditions.is_true(node.status.conditions, "Ready"):
        return False
    fenced = conditions.is_true(node.status.conditions, fencing.CONDITION)
    return fenced or any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)


def cut_off(view: View) -> bool:
    """`too_many` of the nodes there are."""
    nodes = view.list(NODE)
    return too_many(lost_nodes(nodes), len(nodes))


PODS_BY_NODE = Index(POD, _node_name)
"""Pods by spec.nodeName."""


def selects_node(selector: NodeSelector, node: Node) -> bool:
    """Whether one of the terms matches. An empty term matches nothing."""
    return any(_term(term, node) for term in selector.node_selector_terms)


def _term(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    labels, fields = node.metadata.labels, {"metadata.name": node.metadata.name}
    return all(node_requirement(r.key, r.operator, r.values, labels) for r in term.match_expressions) and all(
        node_requirement(r.key, r.operator, r.values, fields) for r in term.match_fields
    )


def wants_node(spec: PodSpec, node: Node) -> bool:
    """Whether nodeName, nodeSelector and required node affinity allow this node."""
    if spec.node_name not in ("", node.metadata.name):
        return False
    if not spec.node_selector.items() <= node.metadata.labels.items():
        return False
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    return required is None or selects_node(required, node)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint."""
    if toleration.effect not in ("", taint.effect):
        return False
    if toleration.key not in ("", taint.key):
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.key != "" and toleration.value == taint.value


def untolerated(taints: Iterable[Taint], tolerations: Sequence[Toleration], effects: Sequence[str]) -> Taint | None:
    """The first taint with one of these effects that nothing covers."""
    for taint in taints:
        if taint.effect in effects and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None

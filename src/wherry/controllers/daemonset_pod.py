"""Where a DaemonSet's pods belong, and how one is made for a node.

https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#how-daemon-pods-are-scheduled
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.apps.daemonset import DAEMONSET
from wherry.api.types.apps import DaemonSet
from wherry.api.types.core import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodSpec,
    Toleration,
)
from wherry.controllers.nodes import NOT_READY, UNREACHABLE, untolerated, wants_node
from wherry.controllers.revisions import POD_HASH
from wherry.machinery.meta import ObjectMeta
from wherry.reconcile.ownership import reference

GENERATION = "pod-template-generation"
DEPRECATED_GENERATION = "deprecated.daemonset.template.generation"


def _exists(key: str, effect: str) -> Toleration:
    return Toleration(key=key, operator="Exists", effect=effect)


_ALWAYS = (
    _exists(NOT_READY, "NoExecute"),
    _exists(UNREACHABLE, "NoExecute"),
    _exists("node.kubernetes.io/disk-pressure", "NoSchedule"),
    _exists("node.kubernetes.io/memory-pressure", "NoSchedule"),
    _exists("node.kubernetes.io/pid-pressure", "NoSchedule"),
    _exists("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_HOST_NETWORK = _exists("node.kubernetes.io/network-unavailable", "NoSchedule")


def tolerations(spec: PodSpec) -> tuple[Toleration, ...]:
    """The template's, and those that every daemon has: it stays where the node is in trouble."""
    ours = (*_ALWAYS, _HOST_NETWORK) if spec.host_network else _ALWAYS
    return (*spec.tolerations, *(t for t in ours if t not in spec.tolerations))


def belongs(ds: DaemonSet, node: Node) -> tuple[bool, bool]:
    """(should run, may go on running) on this node."""
    spec = ds.spec.template.spec
    if not wants_node(spec, node):
        return False, False
    own = tolerations(spec)
    stays = untolerated(node.spec.taints, own, ("NoExecute",)) is None
    return stays and untolerated(node.spec.taints, own, ("NoSchedule",)) is None, stays


def node_of(pod: Pod) -> str:
    """The node a daemon is on or bound for."""
    if pod.spec.node_name:
        return pod.spec.node_name
    for requirement in _pinned(pod.spec):
        if requirement.key == "metadata.name" and requirement.operator == "In" and len(requirement.values) == 1:
            return requirement.values[0]
    return ""


def _pinned(spec: PodSpec) -> Iterator[NodeSelectorRequirement]:
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    for term in required.node_selector_terms if required is not None else ():
        yield from term.match_fields


def new_pod(ds: DaemonSet, node: Node, revision: str) -> Pod:
    """A daemon for this node, to be placed there by the scheduler."""
    template = ds.spec.template
    labels = {**template.metadata.labels, POD_HASH: revision}
    generation = ds.metadata.annotations.get(DEPRECATED_GENERATION)
    if generation:
        labels[GENERATION] = generation
    spec = replace(template.spec, affinity=_pin(template.spec.affinity, node), tolerations=tolerations(template.spec))
    meta = ObjectMeta(
        generate_name=f"{ds.metadata.name}-",
        namespace=ds.metadata.namespace,
        labels=labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        owner_references=(reference(DAEMONSET, ds),),
    )
    return Pod(metadata=meta, spec=spec)


def _pin(affinity: Affinity | None, node: Node) -> Affinity:
    """Required node affinity by name; what the template required has been checked by `belongs`."""
    here = NodeSelectorRequirement(key="metadata.name", operator="In", values=(node.metadata.name,))
    selector = NodeSelector(node_selector_terms=(NodeSelectorTerm(match_fields=(here,)),))
    affinity = affinity or Affinity()
    near = replace(
        affinity.node_affinity or NodeAffinity(), required_during_scheduling_ignored_during_execution=selector
    )
    return replace(affinity, node_affinity=near)

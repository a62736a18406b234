"""VolumeNeeds: what a pod's claims mean for its place, worked out from claims, volumes and classes (pure).

A bound claim ties the pod to where its volume is. An unbound claim of a WaitForFirstConsumer class may take a free
volume or have one made, on some nodes or on all. An unbound claim of an immediate class must be bound first.
https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from wherry.api.types.core import (
    Node,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
)
from wherry.api.types.storage import StorageClass
from wherry.machinery.meta import Key, controller_of, key_of
from wherry.machinery.quantity import amount, compare
from wherry.machinery.selectors import matches, node_requirement

Size: TypeAlias = int | Fraction

NO_PROVISIONER = "kubernetes.io/no-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"


class Unready(Exception):
    """The pod cannot be placed anywhere until its claims are different; the text is what events say."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A volume that could serve a claim, on nodes that match `where` (None: on all)."""

    volume: str
    size: Size
    where: NodeSelector | None


@dataclass(frozen=True, slots=True)
class Choice:
    """How one unbound claim can be satisfied: by one of the candidates, smallest first; or by a volume that is `made`,
    on nodes that match `made_in` (None: on all). `only`: the claim has already been promised a place.
    """

    claim: str
    size: Size
    candidates: tuple[Candidate, ...]
    made: bool
    made_in: NodeSelector | None
    only: NodeSelector | None


@dataclass(frozen=True, slots=True)
class VolumeNeeds:
    """What the claims of one pod need."""

    bound: tuple[NodeSelector, ...] = ()
    unbound: tuple[Choice, ...] = ()
    taken_once: bool = False
    """A ReadWriteOncePod claim is in use by another pod."""
    lost: bool = False
    """A claim is bound to a volume that is not there."""


NOTHING = VolumeNeeds()


@dataclass(frozen=True, slots=True)
class Volumes:
    """How to look things up. `users(namespace, claim)` are uids of pods that use a claim, on any node;
    `promised(volume)` is the claim a volume has been promised to by a binding under way, None if none.
    """

    claim: Callable[[str, str], PersistentVolumeClaim | None]
    volume: Callable[[str], PersistentVolume | None]
    all_volumes: Callable[[], Iterable[PersistentVolume]]
    storage_class: Callable[[str], StorageClass | None]
    users: Callable[[str, str], Iterable[str]]
    promised: Callable[[str], Key | None]


def claim_names(pod: Pod) -> list[str]:
    """The claims a pod uses, generic ephemeral volumes' own ones included."""
    return [name for name, _ in _claims(pod)]


def _claims(pod: Pod) -> Iterable[tuple[str, bool]]:
    """(name of a claim, whether it is the pod's own)."""
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            yield volume.persistent_volume_claim.claim_name, False
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.name}-{volume.name}", True


def volume_needs(pod: Pod, volumes: Volumes) -> VolumeNeeds:
    """What the pod's claims need. Raises Unready."""
    bound: list[NodeSelector] = []
    unbound: list[Choice] = []
    taken = lost = waiting = False
    for name, own in _claims(pod):
        claim = _usable(pod, name, volumes, own=own)
        if "ReadWriteOncePod" in claim.spec.access_modes:
            taken = taken or bool(set(volumes.users(pod.metadata.namespace, name)) - {pod.metadata.uid})
        if is_bound(claim):
            volume = volumes.volume(claim.spec.volume_name)
            lost = lost or volume is None
            affinity = volume.spec.node_affinity if volume is not None else None
            bound += [affinity.required] if affinity is not None and affinity.required is not None else []
            continue
        choice = _choice(claim, volumes)
        waiting = waiting or choice is None
        unbound += [choice] if choice is not None else []
    if waiting:
        raise Unready("pod has unbound immediate PersistentVolumeClaims")
    return VolumeNeeds(tuple(bound), tuple(unbound), taken, lost) if bound or unbound or taken or lost else NOTHING


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether binding is over."""
    return bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations


def _usable(pod: Pod, name: str, volumes: Volumes, *, own: bool) -> PersistentVolumeClaim:
    claim = volumes.claim(pod.metadata.namespace, name)
    if claim is None and own:
        raise Unready(f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"')
    if claim is None:
        raise Unready(f'persistentvolumeclaim "{name}" not found')
    if claim.status.phase == "Lost":
        gone = claim.spec.volume_name
        raise Unready(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{gone}"')
    if claim.metadata.deletion_timestamp is not None:
        raise Unready(f'persistentvolumeclaim "{name}" is being deleted')
    owner = controller_of(claim)
    if own and (owner is None or owner.uid != pod.metadata.uid):
        where = f"{pod.metadata.namespace}/"
        raise Unready(f"PVC {where}{name} was not created for pod {where}{pod.metadata.name} (pod is not owner)")
    return claim


def _choice(claim: PersistentVolumeClaim, volumes: Volumes) -> Choice | None:
    """None: it must be bound before its pod is placed."""
    kind = volumes.storage_class(claim.spec.storage_class_name or "")
    if kind is None or kind.volume_binding_mode != "WaitForFirstConsumer" or claim.spec.volume_name:
        return None
    selected = claim.metadata.annotations.get(SELECTED_NODE)
    return Choice(
        claim=claim.metadata.name,
        size=amount(claim.spec.resources.requests.get("storage", "0")),
        candidates=() if selected else tuple(sorted(_candidates(claim, volumes), key=lambda c: (c.size, c.volume))),
        made=kind.provisioner != NO_PROVISIONER or bool(selected),
        made_in=None if selected else _allowed(kind),
        only=_on_node(selected) if selected else None,
    )


def _candidates(claim: PersistentVolumeClaim, volumes: Volumes) -> Iterable[Candidate]:
    for volume in volumes.all_volumes():
        if fits(claim, volume) and volumes.promised(volume.metadata.name) in (None, key_of(claim)):
            affinity = volume.spec.node_affinity
            size = amount(volume.spec.capacity.get("storage", "0"))
            yield Candidate(volume.metadata.name, size, affinity.required if affinity is not None else None)


def assign(choices: Sequence[Choice], node: Node) -> dict[str, str] | None:
    """Which volume each claim gets on a node, "" for one to be made; None if some claim gets none."""
    found: dict[str, str] = {}
    for choice in sorted(choices, key=lambda choice: choice.size):
        if choice.only is not None and not selects(choice.only, node):
            return None
        names = (
            c.volume for c in choice.candidates
            if c.volume not in found.values() and (c.where is None or selects(c.where, node))
        )  # fmt: skip
        volume = next(names, None)
        if volume is None:
            if not choice.made or (choice.made_in is not None and not selects(choice.made_in, node)):
                return None
            volume = ""
        found[choice.claim] = volume
    return found


def selects(selector: NodeSelector, node: Node) -> bool:
    """Whether a node selector matches a node; an empty term matches nothing."""
    return any(_term_selects(term, node) for term in selector.node_selector_terms)


def _term_selects(term: NodeSelectorTerm, node: Node) -> bool:
    fields = {"metadata.name": node.metadata.name}
    return bool(term.match_expressions or term.match_fields) and all(
        node_requirement(wanted.key, wanted.operator, wanted.values, there)
        for asked, there in ((term.match_expressions, node.metadata.labels), (term.match_fields, fields))
        for wanted in asked
    )


def fits(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    """Whether a free volume could serve the claim."""
    ref = volume.spec.claim_ref
    if ref is not None and (ref.namespace, ref.name) != (claim.metadata.namespace, claim.metadata.name):
        return False
    if volume.metadata.deletion_timestamp is not None or volume.status.phase not in ("Available", "Pending", ""):
        return False
    if claim.spec.selector is not None and not matches(claim.spec.selector, volume.metadata.labels):
        return False
    return _same_kind(claim, volume) and _large_enough(claim, volume)


def _same_kind(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    return (
        volume.spec.storage_class_name == (claim.spec.storage_class_name or "")
        and set(claim.spec.access_modes) <= set(volume.spec.access_modes)
        and (claim.spec.volume_mode or "Filesystem") == (volume.spec.volume_mode or "Filesystem")
    )


def _large_enough(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    asked = claim.spec.resources.requests.get("storage")
    held = volume.spec.capacity.get("storage")
    return asked is None or (held is not None and compare(held, asked) >= 0)


def _on_node(name: str) -> NodeSelector:
    requirement = NodeSelectorRequirement(key="metadata.name", operator="In", values=(name,))
    return NodeSelector(node_selector_terms=(NodeSelectorTerm(match_fields=(requirement,)),))


def _allowed(kind: StorageClass) -> NodeSelector | None:
    if not kind.allowed_topologies:
        return None
    terms = tuple(
        NodeSelectorTerm(
            match_expressions=tuple(
                NodeSelectorRequirement(key=e.key, operator="In", values=e.values) for e in term.match_label_expressions
            )
        )
        for term in kind.allowed_topologies
    )
    return NodeSelector(node_selector_terms=terms)

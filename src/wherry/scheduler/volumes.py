"""VolumeNeeds: what a pod's claims mean for its place, worked out from claims, volumes and classes (pure).

A bound claim ties the pod to where its volume is. An unbound claim of a WaitForFirstConsumer class may take a free
volume or have one made, on some nodes or on all. An unbound claim of an immediate class must be bound first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wherry.api.types.core import (
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
)
from wherry.api.types.storage import StorageClass
from wherry.machinery.quantity import compare
from wherry.machinery.selectors import matches

NO_PROVISIONER = "kubernetes.io/no-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"


class Unready(Exception):
    """The pod cannot be placed anywhere until its claims are different; the text is what events say."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where one unbound claim can be satisfied: `anywhere`, or where one of `places` matches."""

    claim: str
    anywhere: bool
    places: tuple[NodeSelector, ...]


@dataclass(frozen=True, slots=True)
class VolumeNeeds:
    """What the claims of one pod need. `claims` are the names of those still to be bound."""

    bound: tuple[NodeSelector, ...] = ()
    unbound: tuple[Choice, ...] = ()
    taken_once: bool = False
    """A ReadWriteOncePod claim is in use by another pod."""


NOTHING = VolumeNeeds()


@dataclass(frozen=True, slots=True)
class Volumes:
    """How to look things up. `users(namespace, claim)` are uids of pods that use a claim, on any node."""

    claim: Callable[[str, str], PersistentVolumeClaim | None]
    volume: Callable[[str], PersistentVolume | None]
    all_volumes: Callable[[], Iterable[PersistentVolume]]
    storage_class: Callable[[str], StorageClass | None]
    users: Callable[[str, str], Iterable[str]]


def claim_names(pod: Pod) -> list[str]:
    """The claims a pod uses, generic ephemeral volumes' own ones included."""
    return [
        volume.persistent_volume_claim.claim_name
        if volume.persistent_volume_claim is not None
        else f"{pod.metadata.name}-{volume.name}"
        for volume in pod.spec.volumes
        if volume.persistent_volume_claim is not None or volume.ephemeral is not None
    ]


def volume_needs(pod: Pod, volumes: Volumes) -> VolumeNeeds:
    """What the pod's claims need. Raises Unready."""
    names = claim_names(pod)
    if not names:
        return NOTHING
    bound: list[NodeSelector] = []
    unbound: list[Choice] = []
    taken = False
    for name in names:
        claim = volumes.claim(pod.metadata.namespace, name)
        if claim is None:
            raise Unready(f'persistentvolumeclaim "{name}" not found')
        if claim.metadata.deletion_timestamp is not None:
            raise Unready(f'persistentvolumeclaim "{name}" is being deleted')
        if "ReadWriteOncePod" in claim.spec.access_modes:
            others = set(volumes.users(pod.metadata.namespace, name)) - {pod.metadata.uid}
            taken = taken or bool(others)
        if claim.spec.volume_name and BIND_COMPLETED in claim.metadata.annotations:
            bound += _where(claim, volumes)
        else:
            unbound.append(_choice(claim, volumes))
    return VolumeNeeds(tuple(bound), tuple(unbound), taken)


def _where(claim: PersistentVolumeClaim, volumes: Volumes) -> list[NodeSelector]:
    volume = volumes.volume(claim.spec.volume_name)
    if volume is None:
        raise Unready("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
    affinity = volume.spec.node_affinity
    return [affinity.required] if affinity is not None and affinity.required is not None else []


def _choice(claim: PersistentVolumeClaim, volumes: Volumes) -> Choice:
    name = claim.metadata.name
    kind = volumes.storage_class(claim.spec.storage_class_name or "")
    if kind is None or kind.volume_binding_mode != "WaitForFirstConsumer":
        raise Unready("pod has unbound immediate PersistentVolumeClaims")
    selected = claim.metadata.annotations.get(SELECTED_NODE)
    if selected:
        return Choice(name, anywhere=False, places=(_on_node(selected),))
    places: list[NodeSelector] = []
    anywhere = False
    for volume in volumes.all_volumes():
        if fits(claim, volume):
            affinity = volume.spec.node_affinity
            if affinity is None or affinity.required is None:
                anywhere = True
            else:
                places.append(affinity.required)
    if kind.provisioner != NO_PROVISIONER:
        allowed = _allowed(kind)
        anywhere = anywhere or allowed is None
        places += [] if allowed is None else [allowed]
    return Choice(name, anywhere, tuple(places))


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

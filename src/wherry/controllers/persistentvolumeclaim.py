"""Volume binder: give every claim a volume, one that exists or one that a provisioner is asked for.

Wakes on: PersistentVolumeClaim; PersistentVolume (through its claimRef; a free one wakes all claims that wait);
          StorageClass.
Writes:   PersistentVolume (claimRef), PersistentVolumeClaim (volumeName, marks for provisioners), its status;
          Events WaitForFirstConsumer, FailedBinding, VolumeMismatch, ExternalProvisioning, ProvisioningFailed,
          ClaimLost, ClaimMisbound.
Upstream: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding

Invariants:
- a volume is taken by writing its claimRef against the revision that was looked at, so two claims cannot both get it;
- a claim of a WaitForFirstConsumer class is not touched before the scheduler has chosen a node (selected-node);
- a bound claim is never bound to anything else.
Each run does the next necessary write; its coming back by watch causes the next run.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import PersistentVolume, PersistentVolumeClaim
from wherry.api.types.storage import StorageClass
from wherry.controllers.volumes import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    NO_PROVISIONER,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    STORAGE_PROVISIONER_BETA,
    is_for,
    is_free_for,
    mismatch,
    reference_to,
)
from wherry.machinery.meta import Key, key_of
from wherry.machinery.quantity import amount
from wherry.reconcile.actions import Action, Emit, Patch, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one PersistentVolumeClaim."""
    claim = view.get(PERSISTENTVOLUMECLAIM, key)
    if claim is None:
        return
    if claim.spec.volume_name:
        yield from _named(view, claim)
        return
    volume = _reserved(view, claim)
    if volume is not None:
        yield from _bind(claim, volume)
        return
    if claim.spec.storage_class_name is None and (default := _default_class(view)) is not None:
        patch = {"metadata": {"uid": claim.metadata.uid}, "spec": {"storageClassName": default}}
        yield Patch(PERSISTENTVOLUMECLAIM, key, patch)
        return
    kind = view.get(STORAGECLASS, Key("", claim.spec.storage_class_name or ""))
    selected = claim.metadata.annotations.get(SELECTED_NODE, "")
    if kind is not None and kind.volume_binding_mode == "WaitForFirstConsumer" and not selected:
        yield from _phase(claim, "Pending")
        text = "waiting for first consumer to be created before binding"
        yield Emit(claim, "Normal", "WaitForFirstConsumer", text)
        return
    volume = _best(view, claim, selected)
    if volume is not None:
        yield from _bind(claim, volume)
        return
    yield from _phase(claim, "Pending")
    yield from _ask(claim, kind)


# --- Choosing ---


def _default_class(view: View) -> str | None:
    """The default StorageClass, given to claims that came before there was one; the newest when several are marked."""
    marked = [kind for kind in view.list(STORAGECLASS) if kind.metadata.annotations.get(DEFAULT_CLASS) == "true"]
    newest = max(marked, key=lambda k: (k.metadata.creation_timestamp or "", k.metadata.name), default=None)
    return None if newest is None else newest.metadata.name


def _reserved(view: View, claim: PersistentVolumeClaim) -> PersistentVolume | None:
    """A volume whose claimRef already names this claim."""
    found = (v for v in view.list(PERSISTENTVOLUME) if is_for(v, claim) and v.metadata.deletion_timestamp is None)
    return next((v for v in found if (v.spec.claim_ref and v.spec.claim_ref.uid) or not mismatch(claim, v)), None)


def _best(view: View, claim: PersistentVolumeClaim, selected: str) -> PersistentVolume | None:
    """The smallest free volume that fits."""
    node = view.get(NODE, Key("", selected)) if selected else None
    free = [v for v in view.list(PERSISTENTVOLUME) if is_free_for(claim, v, node)]
    return min(free, key=lambda v: (amount(v.spec.capacity.get("storage", "0")), v.metadata.name), default=None)


def _ask(claim: PersistentVolumeClaim, kind: StorageClass | None) -> Iterator[Action]:
    """Leave word for the provisioner of the class."""
    if kind is None:
        if claim.spec.storage_class_name:
            text = f'storageclass.storage.k8s.io "{claim.spec.storage_class_name}" not found'
            yield Emit(claim, "Warning", "ProvisioningFailed", text)
        else:
            text = "no persistent volumes available for this claim and no storage class is set"
            yield Emit(claim, "Normal", "FailedBinding", text)
        return
    if kind.provisioner == NO_PROVISIONER:
        text = "no persistent volumes available for this claim and no storage class is set"
        yield Emit(claim, "Normal", "FailedBinding", text)
        return
    marks = {STORAGE_PROVISIONER: kind.provisioner, STORAGE_PROVISIONER_BETA: kind.provisioner}
    if not marks.items() <= claim.metadata.annotations.items():
        patch = {"metadata": {"uid": claim.metadata.uid, "annotations": marks}}
        yield Patch(PERSISTENTVOLUMECLAIM, key_of(claim), patch)
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{kind.provisioner}' or manually by "
        "the system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    yield Emit(claim, "Normal", "ExternalProvisioning", text)


# --- Binding ---


def _named(view: View, claim: PersistentVolumeClaim) -> Iterator[Action]:
    """The claim says which volume it wants, or has."""
    bound = BIND_COMPLETED in claim.metadata.annotations
    volume = view.get(PERSISTENTVOLUME, Key("", claim.spec.volume_name))
    if volume is None:
        if not bound:
            yield from _phase(claim, "Pending")
        elif claim.status.phase != "Lost":
            yield from _phase(claim, "Lost")
            text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            yield Emit(claim, "Warning", "ClaimLost", text)
    elif is_for(volume, claim):
        yield from _bind(claim, volume)
    elif volume.spec.claim_ref is None and not bound:
        why = mismatch(claim, volume)
        if why:
            yield from _phase(claim, "Pending")
            text = f'Cannot bind to requested volume "{volume.metadata.name}": {why}'
            yield Emit(claim, "Warning", "VolumeMismatch", text)
        else:
            yield from _bind(claim, volume)
    elif bound:
        yield from _lost(claim, volume)
    else:
        yield from _phase(claim, "Pending")
        text = f'volume "{volume.metadata.name}" already bound to a different claim.'
        yield Emit(claim, "Warning", "FailedBinding", text)


def _lost(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Iterator[Action]:
    if claim.status.phase == "Lost":
        return
    yield from _phase(claim, "Lost")
    if volume.spec.claim_ref is None:
        text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        yield Emit(claim, "Warning", "ClaimLost", text)
    else:
        text = "Two claims are bound to the same volume, this one is bound incorrectly"
        yield Emit(claim, "Warning", "ClaimMisbound", text)


def _bind(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Iterator[Action]:
    """The next of three writes: the volume's claimRef, the claim's volumeName, the claim's status."""
    ref = volume.spec.claim_ref
    if ref is None or ref.uid != claim.metadata.uid:
        annotations = dict(volume.metadata.annotations)
        if ref is None:
            annotations[BOUND_BY_CONTROLLER] = "yes"
        meta = replace(volume.metadata, annotations=annotations)
        spec = replace(volume.spec, claim_ref=reference_to(claim))
        yield Replace(PERSISTENTVOLUME, replace(volume, metadata=meta, spec=spec))
        return
    marks = {BIND_COMPLETED: "yes"}
    if not claim.spec.volume_name:
        marks[BOUND_BY_CONTROLLER] = "yes"
    if not claim.spec.volume_name or BIND_COMPLETED not in claim.metadata.annotations:
        meta = replace(claim.metadata, annotations={**claim.metadata.annotations, **marks})
        named = replace(claim.spec, volume_name=volume.metadata.name)
        yield Replace(PERSISTENTVOLUMECLAIM, replace(claim, metadata=meta, spec=named))
        return
    status = replace(claim.status, phase="Bound", access_modes=volume.spec.access_modes, capacity=volume.spec.capacity)
    if claim.status.phase == "Bound":  # a later resize of the claim's status is somebody else's
        status = replace(status, capacity=claim.status.capacity)
    if status != claim.status:
        yield Replace(PERSISTENTVOLUMECLAIM, replace(claim, status=status), subresource="status")


def _phase(claim: PersistentVolumeClaim, phase: str) -> Iterator[Action]:
    if claim.status.phase != phase:
        status = replace(claim.status, phase=phase)
        yield Replace(PERSISTENTVOLUMECLAIM, replace(claim, status=status), subresource="status")


# --- What wakes it ---


def _of_volume(view: View, volume: PersistentVolume) -> Iterator[Key]:
    ref = volume.spec.claim_ref
    if ref is not None:
        yield Key(ref.namespace, ref.name)
    if ref is None or not ref.uid:
        yield from (key_of(claim) for claim in view.list(PERSISTENTVOLUMECLAIM) if not claim.spec.volume_name)
    for claim in view.list(PERSISTENTVOLUMECLAIM):
        if claim.spec.volume_name == volume.metadata.name:
            yield key_of(claim)


def _of_class(view: View, kind: StorageClass) -> Iterator[Key]:
    for claim in view.list(PERSISTENTVOLUMECLAIM):
        if not claim.spec.volume_name and claim.spec.storage_class_name in (None, kind.metadata.name):
            yield key_of(claim)


CONTROLLER = Controller(
    "persistentvolumeclaim",
    PERSISTENTVOLUMECLAIM,
    plan,
    watches=(Watch(PERSISTENTVOLUME, _of_volume), Watch(STORAGECLASS, _of_class)),
    reads=(NODE,),
    component="persistentvolume-controller",
)

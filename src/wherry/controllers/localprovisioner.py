"""Local provisioner: dynamic volumes that are folders on a node, for classes with provisioner `wherry.dev/local`.

Wakes on: PersistentVolumeClaim; PersistentVolume (its own ones); Node (its end).
Writes:   PersistentVolume (create, delete), Node annotations, the StorageClass `local` (once), claims (takes
          selected-node back when that node has left); Events ProvisioningSucceeded, ProvisioningFailed.

What the node's agent does (`wherry.node.volumes.local`), with no rights beyond its own Node:
- it says where its volumes lie, with the annotation `wherry.dev/volumes` on its Node; nothing is provisioned before;
- a volume annotated `pv.kubernetes.io/provisioned-by: wherry.dev/local` is a folder there, of the volume's name; the
  agent makes it before the first mount;
- when such a volume is deleted and free, its Node gets the annotation `remove.volumes.wherry.dev/<volume>: asked`; the
  agent removes the folder with all it holds and answers `done`; then the volume's finalizer goes, then the annotation.
Invariant: no data is removed before the API has a deletionTimestamp on the volume and says that it is not Bound.

Reclaim: policy Delete deletes the volume when it is Released; Retain leaves it. If the node itself is gone, nobody can
remove the folder, so the finalizer is taken off all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import (
    LocalVolumeSource,
    Node,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeSpec,
    VolumeNodeAffinity,
)
from wherry.api.types.storage import StorageClass
from wherry.controllers.nodes import HOSTNAME
from wherry.controllers.volumes import (
    PROVISIONED_BY,
    PV_PROTECTION,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    is_for,
    reference_to,
)
from wherry.machinery.meta import Key, ObjectMeta, key_of
from wherry.reconcile.actions import Action, Create, Delete, Emit, Patch, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

PROVISIONER = "wherry.dev/local"
FINALIZER = "wherry.dev/local-volume"
FOLDER = "wherry.dev/volumes"
NODE_NAME = "wherry.dev/node"
REMOVE = "remove.volumes.wherry.dev/"
ASKED, DONE = "asked", "done"

SYSTEM = Key("", "kube-system")
CLASS_MADE = "wherry.dev/default-storage-class"

DEFAULT_CLASS = StorageClass(
    metadata=ObjectMeta(name="local", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
    provisioner=PROVISIONER,
    reclaim_policy="Delete",
    volume_binding_mode="WaitForFirstConsumer",
)
"""The default StorageClass of a new cluster."""


def default_class(view: View, key: Key) -> Iterator[Action]:
    """Once in a cluster's life: make the default StorageClass. An annotation of kube-system remembers that it was."""
    system = view.get(NAMESPACE, SYSTEM)
    if key != SYSTEM or system is None or CLASS_MADE in system.metadata.annotations:
        return
    if view.get(STORAGECLASS, key_of(DEFAULT_CLASS)) is None:
        yield Create(STORAGECLASS, DEFAULT_CLASS)
    else:
        yield Patch(NAMESPACE, SYSTEM, {"metadata": {"annotations": {CLASS_MADE: DEFAULT_CLASS.metadata.name}}})


def provision(view: View, key: Key) -> Iterator[Action]:
    """One run for one PersistentVolumeClaim: make the volume it waits for."""
    claim = view.get(PERSISTENTVOLUMECLAIM, key)
    if claim is None or claim.spec.volume_name or claim.metadata.deletion_timestamp is not None:
        return
    if claim.metadata.annotations.get(STORAGE_PROVISIONER) != PROVISIONER:
        return
    kind = view.get(STORAGECLASS, Key("", claim.spec.storage_class_name or ""))
    name = f"pvc-{claim.metadata.uid}"
    if kind is None or view.get(PERSISTENTVOLUME, Key("", name)) is not None:
        return
    node = _place(view, claim, kind)
    if node is None and claim.metadata.annotations.get(SELECTED_NODE):
        # The node has left: the scheduler is to choose another one.
        patch = {"metadata": {"uid": claim.metadata.uid, "annotations": {SELECTED_NODE: None}}}
        yield Patch(PERSISTENTVOLUMECLAIM, key, patch)
        return
    if node is None:
        yield Emit(claim, "Warning", "ProvisioningFailed", "no node has been selected for this local volume")
        return
    if not node.metadata.annotations.get(FOLDER):
        text = f"node {node.metadata.name} does not say where its volumes lie (annotation {FOLDER})"
        yield Emit(claim, "Warning", "ProvisioningFailed", text)
        return
    text = f"Successfully provisioned volume {name}"
    yield Create(
        PERSISTENTVOLUME,
        _volume(name, claim, kind, node),
        done=Emit(claim, "Normal", "ProvisioningSucceeded", text),
        failed=Emit(claim, "Warning", "ProvisioningFailed", "{error}"),
    )


def _place(view: View, claim: PersistentVolumeClaim, kind: StorageClass) -> Node | None:
    """The node the scheduler chose; for classes that bind at once, the only one."""
    selected = claim.metadata.annotations.get(SELECTED_NODE)
    if selected:
        return view.get(NODE, Key("", selected))
    nodes = view.list(NODE)
    return nodes[0] if kind.volume_binding_mode != "WaitForFirstConsumer" and len(nodes) == 1 else None


def _volume(name: str, claim: PersistentVolumeClaim, kind: StorageClass, node: Node) -> PersistentVolume:
    host = node.metadata.labels.get(HOSTNAME, node.metadata.name)
    here = NodeSelectorRequirement(key=HOSTNAME, operator="In", values=(host,))
    folder = node.metadata.annotations[FOLDER]
    affinity = NodeSelector(node_selector_terms=(NodeSelectorTerm(match_expressions=(here,)),))
    return PersistentVolume(
        metadata=ObjectMeta(
            name=name,
            annotations={PROVISIONED_BY: PROVISIONER, NODE_NAME: node.metadata.name},
            finalizers=(PV_PROTECTION, FINALIZER),
        ),
        spec=PersistentVolumeSpec(
            access_modes=claim.spec.access_modes,
            capacity={k: v for k, v in claim.spec.resources.requests.items() if k == "storage"},
            claim_ref=reference_to(claim),
            local=LocalVolumeSource(path=f"{folder.rstrip('/')}/{name}"),
            mount_options=kind.mount_options,
            node_affinity=VolumeNodeAffinity(required=affinity),
            persistent_volume_reclaim_policy=kind.reclaim_policy or "Delete",
            storage_class_name=kind.metadata.name,
            volume_mode=claim.spec.volume_mode,
        ),
    )


def reclaim(view: View, key: Key) -> Iterator[Action]:
    """One run for one PersistentVolume: delete it when it is released, see its data off, let it go."""
    volume = view.get(PERSISTENTVOLUME, key)
    if volume is None:
        for node in view.list(NODE):
            if REMOVE + key.name in node.metadata.annotations:
                yield _ask(node, key.name, None)
        return
    if volume.metadata.annotations.get(PROVISIONED_BY) != PROVISIONER:
        return
    if volume.metadata.deletion_timestamp is None:
        if volume.status.phase == "Released" and volume.spec.persistent_volume_reclaim_policy == "Delete":
            yield Delete(PERSISTENTVOLUME, key, volume.metadata.uid)
    elif FINALIZER in volume.metadata.finalizers and volume.status.phase != "Bound":
        yield from _see_off(view, volume)


def _see_off(view: View, volume: PersistentVolume) -> Iterator[Action]:
    node = view.get(NODE, Key("", volume.metadata.annotations.get(NODE_NAME, "")))
    said = node.metadata.annotations.get(REMOVE + volume.metadata.name) if node is not None else DONE
    if said == DONE:
        kept = tuple(name for name in volume.metadata.finalizers if name != FINALIZER)
        yield Replace(PERSISTENTVOLUME, replace(volume, metadata=replace(volume.metadata, finalizers=kept)))
    elif said is None and node is not None:
        yield _ask(node, volume.metadata.name, ASKED)


def _ask(node: Node, volume: str, value: str | None) -> Patch:
    patch = {"metadata": {"uid": node.metadata.uid, "annotations": {REMOVE + volume: value}}}
    return Patch(NODE, key_of(node), patch)


def _of_node(view: View, node: Node) -> Iterator[Key]:
    for annotation in node.metadata.annotations:
        if annotation.startswith(REMOVE):
            yield Key("", annotation.removeprefix(REMOVE))
    if view.get(NODE, key_of(node)) is None:
        for volume in view.list(PERSISTENTVOLUME):
            if volume.metadata.annotations.get(NODE_NAME) == node.metadata.name:
                yield key_of(volume)


def _waiting_claims(view: View, node: Node) -> Iterator[Key]:
    """A node has said where its volumes lie."""
    for claim in view.list(PERSISTENTVOLUMECLAIM):
        if not claim.spec.volume_name and claim.metadata.annotations.get(SELECTED_NODE) == node.metadata.name:
            yield key_of(claim)


def _of_volume(view: View, volume: PersistentVolume) -> Iterator[Key]:
    """A volume that vanished before it was bound is made again."""
    ref = volume.spec.claim_ref
    claim = view.get(PERSISTENTVOLUMECLAIM, Key(ref.namespace, ref.name)) if ref is not None else None
    if claim is not None and is_for(volume, claim):
        yield key_of(claim)


def _annotated(old: Node, new: Node) -> bool:
    return old.metadata.annotations != new.metadata.annotations


def _system(view: View, kind: StorageClass) -> Iterator[Key]:
    yield SYSTEM


DEFAULTS = Controller(
    "defaultstorageclass", NAMESPACE, default_class, watches=(Watch(STORAGECLASS, _system),), component=PROVISIONER
)
PROVISION = Controller(
    "localprovisioner",
    PERSISTENTVOLUMECLAIM,
    provision,
    watches=(Watch(PERSISTENTVOLUME, _of_volume), Watch(NODE, _waiting_claims, _annotated)),
    reads=(STORAGECLASS,),
    component=PROVISIONER,
)
RECLAIM = Controller(
    "localreclaimer",
    PERSISTENTVOLUME,
    reclaim,
    watches=(Watch(NODE, _of_node, _annotated),),
    component=PROVISIONER,
)

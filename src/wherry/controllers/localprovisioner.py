"""Local provisioner: dynamic volumes that are folders on a node, for classes with provisioner `wherry.dev/local`.

Wakes on: PersistentVolumeClaim; PersistentVolume (its own ones); Node (its end).
Writes:   PersistentVolume (create, delete); Events ProvisioningSucceeded, ProvisioningFailed.

What the node's agent has to do, by the volume's spec alone:
- annotation `pv.kubernetes.io/provisioned-by: wherry.dev/local` and a node affinity to its `kubernetes.io/hostname`
  mean: `spec.local.path` is a folder under the agent's own volumes folder; make it (mode 0777) before the first mount;
- when such a volume has a deletionTimestamp: remove the folder with all it holds, then take the finalizer
  `wherry.dev/local-volume` off. No data is ever removed while that finalizer stands for a volume that is not deleting.
A Node says where its volumes lie with the annotation `wherry.dev/volumes`; without it,
/var/lib/wherry/nodes/<node>/volumes.

Reclaim: policy Delete deletes the volume when it is Released; Retain leaves it. If the node itself is gone, nobody can
remove the folder, so the finalizer is taken off here.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

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
from wherry.reconcile.actions import Action, Create, Delete, Emit, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

PROVISIONER = "wherry.dev/local"
FINALIZER = "wherry.dev/local-volume"
FOLDER = "wherry.dev/volumes"
NODE_NAME = "wherry.dev/node"

DEFAULT_CLASS = StorageClass(
    metadata=ObjectMeta(name="local", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
    provisioner=PROVISIONER,
    reclaim_policy="Delete",
    volume_binding_mode="WaitForFirstConsumer",
)
"""The default StorageClass of a new cluster."""


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
    if node is None:
        yield Emit(claim, "Warning", "ProvisioningFailed", "no node has been selected for this local volume")
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
    folder = node.metadata.annotations.get(FOLDER) or f"/var/lib/wherry/nodes/{node.metadata.name}/volumes"
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
    """One run for one PersistentVolume of ours: delete it when it is released, let it go when its node is gone."""
    volume = view.get(PERSISTENTVOLUME, key)
    if volume is None or volume.metadata.annotations.get(PROVISIONED_BY) != PROVISIONER:
        return
    if volume.metadata.deletion_timestamp is None:
        if volume.status.phase == "Released" and volume.spec.persistent_volume_reclaim_policy == "Delete":
            yield Delete(PERSISTENTVOLUME, key, volume.metadata.uid)
        return
    node = volume.metadata.annotations.get(NODE_NAME, "")
    if FINALIZER in volume.metadata.finalizers and view.get(NODE, Key("", node)) is None:
        kept = tuple(name for name in volume.metadata.finalizers if name != FINALIZER)
        yield Replace(PERSISTENTVOLUME, replace(volume, metadata=replace(volume.metadata, finalizers=kept)))


def _of_node(view: View, node: Node) -> Iterator[Key]:
    for volume in view.list(PERSISTENTVOLUME):
        if volume.metadata.annotations.get(NODE_NAME) == node.metadata.name:
            yield key_of(volume)


def _of_volume(view: View, volume: PersistentVolume) -> Iterator[Key]:
    """A volume that vanished before it was bound is made again."""
    ref = volume.spec.claim_ref
    claim = view.get(PERSISTENTVOLUMECLAIM, Key(ref.namespace, ref.name)) if ref is not None else None
    if claim is not None and is_for(volume, claim):
        yield key_of(claim)


def _never(old: Node, new: Node) -> bool:
    return False


PROVISION = Controller(
    "localprovisioner",
    PERSISTENTVOLUMECLAIM,
    provision,
    watches=(Watch(PERSISTENTVOLUME, _of_volume),),
    reads=(STORAGECLASS, NODE),
    component=PROVISIONER,
)
RECLAIM = Controller(
    "localreclaimer", PERSISTENTVOLUME, reclaim, watches=(Watch(NODE, _of_node, _never),), component=PROVISIONER
)

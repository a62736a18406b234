"""Attachment: says which volumes of storage drivers have to be reachable from which node.

A VolumeAttachment stands for one volume on one node; the driver's own external-attacher does the work and says so in
its status, and the node waits for that. It goes when no pod on the node uses the volume and the node says that it has
let go of it (`status.volumesInUse`), or the node itself is gone, or is lost and known not to use it: fenced, or marked
node.kubernetes.io/out-of-service.

Wakes on: PersistentVolume, VolumeAttachment; Pods and claims (through the volumes they use); Nodes that let go.
Writes:   VolumeAttachment `csi-<digest of handle, driver, node>` (create, delete); never one of another name.
Upstream: https://kubernetes.io/docs/concepts/storage/volumes/#csi
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, is_terminal
from wherry.api.core.pod_volume_claims import claims_of
from wherry.api.storage.csidriver import CSIDRIVER
from wherry.api.storage.volumeattachment import VOLUMEATTACHMENT
from wherry.api.types.core import CSIPersistentVolumeSource, Node, PersistentVolume, PersistentVolumeClaim, Pod
from wherry.api.types.storage import VolumeAttachment, VolumeAttachmentSource, VolumeAttachmentSpec
from wherry.controllers.nodes import is_out_of_service
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.actions import Action, Create, Delete, Emit
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

SINGLE = ("ReadWriteOnce", "ReadWriteOncePod")


def attachment_name(source: CSIPersistentVolumeSource, node: str) -> str:
    """The name under which the node looks for an attachment."""
    return f"csi-{hashlib.sha256(f'{source.volume_handle}{source.driver}{node}'.encode()).hexdigest()}"


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one PersistentVolume."""
    volume = view.get(PERSISTENTVOLUME, key)
    if volume is None or volume.spec.csi is None:
        return
    driver = view.get(CSIDRIVER, Key("", volume.spec.csi.driver))
    if driver is not None and driver.spec.attach_required is False:
        return
    users = _users(view, volume)
    held = {
        one.spec.node_name: one
        for one in view.list(VOLUMEATTACHMENT)
        if one.metadata.name == attachment_name(volume.spec.csi, one.spec.node_name)
    }
    for node, attachment in held.items():
        if node not in users and attachment.metadata.deletion_timestamp is None and _let_go(view, volume, node):
            yield Delete(VOLUMEATTACHMENT, Key("", attachment.metadata.name), attachment.metadata.uid)
    yield from _attach(volume, users, held)


def _attach(
    volume: PersistentVolume, users: dict[str, Pod], held: dict[str, VolumeAttachment]
) -> Iterator[Action]:  # fmt: skip
    source = volume.spec.csi
    assert source is not None
    single = bool(volume.spec.access_modes) and set(volume.spec.access_modes) <= set(SINGLE)
    taken = set(held)
    for node, pod in sorted(users.items()):
        if node in taken:
            continue
        if single and taken:
            text = f'Multi-Attach error for volume "{volume.metadata.name}" Volume is already used by'
            yield Emit(pod, "Warning", "FailedAttachVolume", f"{text} pod(s) on another node")
            continue
        taken.add(node)
        spec = VolumeAttachmentSpec(
            attacher=source.driver, node_name=node,
            source=VolumeAttachmentSource(persistent_volume_name=volume.metadata.name),
        )  # fmt: skip
        meta = ObjectMeta(name=attachment_name(source, node))
        yield Create(VOLUMEATTACHMENT, VolumeAttachment(metadata=meta, spec=spec))


def _users(view: View, volume: PersistentVolume) -> dict[str, Pod]:
    """Node -> a pod there that uses the volume."""
    ref = volume.spec.claim_ref
    if ref is None:
        return {}
    found: dict[str, Pod] = {}
    for pod in view.list(POD, ref.namespace):
        if pod.spec.node_name and not is_terminal(pod) and ref.name in claims_of(pod):
            found.setdefault(pod.spec.node_name, pod)
    return found


def _let_go(view: View, volume: PersistentVolume, name: str) -> bool:
    node = view.get(NODE, Key("", name))
    source = volume.spec.csi
    if node is None or source is None:
        return True
    if is_out_of_service(node):
        return True
    return f"kubernetes.io/csi/{source.driver}^{source.volume_handle}" not in node.status.volumes_in_use


def _of_pod(view: View, pod: Pod) -> Iterator[Key]:
    for name in claims_of(pod):
        claim = view.get(PERSISTENTVOLUMECLAIM, Key(pod.metadata.namespace, name))
        if claim is not None:
            yield from _of_claim(view, claim)


def _moved(old: Pod, new: Pod) -> bool:
    return old.spec.node_name != new.spec.node_name or is_terminal(old) != is_terminal(new)


def _of_claim(view: View, claim: PersistentVolumeClaim) -> Iterator[Key]:
    if claim.spec.volume_name:
        yield Key("", claim.spec.volume_name)


def _of_attachment(view: View, attachment: VolumeAttachment) -> Iterator[Key]:
    name = attachment.spec.source.persistent_volume_name
    if name:
        yield Key("", name)


def _of_node(view: View, node: Node) -> Iterator[Key]:
    for attachment in view.list(VOLUMEATTACHMENT):
        if attachment.spec.node_name == node.metadata.name:
            yield from _of_attachment(view, attachment)


def _released(old: Node, new: Node) -> bool:
    return old.status.volumes_in_use != new.status.volumes_in_use or is_out_of_service(old) != is_out_of_service(new)


CONTROLLER = Controller(
    "attachdetach", PERSISTENTVOLUME, plan,
    watches=(
        Watch(POD, _of_pod, _moved), Watch(PERSISTENTVOLUMECLAIM, _of_claim), Watch(VOLUMEATTACHMENT, _of_attachment),
        Watch(NODE, _of_node, _released),
    ),
    reads=(CSIDRIVER,), component="attachdetach-controller",
)  # fmt: skip

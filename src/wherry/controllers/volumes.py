"""Claims and volumes: the names of their marks, and which volume fits which claim.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

from __future__ import annotations

from wherry.api.types.core import Node, ObjectReference, PersistentVolume, PersistentVolumeClaim
from wherry.controllers.nodes import selects_node
from wherry.machinery.quantity import compare
from wherry.machinery.selectors import matches

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
VAC_PROTECTION = "kubernetes.io/vac-protection"
PV_PROTECTION, PVC_PROTECTION = "kubernetes.io/pv-protection", "kubernetes.io/pvc-protection"


def is_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is reserved for this very claim (by uid, or by name if it has none)."""
    ref = volume.spec.claim_ref
    return (
        ref is not None
        and (ref.namespace, ref.name) == (claim.metadata.namespace, claim.metadata.name)
        and ref.uid in ("", claim.metadata.uid)
    )


def mismatch(claim: PersistentVolumeClaim, volume: PersistentVolume) -> str:
    """Why this volume cannot serve this claim, or ""."""
    asked, held = claim.spec.resources.requests.get("storage"), volume.spec.capacity.get("storage", "0")
    if asked is not None and compare(held, asked) < 0:
        return "requested PV is too small"
    if volume.spec.storage_class_name != (claim.spec.storage_class_name or ""):
        return "storageClassName does not match"
    if (volume.spec.volume_mode or "Filesystem") != (claim.spec.volume_mode or "Filesystem"):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""


def is_free_for(claim: PersistentVolumeClaim, volume: PersistentVolume, node: Node | None) -> bool:
    """Whether an unreserved volume fits, and can be reached from `node` if one has been chosen."""
    if volume.spec.claim_ref is not None or volume.metadata.deletion_timestamp is not None:
        return False
    if volume.status.phase not in ("Available", "Pending", "") or mismatch(claim, volume):
        return False
    if claim.spec.selector is not None and not matches(claim.spec.selector, volume.metadata.labels):
        return False
    affinity = volume.spec.node_affinity
    return node is None or affinity is None or affinity.required is None or selects_node(affinity.required, node)


def reference_to(claim: PersistentVolumeClaim) -> ObjectReference:
    """`claimRef` of a volume."""
    meta = claim.metadata
    return ObjectReference(
        api_version="v1",
        kind="PersistentVolumeClaim",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )

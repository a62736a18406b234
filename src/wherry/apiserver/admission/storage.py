"""DefaultStorageClass, StorageObjectInUseProtection and PersistentVolumeClaimResize: claims get a class, nothing in
use vanishes, and volumes grow only where their class allows it.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import PersistentVolume, PersistentVolumeClaim
from wherry.api.types.storage import StorageClass
from wherry.apiserver import strategy
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.meta import T
from wherry.machinery.quantity import compare
from wherry.store.entry import Entry

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
FINALIZERS = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}


def default_class(api: Api) -> str:
    """The default StorageClass: of several, the newest; "" for none."""
    entries: list[Entry[StorageClass]] = api.window(STORAGECLASS).list().items
    found = [e.obj for e in entries if any(e.obj.metadata.annotations.get(key) == "true" for key in _DEFAULT)]
    found.sort(key=lambda c: c.metadata.name)
    newest = max(found, key=lambda c: c.metadata.creation_timestamp or "", default=None)
    return newest.metadata.name if newest is not None else ""


def _classify(
    api: Api, ctx: Context[PersistentVolumeClaim], claim: PersistentVolumeClaim, old: PersistentVolumeClaim | None
) -> PersistentVolumeClaim:  # fmt: skip
    if claim.spec.storage_class_name is not None or _OLD_CLASS in claim.metadata.annotations:
        return claim
    name = default_class(api)
    return replace(claim, spec=replace(claim.spec, storage_class_name=name)) if name else claim


def _protect(api: Api, ctx: Context[T], obj: T, old: T | None) -> T:
    finalizer = FINALIZERS[str(ctx.resource)]
    if finalizer in obj.metadata.finalizers:
        return obj
    return strategy.with_meta(obj, finalizers=(*obj.metadata.finalizers, finalizer))


def _resize(
    api: Api, ctx: Context[PersistentVolumeClaim], claim: PersistentVolumeClaim, old: PersistentVolumeClaim
) -> None:  # fmt: skip
    asked, had = (c.spec.resources.requests.get("storage") for c in (claim, old))
    if asked is None or (had is not None and compare(asked, had) <= 0):
        return
    if old.status.phase != "Bound":
        raise forbidden(ctx, "Only bound persistent volume claims can be expanded")
    entry = api.find(STORAGECLASS, "", _class_of(claim)) if _class_of(claim) == _class_of(old) != "" else None
    if entry is None or not entry.obj.allow_volume_expansion:
        raise forbidden(
            ctx,
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
            "resize",
        )


def _class_of(claim: PersistentVolumeClaim) -> str:
    return claim.metadata.annotations.get(_OLD_CLASS) or claim.spec.storage_class_name or ""


def _phase_time(
    api: Api, ctx: Context[PersistentVolume], volume: PersistentVolume, old: PersistentVolume | None
) -> PersistentVolume:  # fmt: skip
    """Since when a volume is in its phase, unless whoever changed the phase says so."""
    if old is None:
        return volume
    mine, before = volume.status.last_phase_transition_time, old.status.last_phase_transition_time
    if volume.status.phase != old.status.phase:
        mine = mine if mine is not None and mine != before else api.now()
    elif mine is None:
        mine = before
    return replace(volume, status=replace(volume.status, last_phase_transition_time=mine))


PLUGINS = (
    Plugin(
        "PersistentVolumePhaseTime",
        mutate=_phase_time,
        operations=frozenset({"UPDATE"}),
        resources=frozenset({"persistentvolumes"}),
        subresources=frozenset({"status"}),
    ),
    Plugin(
        "DefaultStorageClass",
        mutate=_classify,
        operations=frozenset({"CREATE"}),
        resources=frozenset({"persistentvolumeclaims"}),
    ),
    Plugin(
        "StorageObjectInUseProtection",
        mutate=_protect,
        operations=frozenset({"CREATE"}),
        resources=frozenset(FINALIZERS),
    ),
    Plugin(
        "PersistentVolumeClaimResize",
        validate=_resize,
        operations=frozenset({"UPDATE"}),
        resources=frozenset({"persistentvolumeclaims"}),
    ),
)

"""Storage protection: a claim in use by a pod, and a volume bound to a claim, are deleted only after use.

Wakes on: PersistentVolumeClaim, PersistentVolume, VolumeAttributesClass; the end of Pods (through their claims).
Writes:   finalizers kubernetes.io/pvc-protection, kubernetes.io/pv-protection and kubernetes.io/vac-protection.
Upstream: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection

Invariant: pvc-protection goes only after the API itself has listed no pod that uses the claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, is_terminal
from wherry.api.core.pod_volume_claims import claims_of
from wherry.api.storage.volumeattributesclass import VOLUMEATTRIBUTESCLASS
from wherry.api.types.core import PersistentVolume, PersistentVolumeClaim, Pod
from wherry.controllers.volumes import PV_PROTECTION, PVC_PROTECTION, VAC_PROTECTION
from wherry.machinery.meta import Key, Object
from wherry.machinery.resource import Resource
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController, Watch
from wherry.reconcile.view import View


async def protect_claim(ctx: Context, key: Key) -> float | None:
    """One run for one PersistentVolumeClaim."""
    claim = ctx.view.get(PERSISTENTVOLUMECLAIM, key)
    if claim is None:
        return None
    if claim.metadata.deletion_timestamp is None:
        await _set(ctx, PERSISTENTVOLUMECLAIM, claim, PVC_PROTECTION, wanted=True)
    elif PVC_PROTECTION in claim.metadata.finalizers and not await _used(ctx, key):
        await _set(ctx, PERSISTENTVOLUMECLAIM, claim, PVC_PROTECTION, wanted=False)
    return None


async def _used(ctx: Context, claim: Key) -> bool:
    if any(_uses(pod, claim.name) for pod in ctx.view.list(POD, claim.namespace)):
        return True
    return any(_uses(pod, claim.name) for pod in await ctx.api.listed(POD, claim.namespace))


def _uses(pod: Pod, claim: str) -> bool:
    return not is_terminal(pod) and claim in claims_of(pod)


async def protect_volume(ctx: Context, key: Key) -> float | None:
    """One run for one PersistentVolume."""
    volume = ctx.view.get(PERSISTENTVOLUME, key)
    if volume is None:
        return None
    if volume.metadata.deletion_timestamp is None:
        await _set(ctx, PERSISTENTVOLUME, volume, PV_PROTECTION, wanted=True)
    elif volume.status.phase != "Bound":
        await _set(ctx, PERSISTENTVOLUME, volume, PV_PROTECTION, wanted=False)
    return None


async def _set(ctx: Context, resource: Resource[Any], obj: Object, finalizer: str, *, wanted: bool) -> None:
    have = obj.metadata.finalizers
    if (finalizer in have) == wanted:
        return
    finalizers = (*have, finalizer) if wanted else tuple(name for name in have if name != finalizer)
    await ctx.api.replace(resource, replace(obj, metadata=replace(obj.metadata, finalizers=finalizers)))


async def protect_class(ctx: Context, key: Key) -> float | None:
    """One run for one VolumeAttributesClass."""
    found = ctx.view.get(VOLUMEATTRIBUTESCLASS, key)
    if found is None:
        return None
    if found.metadata.deletion_timestamp is None:
        await _set(ctx, VOLUMEATTRIBUTESCLASS, found, VAC_PROTECTION, wanted=True)
    elif not _names_class(ctx.view, key.name):
        await _set(ctx, VOLUMEATTRIBUTESCLASS, found, VAC_PROTECTION, wanted=False)
    return None


def _names_class(view: View, name: str) -> bool:
    used_by_claims = any(name in classes_of(one) for one in view.list(PERSISTENTVOLUMECLAIM))
    return used_by_claims or any(name in classes_of(one) for one in view.list(PERSISTENTVOLUME))


def classes_of(obj: PersistentVolumeClaim | PersistentVolume) -> Iterator[str]:
    """Names of the VolumeAttributesClasses that a claim or a volume has, had or is to have."""
    if obj.spec.volume_attributes_class_name:
        yield obj.spec.volume_attributes_class_name
    if isinstance(obj, PersistentVolumeClaim):
        status = obj.status
        if status.current_volume_attributes_class_name:
            yield status.current_volume_attributes_class_name
        if status.modify_volume_status is not None and status.modify_volume_status.target_volume_attributes_class_name:
            yield status.modify_volume_status.target_volume_attributes_class_name


def _of_user(_: View, obj: PersistentVolumeClaim | PersistentVolume) -> Iterator[Key]:
    return (Key("", name) for name in classes_of(obj))


def _of_pod(view: View, pod: Pod) -> Iterator[Key]:
    return (Key(pod.metadata.namespace, name) for name in claims_of(pod))


def _ended(old: Pod, new: Pod) -> bool:
    return is_terminal(old) != is_terminal(new)


CLAIMS = AsyncController("pvc-protection", protect_claim, PERSISTENTVOLUMECLAIM, watches=(Watch(POD, _of_pod, _ended),))
VOLUMES = AsyncController("pv-protection", protect_volume, PERSISTENTVOLUME)
CLASSES = AsyncController(
    "vac-protection", protect_class, VOLUMEATTRIBUTESCLASS,
    watches=(Watch(PERSISTENTVOLUMECLAIM, _of_user), Watch(PERSISTENTVOLUME, _of_user)),
)  # fmt: skip

"""Volume phases: Available, Bound, Released; and what becomes of a volume whose claim is gone.

Wakes on: PersistentVolume; PersistentVolumeClaim (through its volumeName).
Writes:   PersistentVolume/status; its claimRef, when a claim took another volume in the end.
Upstream: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming

Invariant: a volume is released only after the API itself (no cache) has said that its claim is gone.
Deleting a released volume (reclaim policy Delete) is its provisioner's work: see `localprovisioner`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.types.core import ObjectReference, PersistentVolume, PersistentVolumeClaim
from wherry.controllers.volumes import BOUND_BY_CONTROLLER
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key
from wherry.machinery.time import time_at
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController, Watch
from wherry.reconcile.view import View


async def reconcile(ctx: Context, key: Key) -> float | None:
    """One run for one PersistentVolume."""
    volume = ctx.view.get(PERSISTENTVOLUME, key)
    if volume is None:
        return None
    ref = volume.spec.claim_ref
    if ref is None or not ref.uid:
        await _phase(ctx, volume, "Available")
        return None
    claim = await _claim(ctx, ref)
    if claim is None:
        await _phase(ctx, volume, "Released")
    elif claim.spec.volume_name == key.name:
        await _phase(ctx, volume, "Bound")
    elif claim.spec.volume_name and volume.status.phase != "Released":
        await _give_up(ctx, volume, ref)
    return None


async def _claim(ctx: Context, ref: ObjectReference) -> PersistentVolumeClaim | None:
    key = Key(ref.namespace, ref.name)
    claim = ctx.view.get(PERSISTENTVOLUMECLAIM, key)
    if claim is not None and claim.metadata.uid == ref.uid:
        return claim
    try:
        claim = await ctx.api.get(PERSISTENTVOLUMECLAIM, key)
    except NotFound:
        return None
    return claim if claim.metadata.uid == ref.uid else None


async def _phase(ctx: Context, volume: PersistentVolume, phase: str) -> None:
    if volume.status.phase == phase or (phase == "Released" and volume.status.phase == "Failed"):
        return
    moment = time_at(ctx.view.now)
    status = replace(volume.status, phase=phase, message="", reason="", last_phase_transition_time=moment)
    await ctx.api.replace(PERSISTENTVOLUME, replace(volume, status=status), "status")


async def _give_up(ctx: Context, volume: PersistentVolume, ref: ObjectReference) -> None:
    """The claim was bound to another volume: free this one, or, if a user reserved it, forget only the uid."""
    ours = BOUND_BY_CONTROLLER in volume.metadata.annotations
    annotations = {k: v for k, v in volume.metadata.annotations.items() if k != BOUND_BY_CONTROLLER}
    kept = None if ours else replace(ref, uid="", resource_version="")
    meta, spec = replace(volume.metadata, annotations=annotations), replace(volume.spec, claim_ref=kept)
    await ctx.api.replace(PERSISTENTVOLUME, replace(volume, metadata=meta, spec=spec))


def _of_claim(view: View, claim: PersistentVolumeClaim) -> Iterator[Key]:
    if claim.spec.volume_name:
        yield Key("", claim.spec.volume_name)


CONTROLLER = AsyncController(
    "persistentvolume", reconcile, PERSISTENTVOLUME, watches=(Watch(PERSISTENTVOLUMECLAIM, _of_claim),)
)

"""v1 PersistentVolumeClaim: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable
from wherry.api.columns import AGE, or_unset
from wherry.api.core.claim_validation import claim_spec
from wherry.api.core.volume_defaults import default_claim_spec
from wherry.api.core.volume_modes import CLASS_ANNOTATION, class_of_claim, short_modes
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.core import PersistentVolumeClaim, PersistentVolumeClaimStatus
from wherry.machinery.quantity import compare
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden, invalid

COLUMNS: tuple[Column[PersistentVolumeClaim], ...] = (
    Column("Status", lambda c, _: "Terminating" if c.metadata.deletion_timestamp else c.status.phase),
    Column("Volume", lambda c, _: c.spec.volume_name),
    Column("Capacity", lambda c, _: c.status.capacity.get("storage", "0") if c.spec.volume_name else ""),
    Column("Access Modes", lambda c, _: short_modes(c.status.access_modes) if c.spec.volume_name else ""),
    Column("StorageClass", lambda c, _: class_of_claim(c)),
    Column("VolumeAttributesClass", lambda c, _: or_unset(c.spec.volume_attributes_class_name)),
    AGE,
    Column("VolumeMode", lambda c, _: or_unset(c.spec.volume_mode), wide=True),
)


def default(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    """Pending, for a file system."""
    return replace(claim, spec=default_claim_spec(claim.spec), status=fill(claim.status, phase="Pending"))


def prepare(new: PersistentVolumeClaim, old: PersistentVolumeClaim | None) -> PersistentVolumeClaim:
    """A new one is Pending, whatever its sender says."""
    return new if old is not None else replace(new, status=PersistentVolumeClaimStatus(phase="Pending"))


def validate(new: PersistentVolumeClaim, old: PersistentVolumeClaim | None) -> Errors:
    """Modes, a size, a class; afterwards only a bound claim may grow."""
    yield from claim_spec("spec", new.spec)
    if old is not None:
        yield from _update(new, old)


def _update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Errors:
    mine, theirs = new.spec, old.spec
    annotations = (new.metadata.annotations.get(CLASS_ANNOTATION), old.metadata.annotations.get(CLASS_ANNOTATION))
    if annotations[0] != annotations[1] and mine.storage_class_name != annotations[1]:
        yield from immutable(f"metadata.annotations.{CLASS_ANNOTATION}", annotations[0] or "", annotations[1] or "")
    masked = mine
    if not theirs.volume_name:
        masked = replace(masked, volume_name="")
    if theirs.storage_class_name is None and annotations[1] in (None, mine.storage_class_name):
        masked = replace(masked, storage_class_name=None)
    sizes = mine.resources.requests.get("storage", "0"), theirs.resources.requests.get("storage", "0")
    if new.status.phase == "Bound":
        masked = replace(masked, volume_attributes_class_name=theirs.volume_attributes_class_name)
        if sizes[1] != "0":
            requests = {**masked.resources.requests, "storage": theirs.resources.requests["storage"]}
            masked = replace(masked, resources=replace(masked.resources, requests=requests))
    if masked != theirs:
        why = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield forbidden("spec", why)
    if compare(sizes[0], sizes[1]) < 0 and compare(sizes[0], old.status.capacity.get("storage", "0")) <= 0:
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    yield from immutable("volumeMode", mine.volume_mode, theirs.volume_mode)
    if old.status.current_volume_attributes_class_name is not None and not mine.volume_attributes_class_name:
        word = "nil" if mine.volume_attributes_class_name is None else "empty string"
        why = f"update to {word} is forbidden when status.currentVolumeAttributesClassName is not nil"
        if mine.volume_attributes_class_name != theirs.volume_attributes_class_name:
            yield forbidden("spec.volumeAttributesClassName", why)


def validate_status(new: PersistentVolumeClaim, old: PersistentVolumeClaim | None) -> Errors:
    """Sizes that can be."""
    for name, amount in new.status.capacity.items():
        if compare(amount, "0") < 0:
            yield invalid(f"status.capacity[{name}]", amount, "must be a valid resource quantity")


PERSISTENTVOLUMECLAIM = declare(
    PersistentVolumeClaim,
    columns=COLUMNS,
    default=default,
    prepare=prepare,
    validate=validate,
    validate_status=validate_status,
)

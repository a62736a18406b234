"""v1 PersistentVolume: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.checks import Errors
from wherry.api.columns import AGE, or_unset
from wherry.api.core.pod_warnings import node_term_warnings
from wherry.api.core.volume_defaults import default_volume_spec
from wherry.api.core.volume_modes import CLASS_ANNOTATION, short_modes
from wherry.api.core.volume_spec_validation import volume_spec, volume_update
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.core import PersistentVolume
from wherry.machinery.resource import Column

_OLD_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}

COLUMNS: tuple[Column[PersistentVolume], ...] = (
    Column("Capacity", lambda v, _: v.spec.capacity.get("storage", "0")),
    Column("Access Modes", lambda v, _: short_modes(v.spec.access_modes)),
    Column("Reclaim Policy", lambda v, _: v.spec.persistent_volume_reclaim_policy),
    Column("Status", lambda v, _: "Terminating" if v.metadata.deletion_timestamp else v.status.phase),
    Column("Claim", lambda v, _: f"{v.spec.claim_ref.namespace}/{v.spec.claim_ref.name}" if v.spec.claim_ref else ""),
    Column("StorageClass", lambda v, _: v.metadata.annotations.get(CLASS_ANNOTATION, v.spec.storage_class_name)),
    Column("VolumeAttributesClass", lambda v, _: or_unset(v.spec.volume_attributes_class_name)),
    Column("Reason", lambda v, _: v.status.reason),
    AGE,
    Column("VolumeMode", lambda v, _: or_unset(v.spec.volume_mode), wide=True),
)


def default(volume: PersistentVolume) -> PersistentVolume:
    """Retained when released, for a file system."""
    return replace(volume, spec=default_volume_spec(volume.spec), status=fill(volume.status, phase="Pending"))


def prepare(new: PersistentVolume, old: PersistentVolume | None) -> PersistentVolume:
    """A new one is pending from its creation on; later the time follows the phase."""
    status = new.status
    if old is None:
        status = replace(status, phase="Pending", last_phase_transition_time=new.metadata.creation_timestamp)
    return new if status == new.status else replace(new, status=status)


def validate(new: PersistentVolume, old: PersistentVolume | None) -> Errors:
    """One source, a size, known modes; the source stays."""
    yield from volume_spec("spec", new.spec)
    if old is not None:
        yield from volume_update(new.spec, old.spec)


def warn(new: PersistentVolume, old: PersistentVolume | None) -> Iterator[str]:
    """About old annotations, recycling, old labels of nodes."""
    for key, why in _OLD_ANNOTATIONS.items():
        if key in new.metadata.annotations:
            yield f"metadata.annotations[{key}]: {why}"
    if new.spec.persistent_volume_reclaim_policy == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )
    needed = new.spec.node_affinity.required if new.spec.node_affinity else None
    for index, term in enumerate(needed.node_selector_terms if needed else ()):
        yield from node_term_warnings(f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]", term)


PERSISTENTVOLUME = declare(
    PersistentVolume, columns=COLUMNS, default=default, prepare=prepare, validate=validate, warn=warn
)

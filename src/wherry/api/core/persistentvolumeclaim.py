"""v1 PersistentVolumeClaim: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, or_unset
from wherry.api.core.volume_defaults import default_claim_spec
from wherry.api.core.volume_modes import class_of_claim, short_modes
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.core import PersistentVolumeClaim
from wherry.machinery.resource import Column

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


PERSISTENTVOLUMECLAIM = declare(PersistentVolumeClaim, columns=COLUMNS, default=default)

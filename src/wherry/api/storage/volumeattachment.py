"""storage.k8s.io/v1 VolumeAttachment: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.storage import VolumeAttachment
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[VolumeAttachment], ...] = (
    Column("Attacher", lambda a, _: a.spec.attacher),
    Column("PV", lambda a, _: a.spec.source.persistent_volume_name or ""),
    Column("Node", lambda a, _: a.spec.node_name),
    Column("Attached", lambda a, _: a.status.attached, type="boolean"),
    AGE,
)

VOLUMEATTACHMENT = declare(VolumeAttachment, columns=COLUMNS)

"""storage.k8s.io/v1 VolumeAttributesClass: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.storage import VolumeAttributesClass
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[VolumeAttributesClass], ...] = (
    Column("DriverName", lambda c, _: c.driver_name),
    AGE,
)

VOLUMEATTRIBUTESCLASS = declare(VolumeAttributesClass, columns=COLUMNS)

"""storage.k8s.io/v1 VolumeAttributesClass: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.checks import Errors, immutable
from wherry.api.columns import AGE
from wherry.api.core.volume_validation import driver_name
from wherry.api.declare import declare
from wherry.api.storage.storageclass import parameters
from wherry.api.types.storage import VolumeAttributesClass
from wherry.machinery.resource import Column
from wherry.machinery.validation import required

COLUMNS: tuple[Column[VolumeAttributesClass], ...] = (
    Column("DriverName", lambda c, _: c.driver_name),
    AGE,
)


def validate(new: VolumeAttributesClass, old: VolumeAttributesClass | None) -> Errors:
    """A driver and parameters, which stay."""
    yield from driver_name("driverName", new.driver_name)
    yield from parameters("parameters", new.parameters)
    if not new.parameters:
        yield required("parameters", "must contain at least one key/value pair")
    if old is not None:
        yield from immutable("driverName", new.driver_name, old.driver_name)
        yield from immutable("parameters", new.parameters, old.parameters)


VOLUMEATTRIBUTESCLASS = declare(VolumeAttributesClass, columns=COLUMNS, validate=validate)

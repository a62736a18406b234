"""storage.k8s.io/v1 VolumeAttributesClass: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.checks import Errors, required_name
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.storage.storageclass import parameters
from wherry.api.types.storage import VolumeAttributesClass
from wherry.machinery.names import qualified_name
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden, required

COLUMNS: tuple[Column[VolumeAttributesClass], ...] = (
    Column("DriverName", lambda c, _: c.driver_name),
    AGE,
)


def validate(new: VolumeAttributesClass, old: VolumeAttributesClass | None) -> Errors:
    """A driver and parameters, which stay."""
    if old is not None and new.driver_name != old.driver_name:
        yield forbidden("driverName", "updates to driverName are forbidden.")
    if old is not None and new.parameters != old.parameters:
        yield forbidden("parameters", "updates to parameters are forbidden.")
    yield from required_name("driverName", new.driver_name.lower(), qualified_name)
    yield from parameters("parameters", new.parameters)
    if not new.parameters:
        yield required("parameters", "must contain at least one key/value pair")


VOLUMEATTRIBUTESCLASS = declare(VolumeAttributesClass, columns=COLUMNS, validate=validate)

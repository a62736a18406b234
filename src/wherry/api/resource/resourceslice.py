"""resource.k8s.io/v1 ResourceSlice: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.resource.slice_validation import validate
from wherry.api.types.resource import (
    Device,
    DeviceAttribute,
    DeviceCounterConsumption,
    DeviceTaint,
    ResourceSlice,
    ResourceSliceSpec,
)
from wherry.machinery.resource import Column
from wherry.machinery.time import Time

COLUMNS: tuple[Column[ResourceSlice], ...] = (
    Column("Node", lambda s, _: s.spec.node_name or ""),
    Column("Driver", lambda s, _: s.spec.driver),
    Column("Pool", lambda s, _: s.spec.pool.name),
    AGE,
)

FIELDS = {"spec.nodeName": lambda s: s.spec.node_name or "", "spec.driver": lambda s: s.spec.driver}


def prepare(new: ResourceSlice, old: ResourceSlice | None) -> ResourceSlice:
    """No alpha fields; a taint that came without a time counts from the creation of the slice."""
    return within(new, spec=lambda spec: _plain(spec, new.metadata.creation_timestamp))


def _plain(spec: ResourceSliceSpec, now: Time | None) -> ResourceSliceSpec:
    def taint(own: DeviceTaint) -> DeviceTaint:
        return replace(own, time_added=now) if own.time_added is None and now is not None else own

    def device(own: Device) -> Device:
        if own.node_allocatable_resources:
            own = replace(own, node_allocatable_resources={})
        if any(_is_list(attribute) for attribute in own.attributes.values()):
            own = replace(own, attributes={name: _single(attribute) for name, attribute in own.attributes.items()})
        return within(own, taints=each(taint), consumes_counters=each(_ungrouped))

    if spec.partition_type_attribute is not None or spec.skip_node_operations:
        spec = replace(spec, partition_type_attribute=None, skip_node_operations=())
    return within(spec, devices=each(device))


def _is_list(own: DeviceAttribute) -> bool:
    return bool(own.bools or own.ints or own.strings or own.versions)


def _single(own: DeviceAttribute) -> DeviceAttribute:
    return replace(own, bools=(), ints=(), strings=(), versions=()) if _is_list(own) else own


def _ungrouped(own: DeviceCounterConsumption) -> DeviceCounterConsumption:
    return replace(own, compatibility_groups=()) if own.compatibility_groups else own


def warn(new: ResourceSlice, old: ResourceSlice | None) -> Iterator[str]:
    """Drivers are written in lower case."""
    driver = new.spec.driver
    if driver != driver.lower():
        shown = json.dumps(driver, ensure_ascii=False)
        yield f"spec.driver: driver names should be lowercase; {shown} contains uppercase characters"


RESOURCESLICE = declare(ResourceSlice, columns=COLUMNS, fields=FIELDS, prepare=prepare, validate=validate, warn=warn)

"""resource.k8s.io/v1 DeviceTaintRule: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.condition_validation import conditions
from wherry.api.core.volume_validation import driver_name
from wherry.api.declare import declare
from wherry.api.resource.name_validation import pool_name, short_name
from wherry.api.resource.taint_validation import taint
from wherry.api.types.resource import DeviceTaintRule
from wherry.machinery.resource import Column
from wherry.machinery.table import age
from wherry.machinery.validation import too_many

COLUMNS: tuple[Column[DeviceTaintRule], ...] = (
    Column("Key", lambda r, _: r.spec.taint.key),
    Column("Value", lambda r, _: r.spec.taint.value),
    Column("Effect", lambda r, _: r.spec.taint.effect),
    Column("TimeAdded", lambda r, now: age(r.spec.taint.time_added, now) if r.spec.taint.time_added else ""),
    AGE,
)
_MAX_CONDITIONS = 8


def prepare(new: DeviceTaintRule, old: DeviceTaintRule | None) -> DeviceTaintRule:
    """A taint that came without a time counts from the creation of the rule, or from when it counted before."""
    own = new.spec.taint
    since = new.metadata.creation_timestamp if old is None else old.spec.taint.time_added
    if own.time_added is not None or since is None:
        return new
    return replace(new, spec=replace(new.spec, taint=replace(own, time_added=since)))


def validate(new: DeviceTaintRule, old: DeviceTaintRule | None) -> Errors:
    """Devices named well, and a taint."""
    chosen = new.spec.device_selector
    if chosen is not None:
        if chosen.driver is not None:
            yield from driver_name("spec.deviceSelector.driver", chosen.driver)
        if chosen.pool is not None:
            yield from pool_name("spec.deviceSelector.pool", chosen.pool)
        if chosen.device is not None:
            yield from short_name("spec.deviceSelector.device", chosen.device)
    yield from taint("spec.taint", new.spec.taint, old.spec.taint if old is not None else None)


def validate_status(new: DeviceTaintRule, old: DeviceTaintRule | None) -> Errors:
    """At most eight conditions."""
    found = new.status.conditions
    yield from conditions("status.conditions", found)
    if len(found) > _MAX_CONDITIONS:
        yield too_many("status.conditions", len(found), _MAX_CONDITIONS)


DEVICETAINTRULE = declare(
    DeviceTaintRule, columns=COLUMNS, prepare=prepare, validate=validate, validate_status=validate_status
)

"""resource.k8s.io/v1 DeviceTaintRule: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.resource import DeviceTaintRule
from wherry.machinery.resource import Column
from wherry.machinery.table import age

COLUMNS: tuple[Column[DeviceTaintRule], ...] = (
    Column("Key", lambda r, _: r.spec.taint.key),
    Column("Value", lambda r, _: r.spec.taint.value),
    Column("Effect", lambda r, _: r.spec.taint.effect),
    Column("TimeAdded", lambda r, now: age(r.spec.taint.time_added, now) if r.spec.taint.time_added else ""),
    AGE,
)

DEVICETAINTRULE = declare(DeviceTaintRule, columns=COLUMNS)

"""v1 ResourceQuota: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.core import ResourceQuota
from wherry.machinery.resource import Column


def _used(quota: ResourceQuota, *, limits: bool) -> str:
    hard, used = quota.status.hard, quota.status.used
    names = sorted(name for name in hard if name.startswith("limits.") == limits)
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


COLUMNS: tuple[Column[ResourceQuota], ...] = (
    Column("Request", lambda q, _: _used(q, limits=False)),
    Column("Limit", lambda q, _: _used(q, limits=True)),
    AGE,
)

RESOURCEQUOTA = declare(ResourceQuota, columns=COLUMNS)

"""resource.k8s.io/v1 ResourceSlice: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.resource import ResourceSlice
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ResourceSlice], ...] = (
    Column("Node", lambda s, _: s.spec.node_name or ""),
    Column("Driver", lambda s, _: s.spec.driver),
    Column("Pool", lambda s, _: s.spec.pool.name),
    AGE,
)

FIELDS = {"spec.nodeName": lambda s: s.spec.node_name or "", "spec.driver": lambda s: s.spec.driver}

RESOURCESLICE = declare(ResourceSlice, columns=COLUMNS, fields=FIELDS)

"""storage.k8s.io/v1 CSINode: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.storage import CSINode
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[CSINode], ...] = (
    Column("Drivers", lambda n, _: len(n.spec.drivers), type="integer"),
    AGE,
)

CSINODE = declare(CSINode, columns=COLUMNS)

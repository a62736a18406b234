"""storage.k8s.io/v1 CSIStorageCapacity: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.columns import or_unset
from wherry.api.declare import declare
from wherry.api.types.storage import CSIStorageCapacity
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[CSIStorageCapacity], ...] = (
    Column("StorageClassName", lambda c, _: c.storage_class_name),
    Column("Capacity", lambda c, _: or_unset(c.capacity)),
)

CSISTORAGECAPACITY = declare(CSIStorageCapacity, columns=COLUMNS)

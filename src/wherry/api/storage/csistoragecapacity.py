"""storage.k8s.io/v1 CSIStorageCapacity: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.checks import NOT_NEGATIVE, Errors, immutable, named, selector
from wherry.api.columns import or_unset
from wherry.api.declare import declare
from wherry.api.types.storage import CSIStorageCapacity
from wherry.machinery.names import dns_subdomain
from wherry.machinery.quantity import compare
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid

COLUMNS: tuple[Column[CSIStorageCapacity], ...] = (
    Column("StorageClassName", lambda c, _: c.storage_class_name),
    Column("Capacity", lambda c, _: or_unset(c.capacity)),
)


def validate(new: CSIStorageCapacity, old: CSIStorageCapacity | None) -> Errors:
    """A class, a topology and an amount that is not negative; class and topology stay."""
    yield from selector("nodeTopology", new.node_topology)
    yield from named("storageClassName", new.storage_class_name, dns_subdomain)
    for field, amount in (("capacity", new.capacity), ("maximumVolumeSize", new.maximum_volume_size)):
        if amount is not None and compare(amount, "0") < 0:
            yield invalid(field, amount, NOT_NEGATIVE)
    if old is not None:
        yield from immutable("nodeTopology", new.node_topology, old.node_topology)
        yield from immutable("storageClassName", new.storage_class_name, old.storage_class_name)


CSISTORAGECAPACITY = declare(CSIStorageCapacity, columns=COLUMNS, validate=validate)

"""storage.k8s.io/v1 CSIStorageCapacity: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.checks import NOT_NEGATIVE, Errors, immutable, named, selector
from wherry.api.declare import declare
from wherry.api.types.storage import CSIStorageCapacity
from wherry.machinery.names import dns_subdomain
from wherry.machinery.quantity import compare
from wherry.machinery.validation import invalid


def validate(new: CSIStorageCapacity, old: CSIStorageCapacity | None) -> Errors:
    """A class, a topology and an amount that is not negative; class and topology stay."""
    if old is not None:
        yield from immutable("nodeTopology", new.node_topology, old.node_topology)
        yield from immutable("storageClassName", new.storage_class_name, old.storage_class_name)
    yield from selector("nodeTopology", new.node_topology)
    yield from named("storageClassName", new.storage_class_name, dns_subdomain)
    if new.capacity is not None and compare(new.capacity, "0") < 0:
        yield invalid("capacity", new.capacity, NOT_NEGATIVE)


CSISTORAGECAPACITY = declare(CSIStorageCapacity, validate=validate)

"""storage.k8s.io/v1 CSINode: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable, named, nonnegative, unique
from wherry.api.columns import AGE
from wherry.api.core.volume_validation import driver_name
from wherry.api.declare import declare
from wherry.api.types.storage import CSINode
from wherry.machinery.names import qualified_name
from wherry.machinery.resource import Column
from wherry.machinery.validation import duplicate, invalid, required

MAX_NODE_ID = 192

COLUMNS: tuple[Column[CSINode], ...] = (
    Column("Drivers", lambda n, _: len(n.spec.drivers), type="integer"),
    AGE,
)


def validate(new: CSINode, old: CSINode | None) -> Errors:
    """Drivers with names and the node's own identity in each; a driver that is there stays as it is."""
    before = {driver.name: driver for driver in old.spec.drivers} if old else {}
    yield from unique("spec.drivers", (driver.name for driver in new.spec.drivers), ".name")
    for index, driver in enumerate(new.spec.drivers):
        at = f"spec.drivers[{index}]"
        yield from driver_name(f"{at}.name", driver.name)
        if not driver.node_id:
            yield required(f"{at}.nodeID")
        elif len(driver.node_id) > MAX_NODE_ID:
            yield invalid(f"{at}.nodeID", driver.node_id, f"must be {MAX_NODE_ID} characters or less")
        if driver.allocatable is not None:
            yield from nonnegative(f"{at}.allocatable.count", driver.allocatable.count)
        for place, key in enumerate(driver.topology_keys):
            if not key:
                yield required(at)
            if key in driver.topology_keys[:place]:
                yield duplicate(at, key)
            yield from named(at, key, qualified_name)
        same = before.get(driver.name)
        if same is not None:
            yield from immutable("spec.drivers", replace(driver, allocatable=None), replace(same, allocatable=None))


CSINODE = declare(CSINode, columns=COLUMNS, validate=validate)

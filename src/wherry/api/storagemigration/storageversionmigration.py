"""storagemigration.k8s.io/v1 StorageVersionMigration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.storagemigration import StorageVersionMigration
from wherry.machinery.resource import Column


def _state(migration: StorageVersionMigration, _: float) -> str:
    true = {c.type for c in migration.status.conditions if c.status == "True"}
    return next((word for word in ("Succeeded", "Failed", "Running") if word in true), "Unknown")


COLUMNS: tuple[Column[StorageVersionMigration], ...] = (
    Column(
        "Resource", lambda m, _: ".".join(part for part in (m.spec.resource.resource, m.spec.resource.group) if part)
    ),
    Column("Status", _state),
)

STORAGEVERSIONMIGRATION = declare(StorageVersionMigration, columns=COLUMNS)

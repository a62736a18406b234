"""storagemigration.k8s.io/v1 StorageVersionMigration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.storagemigration import StorageVersionMigration

STORAGEVERSIONMIGRATION = declare(StorageVersionMigration)

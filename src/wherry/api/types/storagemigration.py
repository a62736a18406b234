"""Generated from the Kubernetes API schema by hack/generate_types.py: storagemigration. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.api.types.meta import GroupResource
from wherry.machinery.meta import Condition, Model, Object, shown


class StorageVersionMigrationSpec(Model, frozen=True):
    """io.k8s.api.storagemigration.v1.StorageVersionMigrationSpec"""

    resource: GroupResource = field(default_factory=shown(GroupResource))


class StorageVersionMigrationStatus(Model, frozen=True):
    """io.k8s.api.storagemigration.v1.StorageVersionMigrationStatus"""

    conditions: tuple[Condition, ...] = ()
    resource_version: str = ""


class StorageVersionMigration(Object, frozen=True):
    """io.k8s.api.storagemigration.v1.StorageVersionMigration"""

    kind: str = field(default_factory=lambda: "StorageVersionMigration")
    api_version: str = field(default_factory=lambda: "storagemigration.k8s.io/v1")
    spec: StorageVersionMigrationSpec = field(default_factory=shown(StorageVersionMigrationSpec))
    status: StorageVersionMigrationStatus = field(default_factory=shown(StorageVersionMigrationStatus))

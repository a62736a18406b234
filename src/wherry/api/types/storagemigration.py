"""Generated from the Kubernetes API schema by hack/generate_types.py: storagemigration. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.api.types.meta import GroupResource
from wherry.machinery.meta import Condition, Model, Object


class StorageVersionMigrationSpec(Model, frozen=True):
    """io.k8s.api.storagemigration.v1.StorageVersionMigrationSpec"""

    resource: GroupResource = GroupResource()


class StorageVersionMigrationStatus(Model, frozen=True):
    """io.k8s.api.storagemigration.v1.StorageVersionMigrationStatus"""

    conditions: tuple[Condition, ...] = ()
    resource_version: str = ""


class StorageVersionMigration(Object, frozen=True):
    """io.k8s.api.storagemigration.v1.StorageVersionMigration"""

    kind: str = field(default_factory=lambda: "StorageVersionMigration")
    api_version: str = field(default_factory=lambda: "storagemigration.k8s.io/v1")
    spec: StorageVersionMigrationSpec = StorageVersionMigrationSpec()
    status: StorageVersionMigrationStatus = field(default_factory=StorageVersionMigrationStatus)

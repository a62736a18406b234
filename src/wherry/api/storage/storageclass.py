"""storage.k8s.io/v1 StorageClass: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.storage import StorageClass
from wherry.machinery.resource import Column

DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_ANNOTATION = "storageclass.beta.kubernetes.io/is-default-class"


def is_default(cls: StorageClass) -> bool:
    """Whether claims without a class get this one."""
    annotations = cls.metadata.annotations
    return "true" in (annotations.get(DEFAULT_ANNOTATION), annotations.get(BETA_DEFAULT_ANNOTATION))


def _name(cls: StorageClass, _: float) -> str:
    return f"{cls.metadata.name} (default)" if is_default(cls) else cls.metadata.name


COLUMNS: tuple[Column[StorageClass], ...] = (
    Column("Name", _name, format="name"),
    Column("Provisioner", lambda c, _: c.provisioner),
    Column("ReclaimPolicy", lambda c, _: c.reclaim_policy or "Delete"),
    Column("VolumeBindingMode", lambda c, _: c.volume_binding_mode or "Immediate"),
    Column("AllowVolumeExpansion", lambda c, _: bool(c.allow_volume_expansion)),
    AGE,
)


def default(cls: StorageClass) -> StorageClass:
    """Volumes are deleted when released, and bound at once."""
    return fill(cls, reclaim_policy="Delete", volume_binding_mode="Immediate")


STORAGECLASS = declare(StorageClass, columns=COLUMNS, default=default)

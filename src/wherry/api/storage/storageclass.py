"""storage.k8s.io/v1 StorageClass: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.storage import StorageClass

STORAGECLASS = declare(StorageClass)

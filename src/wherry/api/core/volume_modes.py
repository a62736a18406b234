"""Access modes and storage classes of volumes and claims: what both kinds share."""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.types.core import PersistentVolumeClaim

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"

ACCESS_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def short_modes(modes: Iterable[str]) -> str:
    """`RWO,RWX`: the access modes as kubectl prints them."""
    wanted = set(modes)
    return ",".join(short for mode, short in ACCESS_MODES.items() if mode in wanted)


def class_of_claim(claim: PersistentVolumeClaim) -> str:
    """The storage class a claim asks for, by its old annotation or its spec; "" for none."""
    return claim.metadata.annotations.get(CLASS_ANNOTATION, claim.spec.storage_class_name or "")

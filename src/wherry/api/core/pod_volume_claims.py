"""Which PersistentVolumeClaims a pod uses, and whether pods of several nodes may use one at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wherry.api.types.core import Pod


def claims_of(pod: Pod) -> Iterator[str]:
    """Names of the claims a pod uses, those of generic ephemeral volumes included."""
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            yield volume.persistent_volume_claim.claim_name
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.name}-{volume.name}"


def is_shared(access_modes: Iterable[str]) -> bool:
    """Whether pods of several nodes may use a claim of these access modes at once."""
    return bool({"ReadWriteMany", "ReadOnlyMany"} & set(access_modes))

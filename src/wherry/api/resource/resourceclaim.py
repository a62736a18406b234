"""resource.k8s.io/v1 ResourceClaim: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.resource import ResourceClaim
from wherry.machinery.resource import Column


def _state(claim: ResourceClaim, _: float) -> str:
    deleted = claim.metadata.deletion_timestamp is not None
    words = ["deleted"] if deleted else []
    if claim.status.allocation is None:
        return ",".join(words) or "pending"
    words.append("allocated")
    if claim.status.reserved_for:
        words.append("reserved")
    return ",".join(words)


COLUMNS: tuple[Column[ResourceClaim], ...] = (
    Column("State", _state),
    AGE,
)

RESOURCECLAIM = declare(ResourceClaim, columns=COLUMNS)

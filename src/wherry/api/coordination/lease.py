"""coordination.k8s.io/v1 Lease: what the API adds to its schema (`wherry.api.types.coordination`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.coordination import Lease
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[Lease], ...] = (
    Column("Holder", lambda lease, _: lease.spec.holder_identity or ""),
    AGE,
)

LEASE = declare(Lease, columns=COLUMNS)

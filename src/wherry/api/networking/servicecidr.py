"""networking.k8s.io/v1 ServiceCIDR: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.networking import ServiceCIDR
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ServiceCIDR], ...] = (
    Column("CIDRs", lambda c, _: ",".join(c.spec.cidrs)),
    AGE,
)

SERVICECIDR = declare(ServiceCIDR, columns=COLUMNS)

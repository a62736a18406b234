"""networking.k8s.io/v1 ServiceCIDR: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from wherry.api.checks import Errors, cidr, immutable
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.networking import ServiceCIDR
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required

COLUMNS: tuple[Column[ServiceCIDR], ...] = (
    Column("CIDRs", lambda c, _: ",".join(c.spec.cidrs)),
    AGE,
)


def validate(new: ServiceCIDR, old: ServiceCIDR | None) -> Errors:
    """One or two networks, which stay."""
    cidrs = new.spec.cidrs
    if not cidrs:
        yield required("spec.cidrs", "at least one CIDR required")
    if len(cidrs) > 2:
        yield invalid("spec.cidrs", cidrs, "may only hold up to 2 values")
    for index, network in enumerate(cidrs):
        yield from cidr(f"spec.cidrs[{index}]", network)
    if old is not None:
        yield from immutable("spec.cidrs", cidrs, old.spec.cidrs)


SERVICECIDR = declare(ServiceCIDR, columns=COLUMNS, validate=validate)

"""networking.k8s.io/v1 ServiceCIDR: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

import ipaddress

from wherry.api.checks import IMMUTABLE, Errors, cidr, immutable
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.networking import ServiceCIDR
from wherry.machinery.conditions import get
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required

_ONE_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
COLUMNS: tuple[Column[ServiceCIDR], ...] = (
    Column("CIDRs", lambda c, _: ",".join(c.spec.cidrs)),
    AGE,
)


def is_ready(own: ServiceCIDR) -> bool:
    """Whether Services may get addresses from it."""
    ready = get(own.status.conditions, "Ready")
    return own.metadata.deletion_timestamp is None and (ready is None or ready.status == "True")


def validate(new: ServiceCIDR, old: ServiceCIDR | None) -> Errors:
    """One network, or one of each family; the first stays, a second may be added."""
    cidrs = new.spec.cidrs
    before = old.spec.cidrs if old is not None else ()
    if old is None:
        yield from _networks(new)
    elif len(cidrs) == len(before):
        for index, (own, was) in enumerate(zip(cidrs, before, strict=True)):
            yield from immutable(f"spec.cidrs[{index}]", own, was)
    elif (len(before), len(cidrs)) == (1, 2):
        yield from immutable("spec.cidrs[0]", cidrs[0], before[0])
        yield from _networks(new)
    else:
        yield invalid("spec.cidrs", cidrs, IMMUTABLE)


def _networks(new: ServiceCIDR) -> Errors:
    cidrs = new.spec.cidrs
    if not cidrs:
        yield required("spec.cidrs", "at least one CIDR required")
    elif len(cidrs) > 2:
        yield invalid("spec.cidrs", new.spec, "may only hold up to 2 values")
    else:
        for index, network in enumerate(cidrs):
            yield from cidr(f"spec.cidrs[{index}]", network)
        if len(cidrs) == 2 and _family(cidrs[0]) == _family(cidrs[1]) != 0:
            yield invalid("spec.cidrs", cidrs, _ONE_EACH)


def _family(text: str) -> int:
    try:
        return ipaddress.ip_interface(text).version
    except ValueError:
        return 0


SERVICECIDR = declare(ServiceCIDR, columns=COLUMNS, validate=validate)

"""networking.k8s.io/v1 IPAddress: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

import ipaddress

from wherry.api.checks import Errors, fixed, ip, named, required_name
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.networking import IPAddress
from wherry.machinery.names import dns_subdomain, path_segment
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required


def _parent(address: IPAddress, _: float) -> str:
    to = address.spec.parent_ref
    if to is None:
        return "<none>"
    kind = f"{to.resource}.{to.group}".lower() if to.group else to.resource.lower()
    return "/".join(part for part in (kind, to.namespace, to.name) if part)


MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
FAMILY = "ipaddress.kubernetes.io/ip-family"
ALLOCATOR = "ipallocator.k8s.io"
"""Who manages the addresses of Services."""

COLUMNS: tuple[Column[IPAddress], ...] = (Column("ParentRef", _parent), AGE)


def validate(new: IPAddress, old: IPAddress | None) -> Errors:
    """Named by its address, and belonging to somebody for good."""
    to = new.spec.parent_ref
    if old is not None:
        yield from fixed("spec.parentRef", to, old.spec.parent_ref)
        return
    yield from _name(new.metadata.name)
    if to is None:
        yield required("spec.parentRef")
        return
    if to.group:
        yield from named("spec.parentRef.group", to.group, dns_subdomain)
    yield from required_name("spec.parentRef.resource", to.resource, path_segment)
    yield from required_name("spec.parentRef.name", to.name, path_segment)
    yield from named("spec.parentRef.namespace", to.namespace, path_segment)


def _name(name: str) -> Errors:
    problems = list(ip("metadata.name", name))
    yield from problems
    if not problems and str(canonical := ipaddress.ip_address(name)) != name:
        yield invalid("metadata.name", name, f'must be in canonical form ("{canonical}")')


IPADDRESS = declare(IPAddress, columns=COLUMNS, validate=validate)

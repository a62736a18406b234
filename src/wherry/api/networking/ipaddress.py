"""networking.k8s.io/v1 IPAddress: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from wherry.api.checks import Errors, immutable, ip
from wherry.api.declare import declare
from wherry.api.types.networking import IPAddress
from wherry.machinery.resource import Column
from wherry.machinery.validation import required


def _parent(address: IPAddress, _: float) -> str:
    to = address.spec.parent_ref
    if to is None:
        return "<none>"
    kind = f"{to.resource}.{to.group}".lower() if to.group else to.resource.lower()
    return "/".join(part for part in (kind, to.namespace, to.name) if part)


COLUMNS: tuple[Column[IPAddress], ...] = (Column("ParentRef", _parent),)


def validate(new: IPAddress, old: IPAddress | None) -> Errors:
    """Named by its address, and belonging to somebody for good."""
    yield from ip("metadata.name", new.metadata.name)
    to = new.spec.parent_ref
    if to is None:
        yield required("spec.parentRef")
    else:
        if not to.resource:
            yield required("spec.parentRef.resource")
        if not to.name:
            yield required("spec.parentRef.name")
    if old is not None:
        yield from immutable("spec.parentRef", to, old.spec.parent_ref)


IPADDRESS = declare(IPAddress, columns=COLUMNS, validate=validate)

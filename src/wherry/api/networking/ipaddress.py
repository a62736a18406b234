"""networking.k8s.io/v1 IPAddress: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.networking import IPAddress
from wherry.machinery.resource import Column


def _parent(address: IPAddress, _: float) -> str:
    to = address.spec.parent_ref
    if to is None:
        return "<none>"
    kind = f"{to.resource}.{to.group}".lower() if to.group else to.resource.lower()
    return "/".join(part for part in (kind, to.namespace, to.name) if part)


COLUMNS: tuple[Column[IPAddress], ...] = (Column("ParentRef", _parent),)

IPADDRESS = declare(IPAddress, columns=COLUMNS)

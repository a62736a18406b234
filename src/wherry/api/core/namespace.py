"""v1 Namespace: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.core import Namespace
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[Namespace], ...] = (
    Column("Status", lambda ns, _: ns.status.phase),
    AGE,
)

NAMESPACE = declare(Namespace, columns=COLUMNS, fields={"status.phase": lambda ns: ns.status.phase})

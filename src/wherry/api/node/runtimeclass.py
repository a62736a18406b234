"""node.k8s.io/v1 RuntimeClass: what the API adds to its schema (`wherry.api.types.node`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.node import RuntimeClass
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[RuntimeClass], ...] = (
    Column("Handler", lambda c, _: c.handler),
    AGE,
)

RUNTIMECLASS = declare(RuntimeClass, columns=COLUMNS)

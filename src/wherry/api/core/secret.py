"""v1 Secret: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.core import Secret
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[Secret], ...] = (
    Column("Type", lambda s, _: s.type),
    Column("Data", lambda s, _: len(s.data)),
    AGE,
)

SECRET = declare(Secret, columns=COLUMNS, fields={"type": lambda s: s.type})

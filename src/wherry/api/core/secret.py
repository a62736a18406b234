"""v1 Secret: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.core import Secret
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[Secret], ...] = (
    Column("Type", lambda s, _: s.type),
    Column("Data", lambda s, _: len(s.data)),
    AGE,
)


def default(secret: Secret) -> Secret:
    """Opaque; stringData goes into data, and wins there."""
    secret = fill(secret, type="Opaque")
    if not secret.string_data:
        return secret
    text = {key: value.encode() for key, value in secret.string_data.items()}
    return replace(secret, data={**secret.data, **text}, string_data={})


SECRET = declare(Secret, columns=COLUMNS, fields={"type": lambda s: s.type}, default=default)

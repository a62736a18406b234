"""v1 ComponentStatus: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.core import ComponentStatus
from wherry.machinery.resource import Column


def _health(component: ComponentStatus) -> tuple[str, str, str]:
    for found in component.conditions:
        if found.type == "Healthy":
            return "Healthy" if found.status == "True" else "Unhealthy", found.message, found.error
    return "Unknown", "", ""


COLUMNS: tuple[Column[ComponentStatus], ...] = (
    Column("Status", lambda c, _: _health(c)[0]),
    Column("Message", lambda c, _: _health(c)[1]),
    Column("Error", lambda c, _: _health(c)[2]),
)

COMPONENTSTATUS = declare(ComponentStatus, columns=COLUMNS, deprecated="v1 ComponentStatus is deprecated in v1.19+")

"""v1 ConfigMap: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.core import ConfigMap
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ConfigMap], ...] = (
    Column("Data", lambda c, _: len(c.data) + len(c.binary_data)),
    AGE,
)

CONFIGMAP = declare(ConfigMap, columns=COLUMNS)

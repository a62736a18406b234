"""v1 ConfigMap: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.core.data_validation import MAX_BYTES, frozen, keys, size
from wherry.api.declare import declare
from wherry.api.types.core import ConfigMap
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, too_long

COLUMNS: tuple[Column[ConfigMap], ...] = (
    Column("Data", lambda c, _: len(c.data) + len(c.binary_data)),
    AGE,
)


def validate(new: ConfigMap, old: ConfigMap | None) -> Errors:
    """Keys that can be files, at most 1 MiB, nothing changed in an immutable one."""
    if old is not None:
        yield from frozen(new, old, (("data", "data"), ("binary_data", "binaryData")))
    yield from keys("data", new.data)
    for key in new.data.keys() & new.binary_data.keys():
        yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from keys("binaryData", new.binary_data)
    if size(new.data, new.binary_data) > MAX_BYTES:
        yield too_long("", MAX_BYTES)


CONFIGMAP = declare(ConfigMap, columns=COLUMNS, validate=validate)

"""Uniqueness: lists of type set and map hold nothing twice.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from wherry.machinery.structural.schema import Structural
from wherry.machinery.structural.words import place
from wherry.machinery.validation import FieldError, duplicate, invalid


def repeated(value: Any, schema: Structural | None, path: str = "") -> Iterator[FieldError]:
    """Every item that is there more than once, told at its second place."""
    if schema is None or not schema.unique:
        return
    if type(value) is list:
        if schema.list_type == "set":
            for index in _twice([_text(item) for item in value]):
                yield duplicate(place(f"{path}[{index}]"), value[index])
        elif schema.list_type == "map":
            yield from _keyed(value, schema, path)
        for index, item in enumerate(value):
            yield from repeated(item, schema.items, f"{path}[{index}]")
    elif type(value) is dict:
        for name, child in value.items():
            part = schema.properties.get(name)
            yield from repeated(child, part or schema.additional, f"{path}.{name}" if part else f"{path}[{name}]")


def _keyed(value: list[Any], schema: Structural, path: str) -> Iterator[FieldError]:
    for index, item in enumerate(value):
        if item is not None and type(item) is not dict:
            yield invalid(place(f"{path}[{index}]"), item, "must be an object for an array of list-type map")
            return
    keys = [{key: item[key] for key in schema.list_keys if key in item} if item else {} for item in value]
    for index in _twice([_text(key) for key in keys]):
        yield duplicate(place(f"{path}[{index}]"), keys[index])


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _twice(items: list[bytes]) -> list[int]:
    """Where each repeated item occurs for the second time."""
    seen: dict[bytes, int] = {}
    out = []
    for index, item in enumerate(items):
        seen[item] = seen.get(item, 0) + 1
        if seen[item] == 2:
            out.append(index)
    return out

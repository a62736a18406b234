"""Parents that a JSON patch may count on: structs that are part of every object, written or not.

Go writes a struct field even when all of it is empty (`"status":{}`); here such fields are left out, so they are put
back where the operations of a patch lead through them (RFC 6902 asks that the parent of an added value be there).
"""

from __future__ import annotations

from typing import Any

import msgspec


def with_parents(kind: type[Any], obj: dict[str, Any], operations: object) -> dict[str, Any]:
    """`obj`, changed in place: the JSON of a `kind` with the empty structs on the way of each operation."""
    for operation in operations if isinstance(operations, list) else ():
        path = operation.get("path") if isinstance(operation, dict) else None
        if isinstance(path, str):
            _fill(kind, obj, path.split("/")[1:-1])
    return obj


def _fill(kind: type[Any], here: dict[str, Any], steps: list[str]) -> None:
    for step in steps:
        inner = _known(kind).get(step)
        if inner is None:
            return
        child = here.setdefault(step, {})
        if not isinstance(child, dict):
            return
        kind, here = inner, child


_KNOWN: dict[type[Any], dict[str, type[Any]]] = {}


def _known(kind: type[Any]) -> dict[str, type[Any]]:
    """Wire names of the fields that always hold a struct, with its type; worked out once."""
    found = _KNOWN.get(kind)
    if found is None:
        found = _KNOWN[kind] = _structs(kind)
    return found


def _structs(kind: type[Any]) -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for field in msgspec.structs.fields(kind):
        value = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if isinstance(value, msgspec.Struct):
            found[field.encode_name] = type(value)
    return found

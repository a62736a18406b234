"""How values of a schema merge when they are applied: `TypeInfo` from a structural schema.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#custom-resources-and-server-side-apply
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wherry.machinery.fields import ANY, SCALAR, TypeInfo
from wherry.machinery.structural.schema import Structural


def type_info(schema: Structural, meta: TypeInfo) -> TypeInfo:
    """The type of a whole resource; `meta` is the type of its metadata."""
    fields = {name: _info(part, meta) for name, part in schema.properties.items()}
    fields |= {"apiVersion": SCALAR, "kind": SCALAR, "metadata": meta}
    return _object(schema, fields)


def _object(schema: Structural, fields: Mapping[str, TypeInfo]) -> TypeInfo:
    return TypeInfo("struct", lambda: fields, map_type=_map_type(schema), open=schema.keep)


def _map_type(schema: Structural) -> Any:
    return "atomic" if schema.map_type == "atomic" else "granular"


def _info(schema: Structural, meta: TypeInfo) -> TypeInfo:
    if schema.embedded:
        return type_info(schema, meta)
    if schema.type == "array":
        return _list(schema, meta)
    if schema.properties:
        return _object(schema, {name: _info(part, meta) for name, part in schema.properties.items()})
    if schema.type == "object" or schema.map_type == "atomic":
        item = ANY if schema.additional is None else _info(schema.additional, meta)
        return TypeInfo("map", item=item, map_type=_map_type(schema))
    return ANY if not schema.either and (schema.keep or not schema.type) else SCALAR


def _list(schema: Structural, meta: TypeInfo) -> TypeInfo:
    item = ANY if schema.items is None else _info(schema.items, meta)
    if schema.list_type == "map":
        parts = {} if schema.items is None else schema.items.properties
        defaults = {key: parts[key].default for key in schema.list_keys if key in parts}
        known = {key: value for key, value in defaults.items() if value is not None}
        info = TypeInfo("list", item=item, list_type="map", list_keys=schema.list_keys)
        return replace(info, key_defaults=known) if known else info
    return TypeInfo("list", item=item, list_type="set" if schema.list_type == "set" else "atomic")

"""Mutations: from what an expression evaluates to, to the changed object. Pure.

`Object{...}` is merged as server-side apply merges, without taking ownership; it may not touch atomic lists and maps,
which it would replace as a whole. `[JSONPatch{...}]` is a JSON patch; one whose test fails changes nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from wherry.apiserver.admission.policies.evaluation import Failed
from wherry.machinery.cel.times import duration_text, timestamp_text
from wherry.machinery.cel.values import Duration, Optional, Record, Timestamp
from wherry.machinery.errors import APIError
from wherry.machinery.fields import TypeInfo
from wherry.machinery.patch.json import TestFailed, json_patch
from wherry.machinery.patch.merge import merge_typed
from wherry.machinery.patch.ownership import Mistyped, owned

Json = dict[str, Any]


def patched(raw: Json, operations: list[Record]) -> Json:
    """The object with a JSON patch. Raises Failed."""
    document: list[Json] = []
    for one in operations:
        _check_names(one.get("value"))
        document.append({key: plain(value) for key, value in one.items() if key == "value" or value})
    try:
        changed: Json = json_patch(raw, document)
    except TestFailed:
        return raw
    except APIError as error:
        raise Failed(f"JSON Patch: {error}") from None
    return changed


def merged(raw: Json, config: Record, info: TypeInfo) -> Json:
    """The object with an apply configuration. Raises Failed."""
    _check_names(config)
    wanted = {**plain(config), "apiVersion": raw.get("apiVersion"), "kind": raw.get("kind")}
    try:
        owned(wanted, info, strict=True)
    except Mistyped as error:
        why = f"failed to convert patch object to typed object: {error}"
        raise Failed(f"error applying patch: {why}") from None
    atomics = list(_atomics(wanted, info, ""))
    if atomics:
        why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomics)}"
        raise Failed(f"error applying patch: invalid ApplyConfiguration: {why}")
    changed: Json = merge_typed(raw, wanted, info)
    return changed


def _atomics(value: Any, info: TypeInfo, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        if info.kind in ("map", "struct") and info.map_type == "atomic":
            yield path
        for key, item in value.items():
            if info.kind == "struct" and key in info.fields:
                yield from _atomics(item, info.fields[key], f"{path}.{key}")
    elif isinstance(value, list) and info.kind == "list":
        if info.list_type == "atomic":
            yield path
        for index, item in enumerate(value):
            yield from _atomics(item, info.items, f"{path}[{index}]")


def plain(value: Any) -> Any:
    """A value as JSON. Raises Failed for what has no such form."""
    if value is None or isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return _special(value)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise Failed(f'map key "{key}" is not a string')
    return key


def _special(value: Any) -> Any:
    match value:
        case Timestamp():
            return timestamp_text(value)
        case Duration():
            return duration_text(value)
        case bytes():
            return base64.b64encode(value).decode()
        case Optional(present=True):
            return plain(value.value)
        case _:
            raise Failed("JSONPath valueExpression evaluated to a type that could not marshal to JSON")


def _check_names(value: Any) -> None:
    """Types of objects are named by the path that leads to them: `Object.spec` is the type of the field spec."""
    if isinstance(value, Record):
        problems = list(_misnamed(value, value.type_name))
        if problems:
            raise Failed(f"type mismatch: {chr(10).join(problems)}")


def _misnamed(value: Any, expected: str) -> Iterator[str]:
    if isinstance(value, Record):
        if value.type_name != expected:
            path = "which matches field name path from root Object type"
            yield f'unexpected type name "{value.type_name}", expected "{expected}", {path}'
        for field, item in value.items():
            yield from _misnamed(item, f"{expected}.{field}")
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _misnamed(item, expected)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _misnamed(item, expected)

"""From OpenAPI schemas to types, and from decoded JSON to values of those types.

https://kubernetes.io/docs/reference/using-api/cel/#openapi-types-to-cel-types
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.times import parse_date, parse_duration, parse_timestamp
from wherry.machinery.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Field,
    ListOf,
    MapOf,
    ObjectType,
    Type,
    bounded,
)
from wherry.machinery.cel.values import UniqueList

MAX_REQUEST = 3 * 1024 * 1024

RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TO_ESCAPE = re.compile(r"__|[-./]")
_NAME = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*")


def escape(name: str) -> str | None:
    """A property's name as expressions write it: `foo-bar` is `foo__dash__bar`. None: it cannot be written."""
    if not _NAME.fullmatch(name):
        return None
    if name in RESERVED:
        return f"__{name}__"
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match.group()], name)


# --- Types ---


def from_schema(schema: Mapping[str, Any], *, root: bool = False, name: str = "object") -> Type | None:
    """The type of a structural schema; None when expressions may not see it (no type is known for it).

    `root`: a whole object, which always has apiVersion, kind and the metadata's name and generateName. `name`: what
    messages call the type; types within are `name.field`.
    """
    if schema.get("x-kubernetes-int-or-string"):
        longest = schema.get("maxLength")
        return bounded(DYN, max_elements=MAX_REQUEST - 2 if longest is None else max(0, longest) * 4)
    if root or schema.get("x-kubernetes-embedded-resource"):
        schema = _whole(schema)
    make = _MAKERS.get(schema.get("type", ""))
    return None if make is None else make(schema, name)


def _whole(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    text = {"type": "string"}
    own = schema.get("properties") or {}
    metadata = own.get("metadata") or {}
    if metadata.get("type") == "object" and {"name", "generateName"} <= set(metadata.get("properties") or {}):
        return {**schema, "properties": {**own, "kind": text, "apiVersion": text}}
    meta = {"type": "object", "properties": {"name": text, "generateName": text}}
    return {**schema, "properties": {**own, "kind": text, "apiVersion": text, "metadata": meta}}


def _array(schema: Mapping[str, Any], name: str) -> Type | None:
    items = schema.get("items")
    item = from_schema(items, name=f"{name}.@idx") if isinstance(items, Mapping) else None
    if item is None:
        return None
    most = schema.get("maxItems")
    if most is None:
        most = (MAX_REQUEST - 2) // (item.min_size + 1)
    kind = schema.get("x-kubernetes-list-type")
    keys: tuple[str, ...] | None = None
    if kind == "set":
        keys = ()
    elif kind == "map":
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    return ListOf(item, max_items=max(0, most), keys=keys)


def _object(schema: Mapping[str, Any], name: str) -> Type | None:
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        value = from_schema(more, name=f"{name}.@elem")
        if value is None:
            return None
        most = schema.get("maxProperties")
        if most is None:
            most = (MAX_REQUEST - 2) // (value.min_size + 6)
        return MapOf(STRING, value, max_items=max(0, most))
    needed = set(schema.get("required") or ())
    fields: dict[str, Field] = {}
    size = 2
    for key, own in (schema.get("properties") or {}).items():
        escaped = escape(key)
        kind = from_schema(own, name=f"{name}.{escaped}")
        if kind is None:
            continue
        if escaped is not None:
            fields[escaped] = Field(kind, key, key in needed)
        if key in needed and own.get("default") is None:
            size += len(key.encode()) + kind.min_size + 4
    return ObjectType(name, fields, min_size=size)


def _string(schema: Mapping[str, Any], _: str) -> Type:
    match schema.get("format"):
        case "byte":
            longest = schema.get("maxLength")
            return bounded(BYTES, max_elements=MAX_REQUEST - 2 if longest is None else max(0, longest), min_size=2)
        case "duration":
            return bounded(DURATION, max_elements=32, min_size=3)
        case "date":
            return bounded(TIMESTAMP, max_elements=12, min_size=12)
        case "date-time":
            return bounded(TIMESTAMP, max_elements=32, min_size=21)
        case _:
            return _text(schema)


def _text(schema: Mapping[str, Any]) -> Type:
    longest = schema.get("maxLength")
    if longest is not None:
        most = max(0, longest) * 4
    elif schema.get("enum"):
        most = max((len(value.encode()) for value in schema["enum"] if isinstance(value, str)), default=0)
    else:
        most = MAX_REQUEST - 2
    return bounded(STRING, max_elements=most, min_size=2)


_MAKERS: dict[str, Callable[[Mapping[str, Any], str], Type | None]] = {
    "array": _array,
    "object": _object,
    "string": _string,
    "boolean": lambda _, __: BOOL,
    "number": lambda _, __: DOUBLE,
    "integer": lambda _, __: INT,
}


# --- Values ---


def bind(value: Any, kind: Type) -> Any:
    """Decoded JSON as a value of this type: times are parsed, numbers are doubles, lists know how they compare.

    What is plain already is returned as it is, uncopied. Raises EvaluationError for text that is no time, duration or
    base64.
    """
    if kind.plain or value is None:
        return value
    convert = _CONVERTERS.get(kind.kind)
    return value if convert is None else convert(value, kind)


def _items(value: Any, kind: Type) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    item = kind.parameters[0]
    items = [bind(one, item) for one in value]
    return items if kind.keys is None else UniqueList(items, kind.keys)


def _entries(value: Any, kind: Type) -> Any:
    item = kind.parameters[1]
    return {key: bind(one, item) for key, one in value.items()} if isinstance(value, Mapping) else value


def _fields(value: Any, kind: Type) -> Any:
    if not isinstance(value, Mapping) or kind.fields is None:
        return value
    changed = {
        own.json: bind(value[own.json], own.type)
        for own in kind.fields.values()
        if not own.type.plain and own.json in value
    }
    return {**value, **changed}


def _double(value: Any, _: Type) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _bytes(value: Any, _: Type) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise EvaluationError("failed to decode base64 string") from None


def _time(value: Any, kind: Type) -> Any:
    if not isinstance(value, str):
        return value
    return parse_date(value) if kind.max_elements == 12 else parse_timestamp(value)


def _duration(value: Any, _: Type) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


_CONVERTERS: dict[str, Callable[[Any, Type], Any]] = {
    "list": _items,
    "map": _entries,
    "object": _fields,
    "double": _double,
    "bytes": _bytes,
    "timestamp": _time,
    "duration": _duration,
}

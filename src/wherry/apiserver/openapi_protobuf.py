"""An OpenAPI v2 document as protobuf (gnostic's openapi.v2.Document), all that kubectl before 1.27 understands.

`encode(document)` takes the document as JSON-ready builtins. Messages are tables: JSON field -> (field number, shape).
Fields without a row are left out, `x-...` become vendor extensions, whose value clients read as YAML (JSON is YAML).
https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from wherry.apiserver.protobuf_wire import FIXED64, VARINT, field, integer, tag

MEDIA = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients ask for."""
CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

Table = Mapping[str, tuple[int, str]]
"""JSON field -> (field number, shape); the row "x-" is for vendor extensions."""


def encode(document: Mapping[str, Any]) -> bytes:
    """The document's bytes."""
    return _message(document, _DOCUMENT)


def _text(value: Any) -> bytes:
    return str(value).encode()


def _yaml(value: Any) -> bytes:
    """An Any."""
    return field(2, msgspec.json.encode(value))


def _scalar(number: int, value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, float):
        return tag(number, VARINT) + integer(int(value))
    return tag(number, FIXED64) + struct.pack("<d", value)


def _message(value: Mapping[str, Any], table: Table) -> bytes:
    return b"".join(_fields(value, table))


def _fields(value: Mapping[str, Any], table: Table) -> Iterable[bytes]:
    for name, content in value.items():
        row = table.get(name)
        if row is None:
            if name.startswith("x-"):
                yield field(table["x-"][0], field(1, _text(name)) + field(2, _yaml(content)))
            continue
        number, shape = row
        if shape in ("bool", "int"):
            yield _scalar(number, content)
        elif shape == "double":
            yield _scalar(number, float(content))
        elif shape.startswith("each "):
            write = _SHAPES[shape.removeprefix("each ")]
            yield from (field(number, write(one)) for one in content)
        else:
            yield field(number, _SHAPES[shape](content))


def _named(number: int, write: Callable[[Any], bytes]) -> Callable[[Mapping[str, Any]], bytes]:
    """A JSON object whose keys are data: a repeated pair of name and value."""
    return lambda value: b"".join(
        field(number, field(1, _text(name)) + field(2, write(one))) for name, one in value.items()
    )


def _schema(value: Mapping[str, Any]) -> bytes:
    return _message(value, _SCHEMA)


def _types(value: Any) -> bytes:
    return b"".join(field(1, _text(one)) for one in (value if isinstance(value, list) else [value]))


def _items(value: Any) -> bytes:
    return b"".join(field(1, _schema(one)) for one in (value if isinstance(value, list) else [value]))


def _additional(value: Any) -> bytes:
    return _scalar(2, value) if isinstance(value, bool) else field(1, _schema(value))


def _path_item(value: Mapping[str, Any]) -> bytes:
    return _message(value, _PATH_ITEM)


def _parameter(value: Mapping[str, Any]) -> bytes:
    """One of an operation: itself, or where it is written."""
    if "$ref" in value:
        return field(2, field(1, _text(value["$ref"])))
    return field(1, _own_parameter(value))


def _own_parameter(value: Mapping[str, Any]) -> bytes:
    if value["in"] == "body":
        return field(1, _message(value, _BODY))
    kind, table = (3, _QUERY) if value["in"] == "query" else (4, _PATH)
    return field(2, field(kind, _message(value, table)))


def _response(value: Mapping[str, Any]) -> bytes:
    return field(1, _message(value, _RESPONSE))


_SCHEMA: Table = {
    "$ref": (1, "text"), "format": (2, "text"), "title": (3, "text"), "description": (4, "text"),
    "default": (5, "any"), "multipleOf": (6, "double"), "maximum": (7, "double"), "exclusiveMaximum": (8, "bool"),
    "minimum": (9, "double"), "exclusiveMinimum": (10, "bool"), "maxLength": (11, "int"), "minLength": (12, "int"),
    "pattern": (13, "text"), "maxItems": (14, "int"), "minItems": (15, "int"), "uniqueItems": (16, "bool"),
    "maxProperties": (17, "int"), "minProperties": (18, "int"), "required": (19, "each text"),
    "enum": (20, "each any"), "additionalProperties": (21, "additional"), "type": (22, "types"),
    "items": (23, "items"), "allOf": (24, "each schema"), "properties": (25, "properties"),
    "readOnly": (27, "bool"), "example": (30, "any"), "x-": (31, "any"),
}  # fmt: skip
_PATH_ITEM: Table = {
    "get": (2, "operation"), "put": (3, "operation"), "post": (4, "operation"), "delete": (5, "operation"),
    "options": (6, "operation"), "head": (7, "operation"),
    "patch": (8, "operation"), "parameters": (9, "each parameter"), "x-": (10, "any"),
}  # fmt: skip
_OPERATION: Table = {
    "tags": (1, "each text"), "description": (3, "text"), "operationId": (5, "text"), "produces": (6, "each text"),
    "consumes": (7, "each text"), "parameters": (8, "each parameter"), "responses": (9, "responses"),
    "schemes": (10, "each text"), "x-": (13, "any"),
}  # fmt: skip
_BODY: Table = {
    "description": (1, "text"), "name": (2, "text"), "in": (3, "text"), "required": (4, "bool"),
    "schema": (5, "schema"), "x-": (6, "any"),
}  # fmt: skip
_QUERY: Table = {
    "required": (1, "bool"), "in": (2, "text"), "description": (3, "text"), "name": (4, "text"), "type": (6, "text"),
    "uniqueItems": (20, "bool"), "x-": (23, "any"),
}  # fmt: skip
_PATH: Table = {
    "required": (1, "bool"), "in": (2, "text"), "description": (3, "text"), "name": (4, "text"), "type": (5, "text"),
    "uniqueItems": (19, "bool"), "x-": (22, "any"),
}  # fmt: skip
_RESPONSE: Table = {"description": (1, "text"), "schema": (2, "response schema"), "x-": (5, "any")}
_INFO: Table = {"title": (1, "text"), "version": (2, "text"), "description": (3, "text"), "x-": (7, "any")}
_DOCUMENT: Table = {
    "swagger": (1, "text"), "info": (2, "info"), "paths": (8, "paths"), "definitions": (9, "properties"),
    "parameters": (10, "parameters"), "x-": (16, "any"),
}  # fmt: skip
_SHAPES: Mapping[str, Callable[[Any], bytes]] = {
    "text": _text,
    "any": _yaml,
    "schema": _schema,
    "types": _types,
    "items": _items,
    "additional": _additional,
    "properties": _named(1, _schema),
    "operation": lambda value: _message(value, _OPERATION),
    "parameter": _parameter,
    "parameters": _named(1, _own_parameter),
    "responses": _named(1, _response),
    "response schema": lambda value: field(1, _schema(value)),
    "paths": _named(2, _path_item),
    "info": lambda value: _message(value, _INFO),
}

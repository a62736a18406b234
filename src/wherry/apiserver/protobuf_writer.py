"""JSON objects -> protobuf messages: the way back of `protobuf`, driven by the same `wherry/api/types/protobuf.json`.

What JSON leaves out is left out, null counts as left out, and what it names is written, zero or not: so a pointer to
zero stays one. A field that JSON has and the message has not is passed over (kind and apiVersion stand in the
envelope). What is kept as JSON text, such as `data` of a ControllerRevision, is written as Go writes JSON: its
clients compare bytes. Pure. https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from wherry.apiserver.protobuf import MAGIC, META, SCHEMA, tables
from wherry.apiserver.protobuf_wire import BYTES, FIXED64, VARINT, field, integer, tag, varint
from wherry.machinery import codec
from wherry.machinery.durations import nanoseconds
from wherry.machinery.time import parse_micro_time, seconds

Write = Callable[[Any], bytes]
"""A JSON value -> bytes: with the field's tag, or of a message's content alone."""

_ALLOWED = tag(1, VARINT) + b"\1"
_BOOLEAN = (b"\0", b"\1")


class Plan(NamedTuple):
    """How to write a message: by JSON name, and what is inlined: (number, message)."""

    rows: Mapping[str, Write]
    inlined: tuple[tuple[int, str], ...]


def envelope(api_version: str, kind: str, size: int) -> tuple[bytes, bytes]:
    """What stands before and after the `size` bytes of an object's message."""
    named = field(1, field(1, api_version.encode()) + field(2, kind.encode()))
    return b"%b%b%b%b" % (MAGIC, named, tag(2, BYTES), varint(size)), field(3, b"") + field(4, b"")


def enclosed(api_version: str, kind: str, name: str, value: Mapping[str, Any]) -> bytes:
    """A whole object: the message `name` in its envelope."""
    content = message(name, value)
    before, after = envelope(api_version, kind, len(content))
    return b"%b%b%b" % (before, content, after)


def message(name: str, value: Mapping[str, Any]) -> bytes:
    """The content of a message."""
    rows, inlined = _plan(name)
    parts = []
    for key, content in value.items():
        row = rows.get(key)
        if row is not None and content is not None:
            parts.append(row(content))
    for number, inner in inlined:
        found = message(inner, value)
        if found:
            parts.append(field(number, found))
    return b"".join(parts)


@cache
def _plan(name: str) -> Plan:
    rows: dict[str, Write] = {}
    inlined = []
    for number, (key, code) in tables()[name].items():
        if key:
            rows[key] = _row(number, code.lstrip("?"))
        else:
            inlined.append((number, code[1:]))
    return Plan(rows, tuple(inlined))


def _row(number: int, code: str) -> Write:
    if code[0] == "[":
        each = _row(number, code[1:-1])
        return lambda items: b"".join(map(each, items))
    if code[0] == "{":
        return _map(number, _row(2, code[1:-1]))
    if code[0] == "=":
        return _enclosing(number, _content(code[1:]))
    return _SCALARS[code](number)


def _map(number: int, write: Write) -> Write:
    def row(items: Mapping[str, Any]) -> bytes:
        return b"".join([field(number, field(1, key.encode()) + write(value)) for key, value in items.items()])

    return row


def _enclosing(number: int, write: Write) -> Write:
    head = tag(number, BYTES)

    def row(value: Any) -> bytes:
        content = b"" if value is None else write(value)
        return b"%b%b%b" % (head, varint(len(content)), content)

    return row


def _content(name: str) -> Write:
    """What writes a message's content."""
    special = _SPECIAL.get(name)
    return special if special is not None else lambda value: message(name, value)


def _fixed(number: int, wire: int, write: Write) -> Write:
    head = tag(number, wire)
    return lambda value: head + write(value)


def _moment(whole: int, nanoseconds: int) -> bytes:
    """A Timestamp; an empty one would be the zero Time of Go, not 1970."""
    return tag(1, VARINT) + integer(whole) + tag(2, VARINT) + integer(nanoseconds)


def _time(value: str) -> bytes:
    return _moment(int(seconds(value)), 0)


def _micro_time(value: str) -> bytes:
    text = parse_micro_time(value)
    return _moment(int(seconds(f"{text[:19]}Z")), int(text[20:26]) * 1000)


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return b"%b\1%b" % (tag(1, VARINT), field(3, value.encode()))
    return tag(1, VARINT) + b"\0" + tag(2, VARINT) + integer(value)


def _json(value: Any) -> bytes:
    return field(1, codec.as_go_writes(msgspec.json.encode(value)))


def _items(value: list[str]) -> bytes:
    return b"".join([field(1, one.encode()) for one in value])


def _props(value: Mapping[str, Any]) -> bytes:
    return message(f"{SCHEMA}JSONSchemaProps", value)


def _props_or_bool(value: Any) -> bytes:
    if isinstance(value, bool):
        return tag(1, VARINT) + _BOOLEAN[value]
    return _ALLOWED + field(2, _props(value))


def _props_or_list(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join([field(2, _props(one)) for one in value])
    return field(1, _props(value))


def _props_or_names(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join([field(2, one.encode()) for one in value])
    return field(1, _props(value))


_SCALARS: Mapping[str, Callable[[int], Write]] = {
    "s": lambda number: _enclosing(number, str.encode),
    "b": lambda number: _enclosing(number, base64.b64decode),
    "i": lambda number: _fixed(number, VARINT, integer),
    "B": lambda number: _fixed(number, VARINT, lambda value: _BOOLEAN[value]),
    "d": lambda number: _fixed(number, FIXED64, lambda value: struct.pack("<d", value)),
}
_SPECIAL: Mapping[str, Write] = {
    f"{META}Time": _time,
    f"{META}MicroTime": _micro_time,
    f"{META}Duration": lambda value: tag(1, VARINT) + integer(nanoseconds(value)),
    f"{META}FieldsV1": _json,
    f"{META}Verbs": _items,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _json,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda value: field(1, str(value).encode()),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    f"{SCHEMA}JSON": _json,
    f"{SCHEMA}JSONSchemaPropsOrBool": _props_or_bool,
    f"{SCHEMA}JSONSchemaPropsOrArray": _props_or_list,
    f"{SCHEMA}JSONSchemaPropsOrStringArray": _props_or_names,
    "io.k8s.api.authentication.v1.ExtraValue": _items,
    "io.k8s.api.authorization.v1.ExtraValue": _items,
    "io.k8s.api.certificates.v1.ExtraValue": _items,
}

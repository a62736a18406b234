"""Protobuf request bodies -> JSON bytes: what Go clients send for built-in kinds unless told otherwise.

A body is the magic `k8s\\0` and a runtime.Unknown envelope around the message. The walk is driven by
`wherry/api/types/protobuf.json`; zero values of fields without a pointer mean "not given", as in Go.
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from wherry.machinery import codec
from wherry.machinery.errors import BadRequest
from wherry.machinery.time import micro_time_at, time_at

MEDIA = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"
_DEPTH = 100
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

Table = Mapping[int, tuple[str, str]]


@cache
def tables() -> Mapping[str, Table]:
    """Message -> its fields, as `hack/generate_protobuf.py` describes them."""
    text = resources.files("wherry.api.types").joinpath("protobuf.json").read_text()
    return {name: {int(n): (f[0], f[1]) for n, f in table.items()} for name, table in json.loads(text).items()}


def message_of(group: str, version: str, kind: str) -> str | None:
    """The message of a built-in kind, or None."""
    short = group.partition(".")[0] or "core"
    short = "apiserverinternal" if short == "internal" else short
    candidates = (
        f"io.k8s.api.{short}.{version}.{kind}",
        f"{META}{kind}",
        f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}",
        f"io.k8s.kube-aggregator.pkg.apis.apiregistration.{version}.{kind}",
        f"io.k8s.metrics.pkg.apis.metrics.{version}.{kind}",
    )
    return next((name for name in candidates if name in tables()), None)


def to_json(data: bytes) -> bytes:
    """A protobuf body -> JSON bytes. Raises BadRequest."""
    if not data.startswith(MAGIC):
        raise BadRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        kind = version = ""
        raw = b""
        for number, value in fields(data[4:]):
            if number == 1:
                meta = dict(fields(value))
                version, kind = meta.get(1, b"").decode(), meta.get(2, b"").decode()
            elif number == 2:
                raw = value
        group, _, plain = version.rpartition("/")
        message = message_of(group, plain, kind)
        if message is None:
            raise BadRequest(f'no kind "{kind}" is registered for version "{version}"')
        found = _message(raw, message, 0)
    except (ValueError, IndexError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise BadRequest(f"the protobuf message cannot be read: {error}") from None
    return codec.encode({"kind": kind, "apiVersion": version, **found})


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise ValueError("integer overflow")


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a message: int for numbers, else bytes. Raises ValueError, IndexError."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            yield number, data[at : at + size]
            at += size
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > end:
                raise ValueError("unexpected EOF")
            yield number, data[at : at + size]
            at += size
        else:
            raise ValueError(f"illegal wireType {wire}")


def _message(data: bytes, name: str, depth: int) -> dict[str, Any]:
    if depth > _DEPTH:
        raise ValueError("nested too deeply")
    table = tables()[name]
    out: dict[str, Any] = {}
    for number, raw in fields(data):
        known = table.get(number)
        if known is None:
            continue
        field, code = known
        if not field:
            out |= _message(raw, code[1:], depth + 1)
        elif code[0] == "[":
            out.setdefault(field, []).append(_value(raw, code[1:-1], depth))
        elif code[0] == "{":
            pair = dict(fields(raw))
            item = code[1:-1]
            empty: Any = 0 if item in "iB" else b""
            out.setdefault(field, {})[pair.get(1, b"").decode()] = _value(pair.get(2, empty), item, depth)
        else:
            value = _value(raw, code.lstrip("?"), depth)
            if value is not None and (code[0] == "?" or value not in ("", 0, False, {})):
                out[field] = value
    return out


def _value(raw: Any, code: str, depth: int) -> Any:
    scalar = _SCALAR.get(code)
    if scalar is not None:
        return scalar(raw)
    name = code[1:]
    special = _SPECIAL.get(name)
    if special is not None:
        return special(raw, depth)
    return _message(raw, name, depth + 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _moment(raw: bytes) -> tuple[int, int] | None:
    if not raw:
        return None
    found = dict(fields(raw))
    return _signed(found.get(1, 0)), found.get(2, 0)


def _time(raw: bytes, depth: int) -> str | None:
    moment = _moment(raw)
    return None if moment is None else time_at(moment[0])


def _micro_time(raw: bytes, depth: int) -> str | None:
    moment = _moment(raw)
    return None if moment is None else micro_time_at(moment[0] + moment[1] / 1e9)


def _int_or_string(raw: bytes, depth: int) -> int | str:
    found = dict(fields(raw))
    if found.get(1, 0):
        return str(found.get(3, b"").decode())
    value = found.get(2, 0) & 0xFFFFFFFF
    return int(value - (1 << 32) if value >= 1 << 31 else value)


def _quantity(raw: bytes, depth: int) -> str:
    return str(dict(fields(raw)).get(1, b"0").decode()) or "0"


def _json(raw: bytes, depth: int) -> Any:
    text = dict(fields(raw)).get(1, b"")
    return msgspec.json.decode(text) if text else None


def _items(raw: bytes, depth: int) -> list[str]:
    return [value.decode() for number, value in fields(raw) if number == 1]


def _props_or_bool(raw: bytes, depth: int) -> Any:
    found = dict(fields(raw))
    if 2 in found:
        return _message(found[2], f"{SCHEMA}JSONSchemaProps", depth + 1)
    return bool(found.get(1, 0))


def _props_or_list(raw: bytes, depth: int) -> Any:
    pairs = list(fields(raw))
    props = f"{SCHEMA}JSONSchemaProps"
    several = [_message(v, props, depth + 1) for n, v in pairs if n == 2]
    single = [_message(v, props, depth + 1) for n, v in pairs if n == 1]
    return single[0] if single else several


def _props_or_names(raw: bytes, depth: int) -> Any:
    pairs = list(fields(raw))
    single = [_message(v, f"{SCHEMA}JSONSchemaProps", depth + 1) for n, v in pairs if n == 1]
    return single[0] if single else [v.decode() for n, v in pairs if n == 2]


def _duration(raw: bytes, depth: int) -> str:
    """Go's notation of a duration, in seconds."""
    nanoseconds = _signed(dict(fields(raw)).get(1, 0))
    return f"{nanoseconds / 1e9:g}s"


_SCALAR: Mapping[str, Callable[[Any], Any]] = {
    "s": bytes.decode,
    "i": _signed,
    "B": bool,
    "b": lambda raw: base64.b64encode(raw).decode(),
    "d": lambda raw: struct.unpack("<d", raw)[0],
}
_SPECIAL: Mapping[str, Callable[[bytes, int], Any]] = {
    f"{META}Time": _time,
    f"{META}MicroTime": _micro_time,
    f"{META}Duration": _duration,
    f"{META}FieldsV1": _json,
    f"{META}Verbs": _items,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _json,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    f"{SCHEMA}JSON": _json,
    f"{SCHEMA}JSONSchemaPropsOrBool": _props_or_bool,
    f"{SCHEMA}JSONSchemaPropsOrArray": _props_or_list,
    f"{SCHEMA}JSONSchemaPropsOrStringArray": _props_or_names,
    "io.k8s.api.authentication.v1.ExtraValue": _items,
    "io.k8s.api.authorization.v1.ExtraValue": _items,
    "io.k8s.api.certificates.v1.ExtraValue": _items,
}

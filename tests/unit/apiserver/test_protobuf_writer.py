"""JSON -> protobuf: random objects of every kind come back from the reader as they were; the odd types byte by byte."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from wherry.api.metrics.usage import NODEMETRICS, PODMETRICS
from wherry.api.registry import RESOURCES
from wherry.apiserver.protobuf import MAGIC, message_of, tables, to_json
from wherry.apiserver.protobuf_wire import field, integer, tag, varint
from wherry.apiserver.protobuf_writer import enclosed, message
from wherry.machinery import codec
from wherry.machinery.resource import Resource
from wherry.machinery.time import MicroTime, Time

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
CORE = "io.k8s.api.core.v1."
HEAD = ("kind", "apiVersion")
TEXTS = ("a", "é <&> ü", "x" * 200, "\u2028", "0")
NUMBERS = (1, -1, 127, 128, 2**31 - 1, -(2**31))
ANYTHING: dict[str, Any] = {"f:a": {"f:b": {}, ".": {}}, "n": [1, 2.5, None, True, "<&>"], "t": "\u2029"}
SPECIAL: dict[type[inspect.Type], Callable[[random.Random], Any]] = {
    inspect.StrType: lambda source: source.choice(TEXTS),
    inspect.BoolType: lambda source: source.random() < 0.5,
    inspect.IntType: lambda source: source.choice(NUMBERS),
    inspect.FloatType: lambda source: source.choice((0.5, -3.0, 1e300)),
    inspect.BytesType: lambda source: base64.b64encode(source.randbytes(source.randrange(300))).decode(),
    inspect.AnyType: lambda source: ANYTHING,
}
CUSTOM: dict[type[Any], tuple[str, ...]] = {
    Time: ("1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-26T02:30:00Z"),
    MicroTime: ("1970-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", "2026-11-26T02:30:00.000001Z"),
}
SCHEMAS: dict[str, Any] = {
    "additionalItems": (True, {"type": "a"}),
    "additionalProperties": (True, False, {"type": "a", "items": {"type": "b"}}),
    "dependencies": ({"a": ["b", "c"], "d": {"type": "e"}},),
    "enum": ([1, "a", None, {"b": []}],),
    "items": ({"type": "a"}, [{"type": "a"}, {}]),
}


def contents(info: inspect.Type, source: random.Random, depth: int) -> Any:
    """Random well-typed JSON, with everything that can be there when near the top."""
    match info:
        case inspect.UnionType(types=options):
            return contents(source.choice([t for t in options if not isinstance(t, inspect.NoneType)]), source, depth)
        case inspect.StructType(fields=fields):
            left_out = 0.2 if depth < 3 else 0.6 + depth / 30
            return {
                f.encode_name: source.choice(SCHEMAS[f.encode_name])
                if f.encode_name in SCHEMAS and "JSONSchemaProps" in info.cls.__name__
                else contents(f.type, source, depth + 1)
                for f in fields
                if f.encode_name not in HEAD and source.random() > left_out
            }
        case inspect.VarTupleType(item_type=item):
            return [contents(item, source, depth + 1) for _ in range(source.randrange(3))]
        case inspect.DictType(value_type=item):
            return {key: contents(item, source, depth + 1) for key in source.sample(TEXTS, source.randrange(3))}
        case inspect.CustomType(cls=cls):
            return source.choice(CUSTOM.get(cls, ("1", "100m", "-5Gi", "0")))
        case _:
            return SPECIAL[type(info)](source)


def name_of(resource: Resource[Any]) -> str:
    name = message_of(resource.group, resource.version, resource.kind)
    assert name is not None
    return name


KINDS = [*RESOURCES, NODEMETRICS, PODMETRICS]


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_every_kind_comes_back(resource: Resource[Any]) -> None:
    name, info = name_of(resource), inspect.type_info(resource.type)
    for number in range(20):
        raw = contents(info, random.Random(f"{resource}/{number}"), 0)
        if resource.group == "metrics.k8s.io":
            raw["window"] = "30.125s"
        obj = codec.from_dict(resource.type, raw)
        shown = msgspec.json.decode(codec.encode(obj))
        back = to_json(enclosed(resource.api_version, resource.kind, name, shown))
        assert codec.decode(resource.type, back) == obj


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_every_field_of_every_kind_has_a_number(resource: Resource[Any]) -> None:
    """And every kind a list: its metadata is 1, its items are 2."""
    name = name_of(resource)
    check(inspect.type_info(resource.type), f"={name}", set())
    if "list" in resource.verbs:
        assert tables()[f"{name}List"] == {1: ("metadata", f"={META}ListMeta"), 2: ("items", f"[={name}]")}


def check(info: inspect.Type, code: str, seen: set[tuple[type[Any], str]]) -> None:
    """Every field of a type is a field of the message."""
    match info:
        case inspect.UnionType(types=options):
            for one in options:
                check(one, code.lstrip("?"), seen)
        case inspect.VarTupleType(item_type=item) if code[0] == "[":
            check(item, code[1:-1], seen)
        case inspect.DictType(value_type=item):
            check(item, code[1:-1], seen)
        case inspect.StructType() if (info.cls, code) not in seen:
            seen.add((info.cls, code))
            known = _fields(code.lstrip("?")[1:])
            for field_ in (f for f in info.fields if f.encode_name in known or f.encode_name not in HEAD):
                check(field_.type, known[field_.encode_name], seen)


def _fields(name: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for field_, code in tables()[name].values():
        out |= {field_: code} if field_ else _fields(code[1:])
    return out


def test_the_envelope_is_as_go_writes_it() -> None:
    written = enclosed("v1", "ConfigMap", f"{CORE}ConfigMap", {"kind": "ConfigMap", "data": {"k": "v"}})
    content = b"\x12\x06\x0a\x01k\x12\x01v"
    assert written == MAGIC + b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap" + b"\x12\x08" + content + b"\x1a\x00\x22\x00"


def test_what_is_there_but_empty_is_written() -> None:
    """A policy that lets everything in has one empty rule; a pointer to nothing is not nil."""
    spec = "io.k8s.api.networking.v1.NetworkPolicySpec"
    assert message(spec, {"podSelector": {}, "ingress": [{}]}) == b"\x0a\x00\x12\x00"
    assert message(f"{CORE}Volume", {"name": "a", "emptyDir": {}}) == field(1, b"a") + field(2, field(2, b""))
    assert message("io.k8s.api.apps.v1.DeploymentSpec", {"replicas": 0, "paused": None}) == b"\x08\x00"


def test_odd_types() -> None:
    meta = f"{META}ObjectMeta"
    assert message(meta, {"creationTimestamp": "1970-01-01T00:00:00Z"}) == field(8, b"\x08\x00\x10\x00")
    assert message(meta, {"creationTimestamp": None}) == b""
    lease = "io.k8s.api.coordination.v1.LeaseSpec"
    moment = tag(1, 0) + integer(-1) + tag(2, 0) + varint(999_999_000)
    assert message(lease, {"renewTime": "1969-12-31T23:59:59.999999Z"}) == field(4, moment)
    port = f"{CORE}TCPSocketAction"
    assert message(port, {"port": 80}) == field(1, b"\x08\x00\x10\x50")
    assert message(port, {"port": "http"}) == field(1, b"\x08\x01\x1a\x04http")
    rows = message("io.k8s.api.authorization.v1.SubjectAccessReviewSpec", {"extra": {"a": ["b", ""]}})
    assert rows == field(5, field(1, b"a") + field(2, b"\x0a\x01b\x0a\x00"))
    schema = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    assert message(schema, {"maximum": 1.5}) == tag(9, 1) + struct.pack("<d", 1.5)
    assert message(schema, {"additionalProperties": {}}) == field(30, b"\x08\x01\x12\x00")


def test_json_in_protobuf_is_as_go_writes_it() -> None:
    revision = {"data": {"a": "<b> & \u2028"}, "revision": 1}
    written = message("io.k8s.api.apps.v1.ControllerRevision", revision)
    raw = rb'{"a":"\u003cb\u003e \u0026 \u2028"}'
    assert written == field(2, field(1, raw)) + b"\x18\x01"
    assert json.loads(raw) == revision["data"]

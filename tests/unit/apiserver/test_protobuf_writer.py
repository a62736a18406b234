"""JSON -> protobuf: random objects of every kind come back from the reader as they were; the odd types byte by byte."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from msgspec import inspect

from tests.support.random_objects import KINDS, message_for, random_object
from wherry.apiserver.protobuf import MAGIC, tables, to_json
from wherry.apiserver.protobuf_wire import field, integer, tag, varint
from wherry.apiserver.protobuf_writer import enclosed, message
from wherry.machinery import codec
from wherry.machinery.resource import Resource

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
CORE = "io.k8s.api.core.v1."


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_every_kind_comes_back(resource: Resource[Any]) -> None:
    for number in range(20):
        obj = random_object(resource, number)
        written = enclosed(resource.api_version, resource.kind, message_for(resource), codec.to_dict(obj))
        assert codec.decode(resource.type, to_json(written)) == obj


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_every_field_of_every_kind_has_a_number(resource: Resource[Any]) -> None:
    """And every kind a list: its metadata is 1, its items are 2."""
    name = message_for(resource)
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
            for field_ in (
                f for f in info.fields if f.encode_name in known or f.encode_name not in ("kind", "apiVersion")
            ):
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

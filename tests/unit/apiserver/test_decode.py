"""Bodies -> objects: duplicates, unknown fields, YAML as Kubernetes reads it, protobuf."""

from __future__ import annotations

import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.pod import POD
from wherry.apiserver import protobuf, yaml_reader
from wherry.apiserver.decode import decode_object, duplicates
from wherry.machinery.errors import BadRequest

JSON = "application/json"


def pod(text: str, validation: str = "Strict") -> Any:
    return decode_object(POD, text.encode(), JSON, validation)


def test_unknown_fields_carry_their_path() -> None:
    text = '{"spec":{"containers":[{"name":"a"},{"nam":"b","ports":[{"x":1}]}],"nodeSelector":{"any":"key"}}}'
    found = pod(text, "Warn").warnings
    assert found == (
        'unknown field "spec.containers[1].nam"',
        'unknown field "spec.containers[1].ports[0].x"',
    )


@pytest.mark.parametrize(
    "annotation", ["plain", 'a "quoted": text', '{"a":{"a":1,"a":2}}', "back\\slash", '\\": \\\\": ', "ends with \\"]
)
def test_quotes_in_values_are_no_keys(annotation: str) -> None:
    body = json.dumps({"metadata": {"annotations": {"x": annotation, annotation: "y"}}})
    assert pod(body).warnings == ()


keys = st.text(alphabet='ab"\\: é', max_size=4)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | keys,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(keys, trees, max_size=4), st.booleans())
def test_duplicates_are_found_exactly_when_there_are_some(tree: dict[str, Any], double: bool) -> None:
    body = json.dumps({"annotations": {"k": json.dumps(tree)}, "x": tree}, ensure_ascii=False)
    if double:
        body = body.replace('"x":', '"x": 1, "x":', 1)
        body = body if body.count('"x": 1, "x":') else body[:-1] + ', "x": 1}'
    found = decode_object(CONFIGMAP, body.encode(), JSON, "Warn").warnings
    assert ('duplicate field "x"' in found) is double
    assert ("x" in duplicates(body.encode())) is double


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("off", False), ("0644", 420), ("0o644", 420), ("1e3", 1000.0), ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"), ("~", None), ("'5'", "5"), ("1_000", 1000), (".5", 0.5), ("0x1F", 31),
        ("-7", -7), ("1.2.3", "1.2.3"), ("on", True), ("v1", "v1"),
    ],
)  # fmt: skip
def test_scalars_as_kubernetes_reads_them(text: str, value: object) -> None:
    assert msgspec.json.decode(yaml_reader.to_json(f"a: {text}\n".encode())) == {"a": value}


def test_yaml_anchors_and_merges() -> None:
    text = b"a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n"
    assert msgspec.json.decode(yaml_reader.to_json(text)) == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}


def field(number: int, value: bytes | int) -> bytes:
    """One protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & 0xFFFFFFFFFFFFFFFF)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def envelope(version: str, kind: str, raw: bytes) -> bytes:
    meta = field(1, version.encode()) + field(2, kind.encode())
    return b"k8s\0" + field(1, meta) + field(2, raw)


def test_a_pod_in_protobuf() -> None:
    claim = field(2, field(26, field(2, 420)))  # the inlined source: projected.defaultMode
    volume = field(1, b"v") + claim
    port = field(1, b"") + field(2, 0) + field(3, 80) + field(4, b"TCP")
    quantity = field(1, b"cpu") + field(2, field(1, b"100m"))
    probe = field(1, field(2, field(1, b"/") + field(2, field(1, 1) + field(3, b"http")))) + field(2, 5)
    container = field(1, b"c") + field(2, b"nginx") + field(6, port) + field(8, field(1, quantity)) + field(10, probe)
    labels = field(1, b"a") + field(2, b"")
    meta = field(1, b"p") + field(2, b"") + field(8, b"") + field(11, labels)
    spec = field(1, volume) + field(2, container) + field(4, 30) + field(5, -1)
    found = msgspec.json.decode(
        protobuf.to_json(envelope("v1", "Pod", field(1, meta) + field(2, spec) + field(3, b"")))
    )
    assert found == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "labels": {"a": ""}},
        "spec": {
            "volumes": [{"name": "v", "projected": {"defaultMode": 420}}],
            "containers": [
                {
                    "name": "c",
                    "image": "nginx",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "100m"}},
                    "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "initialDelaySeconds": 5},
                }
            ],
            "terminationGracePeriodSeconds": 30,
            "activeDeadlineSeconds": -1,
        },
    }


@given(st.binary(max_size=60))
def test_no_bytes_break_the_protobuf_reader(raw: bytes) -> None:
    for body in (b"k8s\0" + raw, envelope("v1", "Pod", raw), envelope("apps/v1", "Deployment", raw), raw):
        try:
            protobuf.to_json(body)
        except BadRequest:
            continue


def test_every_kind_has_a_message() -> None:
    from wherry.api.registry import RESOURCES

    missing = [str(r) for r in RESOURCES if protobuf.message_of(r.group, r.version, r.kind) is None]
    assert missing == []


def test_doubles_and_negative_numbers() -> None:
    assert struct.unpack("<d", struct.pack("<d", 0.5))[0] == 0.5
    assert list(protobuf.fields(field(1, -5))) == [(1, 2**64 - 5)]

"""Protobuf bodies of requests, written by hand as Go clients write them."""

from __future__ import annotations

import json

from wherry.apiserver.protobuf import to_json


def field(number: int, value: bytes | int) -> bytes:
    """One field: a varint or bytes (all short)."""
    if isinstance(value, int):
        out = bytes([number << 3])
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])
    return bytes([number << 3 | 2, len(value)]) + value


def body(kind: bytes, obj: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, kind)) + field(2, obj)


def test_times_are_read() -> None:
    """What was read from the server and is sent back carries its times."""
    meta = field(1, b"c") + field(8, field(1, 1_700_000_000))
    found = json.loads(to_json(body(b"ConfigMap", field(1, meta) + field(2, field(1, b"k") + field(2, b"v")))))
    assert found == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "c", "creationTimestamp": "2023-11-14T22:13:20Z"},
        "data": {"k": "v"},
    }


def test_an_empty_volume_source_is_one() -> None:
    """`emptyDir: {}` is not the same as no source at all."""
    volume = field(1, b"v") + field(2, field(2, field(1, b"")))
    found = json.loads(to_json(body(b"Pod", field(2, field(1, volume)))))
    assert found["spec"] == {"volumes": [{"name": "v", "emptyDir": {}}]}

"""A fuzzer on every parser of what strangers send: each refuses in its own words, soon, and raises nothing else.

Inputs are half random, half broken copies of good ones, since those get further. (Fails for any exception that is not
the parser's own refusal: such a one would be a 500.)
"""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.core.pod import POD
from wherry.apiserver import protobuf, yaml_reader
from wherry.apiserver.audit.policy import BadPolicy
from wherry.apiserver.audit.policy import read as read_policy
from wherry.apiserver.decode import decode_object
from wherry.apiserver.http import Query
from wherry.apiserver.negotiate import negotiate
from wherry.apiserver.routes import parse
from wherry.apiserver.verbs.options import ListOptions, check_list
from wherry.machinery.errors import APIError
from wherry.machinery.patch.json import json_patch
from wherry.machinery.patch.merge import merge_patch
from wherry.machinery.quantity import parse_quantity
from wherry.machinery.selectors import parse_fields, parse_labels
from wherry.node.streaming.spdy import ProtocolError, Session

Refusals = tuple[type[Exception], ...]
POD_JSON = b"""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"x":"y"},"annotations":{"k":"v"}},
"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1"}},
"env":[{"name":"A","value":"b"}]}],"volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Gi"}}]}}"""
POD_YAML = (
    b"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: &l {x: y}}\nspec:\n  containers:\n  - name: c\n    x: *l\n"
)


def field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


META = field(1, field(1, b"a") + field(11, field(1, b"x") + field(2, b"y")))
POD_PROTO = (
    b"k8s\0" + field(1, field(1, b"v1") + field(2, b"Pod")) + field(2, META + field(2, field(2, field(1, b"c"))))
)
HEADERS = Session()
HEADERS.open({"streamtype": "error"})
SPDY = bytes(HEADERS.outgoing) + struct.pack(">II", 1, 5) + b"hello" + struct.pack(">HHIII", 0x8003, 3, 8, 1, 5)


@st.composite
def broken(draw: st.DrawFn, good: bytes) -> bytes:
    """A good input, cut, doubled, with bytes changed or put in."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        what = draw(st.integers(0, 3))
        if what == 0:
            data[at:] = b""
        elif what == 1:
            data[at:at] = draw(
                st.binary(max_size=8) | st.sampled_from([b"{", b"[", b'"', b"\\", b":", b"&a ", b"*a", b"\xff"])
            )
        elif what == 2 and at < len(data):
            data[at] = draw(st.integers(0, 255))
        else:
            data += data[at : at + 64]
    return bytes(data)


def fuzzed(good: bytes) -> st.SearchStrategy[bytes]:
    return broken(good) | st.binary(max_size=200)


def survives(call: Callable[[], Any], refusals: Refusals = (APIError,)) -> None:
    with suppress(*refusals):
        call()


@given(fuzzed(POD_JSON), st.sampled_from(["Strict", "Warn", "Ignore"]))
@settings(max_examples=100, deadline=2000)
def test_json(data: bytes, validation: str) -> None:
    """Bodies in JSON."""
    survives(lambda: decode_object(POD, data, "application/json", validation))


@given(fuzzed(POD_YAML))
@settings(max_examples=60, deadline=2000)
def test_yaml(data: bytes) -> None:
    """Bodies in YAML."""
    survives(lambda: yaml_reader.to_json(data))


@given(fuzzed(POD_PROTO))
@settings(max_examples=100, deadline=2000)
def test_protobuf(data: bytes) -> None:
    """Bodies in protobuf; what can be read is decoded like any other body."""
    survives(lambda: decode_object(POD, data, protobuf.MEDIA, "Strict"))


def test_the_good_ones_are_good() -> None:
    """What is broken above is fine as it is."""
    assert decode_object(POD, POD_JSON, "application/json", "Strict").obj.metadata.name == "a"
    assert b'"containers"' in yaml_reader.to_json(POD_YAML)
    assert decode_object(POD, POD_PROTO, protobuf.MEDIA, "Strict").obj.metadata.labels == {"x": "y"}


TEXT = st.text(max_size=40) | st.text(alphabet="abx=!,()<> inotsexists.-/\\\"'0123456789", max_size=60)


@given(TEXT)
@settings(max_examples=100)
def test_selectors(text: str) -> None:
    """Label and field selectors refuse by ValueError."""
    survives(lambda: parse_labels(text), (ValueError,))
    survives(lambda: parse_fields(text), (ValueError,))


@given(st.text(max_size=20) | st.text(alphabet="0123456789.+-eEmkKMGiunP ", max_size=30) | st.floats() | st.integers())
@example("1e99999999")
@example("1Ei" * 20)
@settings(max_examples=100, deadline=1000)
def test_quantities(value: Any) -> None:
    """Quantities refuse by ValueError, also those with exponents without end."""
    survives(lambda: parse_quantity(value), (ValueError,))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "op", "path"]), inner, max_size=4)
    ),
    max_leaves=15,
)
OPERATION = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"])},
    optional={
        "path": st.sampled_from(["", "/", "/a", "/a/0", "/a/-", "/a/~", "/~1", "a", "/a/9999999999999999999", "/a/-1"]),
        "from": st.sampled_from(["", "/a", "/b/0", "/a/b"]),
        "value": JSONS,
    },
)


@given(JSONS, st.lists(OPERATION, max_size=6) | JSONS)
@example({"a": []}, [{"op": "remove", "path": "/a/0"}])
@example({"a": [1]}, [{"op": "add", "path": "/a/99", "value": 1}])
@settings(max_examples=100, deadline=1000)
def test_json_patches(document: Any, operations: Any) -> None:
    """Patches refuse by APIError, or ValueError that the verb turns into one."""
    survives(lambda: json_patch(document, operations), (APIError, ValueError))
    merge_patch(document, operations)


@given(st.lists(fuzzed(SPDY), min_size=1, max_size=3))
@settings(max_examples=100, deadline=1000)
def test_spdy_frames(parts: list[bytes]) -> None:
    """Frames of a runtime's streaming server: ProtocolError or events."""
    session = Session()
    for part in parts:
        survives(lambda part=part: session.receive(part), (ProtocolError,))  # type: ignore[misc]


SEGMENTS = st.sampled_from(
    ["a", "pods", "..", ".", "", "%2e%2e", "%2E", "%2f", "a%2Fb", "%00", "a%2F..%2Fb", "%252f", "%ff", "status", "*"]
)
PATHS = st.builds(
    lambda root, rest: "/".join((root, *rest)),
    st.sampled_from(["api/v1", "api/v1/namespaces", "apis/apps/v1", "apis/apps/v1/namespaces/a/deployments"]),
    st.lists(SEGMENTS, max_size=5),
)


@given(
    st.text(max_size=60) | PATHS, st.text(max_size=40), st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "X"])
)
@settings(max_examples=300)
def test_request_lines(path: str, query: str, method: str) -> None:
    """Paths and queries: whatever is understood as a resource has names without slashes, dots or NUL."""

    def understand() -> None:
        info = parse(method, "/" + path, Query(query))
        for part in (info.namespace, info.name, info.resource):
            assert "/" not in part
            assert part not in (".", "..")
            assert "\0" not in part

    survives(understand)


@given(st.text(max_size=60))
def test_accept_headers(accept: str) -> None:
    """What cannot be served is refused with 406."""
    survives(lambda: negotiate(accept))


@given(st.text(max_size=30), st.text(max_size=10), st.sampled_from(["", "Exact", "NotOlderThan", "x"]))
def test_list_options(token: str, revision: str, match: str) -> None:
    """Continue tokens and revisions."""
    survives(lambda: check_list(ListOptions(token=token, revision=revision, match=match)))


@given(JSONS | st.dictionaries(st.sampled_from(["kind", "apiVersion", "rules", "omitStages"]), JSONS, max_size=4))
def test_audit_policies(data: Any) -> None:
    """Policy files."""
    survives(lambda: read_policy(data), (BadPolicy,))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'{"spec":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'"' + b"\\u0000" * 400_000,
    ],
    ids=["lists", "objects", "closed lists", "escapes"],
)
def test_bombs_cost_little(body: bytes) -> None:
    """A megabyte of nesting is refused without taking fifty."""
    tracemalloc.start()
    try:
        survives(lambda: decode_object(DEPLOYMENT, body, "application/json", "Strict"), (APIError, RecursionError))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * 1024 * 1024


def test_a_patch_that_copies_itself_is_bounded() -> None:
    """Ten thousand copies of a growing list (CVE-2019-1002100)."""
    operations = [{"op": "copy", "from": "/a", "path": "/a/-"} for _ in range(10_000)]
    with pytest.raises((APIError, ValueError)):
        msgspec.json.encode(json_patch({"a": ["x" * 100]}, operations))

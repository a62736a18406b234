"""Malformed, oversized, nested, mistyped bodies and odd paths: upstream's refusals, never a 500, nothing written."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
YAML = "application/yaml"
BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (n + 1, n + 1, n, n, n, n, n, n, n, n, n)
    for n in range(ord("a"), ord("i"))
)

BAD: dict[str, tuple[bytes, str, int]] = {
    "empty": (b"", "", 400),
    "no json": (b"hello", "", 400),
    "cut off": (b'{"metadata":{"name":"a"', "", 400),
    "a list": (b"[]", "", 400),
    "a number": (b"1", "", 400),
    "null": (b"null", "", 400),
    "deep lists": (b'{"data":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "", 400),
    "deep objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "", 400),
    "deep enough": (b'{"metadata":{"name":5},"x":' + b"[" * 900 + b"]" * 900 + b"}", "", 400),
    "a megabyte of [": (b"[" * 1_000_000, "", 400),
    "NaN": (b'{"metadata":{"name":"a","generation":NaN}}', "", 400),
    "1e400": (b'{"metadata":{"name":"a","generation":1e400}}', "", 400),
    "2^63": (b'{"metadata":{"name":"a","generation":9223372036854775808}}', "", 400),
    "2^70": (b'{"metadata":{"name":"a","generation":1180591620717411303424}}', "", 400),
    "lone surrogate": (b'{"metadata":{"name":"\\ud800"}}', "", 400),
    "bad utf-8": (b'{"metadata":{"name":"\xff"}}', "", 400),
    "wrong type": (b'{"metadata":{"name":5}}', "", 400),
    "wrong kind": (b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}', "", 400),
    "wrong version": (b'{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"a"}}', "", 400),
    "kind is a number": (b'{"kind":5,"metadata":{"name":"a"}}', "", 400),
    "metadata is a list": (b'{"metadata":[]}', "", 400),
    "other namespace": (b'{"metadata":{"name":"a","namespace":"b"}}', "", 400),
    "no name": (b'{"metadata":{}}', "", 422),
    "bad name": (b'{"metadata":{"name":"A_b"}}', "", 422),
    "bad label": (b'{"metadata":{"name":"a","labels":{"-x":"y"}}}', "", 422),
    "bad finalizer": (b'{"metadata":{"name":"a","finalizers":["x"]}}', "", 422),
    "cbor": (b"\xd9\xd9\xf7\xa0", "application/cbor", 415),
    "text": (b"{}", "text/plain", 415),
    "yaml bomb": (BOMB, YAML, 400),
    "yaml tabs": (b"\tmetadata: {}", YAML, 400),
    "yaml python": (b"metadata: !!python/object/apply:os.system ['x']", YAML, 400),
    "not protobuf": (b"hello", "application/vnd.kubernetes.protobuf", 400),
    "cut protobuf": (b"k8s\0\n\x0f\n\x02v1\x12\x09Config", "application/vnd.kubernetes.protobuf", 400),
    "too big": (b'{"data":{"a":"' + b"x" * (3 * 1024 * 1024) + b'"}}', "", 413),
    "too long a value": (b'{"metadata":{"name":"a","annotations":{"a":"' + b"x" * 300_000 + b'"}}}', "", 422),
}


@pytest.mark.parametrize("name", list(BAD))
async def test_a_bad_body_is_refused(http: Http, name: str) -> None:
    body, content, code = BAD[name]
    answer = await http("POST", MAPS, body, content or "application/json")
    assert answer.code == code, answer.body
    assert answer.body["kind"] == "Status"
    assert answer.body["code"] == code
    listed = await http("GET", MAPS)
    assert listed.body["items"] == []


async def test_the_words_for_a_wrong_type(http: Http) -> None:
    answer = await http("POST", DEPLOYMENTS, {"metadata": {"name": "a"}, "spec": {"replicas": "x"}})
    assert answer.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct '
        "field DeploymentSpec.spec.replicas of type int32"
    )


async def test_the_words_for_a_body_over_the_limit(http: Http) -> None:
    answer = await http("POST", MAPS, b"x" * (3 * 1024 * 1024 + 1))
    assert (answer.code, answer.message) == (413, "Request entity too large: limit is 3145728")
    assert answer.body["reason"] == "RequestEntityTooLarge"


async def test_a_body_that_unpacks_beyond_the_limit_is_refused(http: Http) -> None:
    packed = gzip.compress(b'{"data":{"a":"' + b"x" * (64 * 1024 * 1024) + b'"}}')
    answer = await http("POST", MAPS, packed, Content_Encoding="gzip")
    assert answer.code == 413


@pytest.mark.parametrize(
    ("mode", "code", "warned"), [("Strict", 400, False), ("Warn", 201, True), ("Ignore", 201, False), ("", 201, True)]
)
async def test_unknown_and_duplicate_fields(http: Http, mode: str, code: int, warned: bool) -> None:
    body = b'{"metadata":{"name":"a","nam":1},"data":{"x":"1","x":"2"},"spec":{}}'
    answer = await http("POST", f"{MAPS}?fieldValidation={mode}", body)
    assert answer.code == code
    if code == 400:
        assert answer.message == (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field '
            '"metadata.nam", unknown field "spec", duplicate field "data.x"'
        )
    assert ("Warning" in answer.headers) is warned


async def test_an_unknown_field_validation_is_refused(http: Http) -> None:
    answer = await http("POST", f"{MAPS}?fieldValidation=Maybe", {"metadata": {"name": "a"}})
    assert answer.code == 422


async def test_null_is_as_good_as_absent(http: Http) -> None:
    body = {"metadata": {"name": "a", "labels": None, "creationTimestamp": None}, "data": None, "immutable": None}
    assert (await http("POST", MAPS, body)).code == 201


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/../configmaps",
        "/api/v1/namespaces/%2e%2e/configmaps",
        "/api/v1/namespaces/demo/configmaps/a%2fb",
        "/api/v1/namespaces/demo/configmaps/..",
        "/api/v1/namespaces/demo/configmaps/%00",
        "/api/v1//configmaps",
        "/api/v1/namespaces//configmaps",
        "/api/v1/namespaces/demo/configmaps/%ff",
        "/api/v1/namespaces/demo/nothing",
        "/api/v9/configmaps",
        "/apis/none/v1/things",
        "/api/v1/configmaps/a",
        "/api/v1/namespaces/demo/nodes",
        "/nothing/here",
    ],
)
async def test_an_odd_path_is_refused(http: Http, path: str) -> None:
    from yarl import URL

    url = URL(http.running.url + path, encoded=True)
    async with http.session.get(url) as response:
        assert response.status in (400, 404)


PATCHES: list[tuple[str, bytes, int]] = [
    ("application/json-patch+json", b'{"op":"add"}', 400),
    ("application/json-patch+json", b'[{"op":"add","path":"/data/x","value":5}]', 422),
    ("application/json-patch+json", b'[{"op":"remove","path":"/nothing"}]', 422),
    ("application/json-patch+json", b"[" + b'{"op":"test","path":"/a","value":1},' * 10_001 + b"{}]", 413),
    ("application/merge-patch+json", b"[]", 400),
    ("application/merge-patch+json", b'{"data":5}', 422),
    ("application/merge-patch+json", b'{"kind":"Pod"}', 400),
    ("application/merge-patch+json", b'{"metadata":{"resourceVersion":"1"}}', 409),
    ("application/merge-patch+json", b'{"metadata":{"name":"b"}}', 400),
    ("application/merge-patch+json", b'{"metadata":{"uid":"b"}}', 422),
    ("application/merge-patch+json", b'{"metadata":{"deletionTimestamp":"2020-01-01T00:00:00Z"}}', 422),
    ("application/strategic-merge-patch+json", b'{"data":{"a":["x"]}}', 422),
    ("application/strategic-merge-patch+json", b"{" * 20_000, 400),
    ("application/apply-patch+yaml", b"{}", 400),
    ("application/json", b"{}", 415),
]


@pytest.mark.parametrize(("content", "body", "code"), PATCHES)
async def test_a_bad_patch_is_refused(http: Http, content: str, body: bytes, code: int) -> None:
    await http("POST", MAPS, {"metadata": {"name": "a"}, "data": {"a": "1"}})
    before = await http("GET", f"{MAPS}/a")
    answer = await http("PATCH", f"{MAPS}/a?fieldManager=me", body, content)
    assert answer.code == code, answer.body
    after = await http("GET", f"{MAPS}/a")
    assert after.body == before.body


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=x", 400),
        ("resourceVersion=x", 400),
        ("resourceVersion=99999999", 504),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("resourceVersion=1&resourceVersionMatch=Maybe", 422),
        ("continue=%21%21", 400),
        ("continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi94In0", 400),
        ("labelSelector=a%3D%3D%3D", 400),
        ("fieldSelector=spec.x%3D1", 400),
        ("watch=1&resourceVersionMatch=NotOlderThan", 422),
        ("watch=1&sendInitialEvents=true", 422),
    ],
)
async def test_bad_list_options_are_refused(http: Http, query: str, code: int) -> None:
    answer: Any = await http("GET", f"{MAPS}?{query}")
    assert answer.code == code, answer.body


@pytest.mark.parametrize("depth", range(100, 1100, 100))
async def test_no_depth_breaks_the_walks_over_a_body(http: Http, depth: int) -> None:
    revisions = "/apis/apps/v1/namespaces/demo/controllerrevisions"
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"metadata":{"name":"r"},"revision":1,"data":' + nested + b',"unknown":' + nested + b"}"
    made = await http("POST", revisions, body)
    assert made.code in (201, 400), made.body
    patched = await http("PATCH", f"{revisions}/r", b'{"data":' + nested + b"}", "application/merge-patch+json")
    assert patched.code < 500, patched.body

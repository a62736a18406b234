"""Small bodies that want to be large: each is refused within a second, and takes less than 50 MB.

CVE-2019-11253 and -11254 (YAML), CVE-2019-1002100 (JSON patches that copy themselves), CVE-2020-8552 (labels).
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
YAML, JSON = "application/yaml", "application/json"
PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
SECONDS = 1.0
"""On two quiet cores, where `work` takes WORK."""
WORK = 0.07
GROWTH = 50 * 1024 * 1024


def laughs(levels: int, width: int = 9) -> bytes:
    """Each line is `width` times the one before."""
    first = b"a0: &a0 [" + b",".join([b"x"] * width) + b"]"
    more = (b"a%d: &a%d [" % (n, n) + b",".join([b"*a%d" % (n - 1)] * width) + b"]" for n in range(1, levels))
    return b"\n".join((first, *more))


def merges(levels: int) -> bytes:
    """The same with merge keys."""
    more = (
        b"b%d: &b%d {<<: [" % (n, n) + b",".join([b"*b%d" % (n - 1)] * 9) + b"], k%d: v}" % n for n in range(1, levels)
    )
    return b"\n".join((b"b0: &b0 {x: y}", *more))


def doubling(times: int) -> bytes:
    """A patch that doubles an annotation with each copy."""
    copies: list[dict[str, Any]] = [{"op": "add", "path": "/x", "value": ["y" * 100]}]
    for n in range(times):
        copies.append({"op": "copy", "from": "/x" if n == 0 else f"/x{n}", "path": f"/x{n + 1}"})
        copies.append({"op": "copy", "from": f"/x{n + 1}", "path": f"/x{n + 1}/-"})
    return json.dumps(copies).encode()


def growing(times: int) -> bytes:
    """A list that is appended to itself."""
    first = {"op": "add", "path": "/x", "value": ["y" * 100]}
    return json.dumps([first, *({"op": "copy", "from": "/x", "path": "/x/-"} for _ in range(times))]).encode()


def bodies() -> Iterator[tuple[str, str, str, bytes]]:
    """(name, method, media type, body)."""
    yield "billion laughs", "POST", YAML, laughs(9)
    yield "million laughs", "POST", YAML, laughs(7)
    yield "quadrillion laughs", "POST", YAML, laughs(15)
    yield "wide laughs", "POST", YAML, laughs(4, 200)
    yield "merged laughs", "POST", YAML, merges(20)
    yield "laughs to apply", "APPLY", APPLY, laughs(9)
    yield "an anchor in itself", "POST", YAML, b"a: &a [*a]"
    yield "deep flow", "POST", YAML, b"a: " + b"[" * 100_000
    yield "deep blocks", "POST", YAML, b"\n".join(b" " * n + b"a:" for n in range(1500))
    yield "many documents", "POST", YAML, b"---\na: b\n" * 100_000
    yield "many keys", "POST", YAML, b"\n".join(b"k%d: v" % n for n in range(250_000))
    yield "many dashes", "POST", YAML, b"-\n" * 1_000_000
    yield "a long integer", "POST", YAML, b"metadata: {generation: " + b"9" * 1_000_000 + b"}"
    yield "lists", "POST", JSON, b"[" * 1_000_000
    yield "objects", "POST", JSON, b'{"a":' * 500_000
    yield "closed lists", "POST", JSON, b'{"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    yield "a long number", "POST", JSON, b'{"metadata":{"generation":' + b"9" * 2_900_000 + b"}}"
    yield "a long exponent", "POST", JSON, b'{"metadata":{"generation":1e' + b"9" * 100_000 + b"}}"
    yield "unknown fields", "POST", JSON, _unknown(150_000)
    yield "the same key", "POST", JSON, b'{"metadata":{"name":"a"},"data":{' + b",".join([b'"k":"v"'] * 300_000) + b"}}"
    yield "doubling", "PATCH", PATCH, doubling(1000)
    yield "growing", "PATCH", PATCH, growing(9_990)
    yield (
        "many operations",
        "PATCH",
        PATCH,
        b"[" + b",".join([b'{"op":"test","path":"/data/k","value":"v"}'] * 70_000) + b"]",
    )
    yield "deep pointer", "PATCH", PATCH, json.dumps([{"op": "add", "path": "/a" * 1_000_000, "value": 1}]).encode()
    yield "deep merge", "PATCH", MERGE, b'{"data":' * 400_000
    yield "deep strategic", "PATCH", STRATEGIC, b'{"metadata":' + b'{"$patch":' * 200_000
    yield "packed", "GZIP", JSON, gzip.compress(b'{"data":{"k":"' + b"x" * 500_000_000 + b'"}}', 1)


def _unknown(count: int) -> bytes:
    return json.dumps({"metadata": {"name": "a"}, **{f"f{n}": n for n in range(count)}}).encode()


def size(word: str) -> int:
    """Bytes of this process: VmRSS or VmHWM."""
    found = re.search(rf"^{word}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def work() -> float:
    """Processor time that always the same work takes here and now: twice as much where a core is shared."""
    began = time.process_time()
    for _ in range(8):
        json.loads(json.dumps([{"a": n, "b": [str(n)]} for n in range(5000)]))
    return time.process_time() - began


@pytest.mark.parametrize(("method", "media", "body"), [pytest.param(*rest, id=name) for name, *rest in bodies()])
async def test_a_bomb_is_refused_soon_and_takes_little(http: Http, method: str, media: str, body: bytes) -> None:
    made = await http("POST", MAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert made.code == 201
    path = f"{MAPS}?fieldValidation=Strict" if method in ("POST", "GZIP") else f"{MAPS}/a?fieldManager=x"
    verb = {"APPLY": "PATCH", "GZIP": "POST"}.get(method, method)
    more = {"Content_Encoding": "gzip"} if method == "GZIP" else {}
    pace = work()
    before = size("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    began, used = time.monotonic(), time.process_time()
    answer = await http(verb, path, body, media, **more)
    took = min(time.monotonic() - began, time.process_time() - used)
    grown = size("VmHWM") - before
    pace = max(pace, work())
    assert 400 <= answer.code < 500, answer.body
    assert answer.body["kind"] == "Status"
    assert took < SECONDS * max(1.0, pace / WORK)
    assert grown < GROWTH
    assert (await http("GET", f"{MAPS}/a")).body["metadata"]["resourceVersion"] == made.body["metadata"][
        "resourceVersion"
    ]

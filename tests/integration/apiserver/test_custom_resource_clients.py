"""Custom resources as clients meet them: discovery, OpenAPI, kubectl, selectors, tables; and after a restart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import running_apiserver
from tests.support.definitions import PATH, defined, definition, eventually, foo, foos, spec_of, version
from wherry.store.memory import MemoryLog

SCHEMA = {
    **spec_of({"size": {"type": "integer", "description": "How large."}, "colour": {"type": "string"}}),
    "description": "Foo for tests",
}
SCHEMA["properties"]["spec"]["description"] = "Specification of Foo"
VERSION = version(
    schema=SCHEMA,
    subresources={"status": {}},
    selectableFields=[{"jsonPath": ".spec.colour"}],
    additionalPrinterColumns=[
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
    ],
)
NAMES = {"plural": "foos", "kind": "Foo", "shortNames": ["fo"], "categories": ["all"]}


BELOW = "/apis/example.com/v1"
OPERATIONS = {
    (f"{BELOW}/foos", "get"): "listExampleComV1FooForAllNamespaces",
    (f"{BELOW}/namespaces/{{namespace}}/foos", "get"): "listExampleComV1NamespacedFoo",
    (f"{BELOW}/namespaces/{{namespace}}/foos", "post"): "createExampleComV1NamespacedFoo",
    (f"{BELOW}/namespaces/{{namespace}}/foos", "delete"): "deleteExampleComV1CollectionNamespacedFoo",
    (f"{BELOW}/namespaces/{{namespace}}/foos/{{name}}", "get"): "readExampleComV1NamespacedFoo",
    (f"{BELOW}/namespaces/{{namespace}}/foos/{{name}}", "put"): "replaceExampleComV1NamespacedFoo",
    (f"{BELOW}/namespaces/{{namespace}}/foos/{{name}}", "patch"): "patchExampleComV1NamespacedFoo",
    (f"{BELOW}/namespaces/{{namespace}}/foos/{{name}}", "delete"): "deleteExampleComV1NamespacedFoo",
    (f"{BELOW}/namespaces/{{namespace}}/foos/{{name}}/status", "get"): "readExampleComV1NamespacedFooStatus",
    (f"{BELOW}/namespaces/{{namespace}}/foos/{{name}}/status", "put"): "replaceExampleComV1NamespacedFooStatus",
    (f"{BELOW}/namespaces/{{namespace}}/foos/{{name}}/status", "patch"): "patchExampleComV1NamespacedFooStatus",
}
"""As upstream names them: no watches, no discovery."""


def operations(paths: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (path, method): one["operationId"]
        for path, item in paths.items()
        if path.startswith(BELOW)
        for method, one in item.items()
        if method != "parameters"
    }


async def test_discovery_and_openapi_follow(http: Http) -> None:
    before = (await http("GET", "/openapi/v3")).body["paths"]
    await defined(http, definition(VERSION, names=NAMES))
    listed = (await http("GET", "/apis/example.com/v1")).body["resources"]
    assert [(r["name"], r.get("shortNames")) for r in listed] == [("foos", ["fo"]), ("foos/status", None)]
    after = (await http("GET", "/openapi/v3")).body["paths"]
    assert {path: after[path] for path in before} == before, "documents of other kinds are as they were"
    link = after["apis/example.com/v1"]["serverRelativeURL"]
    whole = (await http("GET", link)).body
    third = whole["components"]["schemas"]
    assert third["com.example.v1.Foo"]["properties"]["spec"]["properties"]["size"]["description"] == "How large."
    assert "com.example.v1.FooList" in third
    second = await http("GET", "/openapi/v2")
    assert operations(second.body["paths"]) == operations(whole["paths"]) == OPERATIONS
    own = second.body["definitions"]["com.example.v1.Foo"]
    assert own["properties"]["spec"] == SCHEMA["properties"]["spec"]
    crd = (await http("GET", f"{PATH}/foos.example.com")).body
    crd["spec"]["versions"].append({**version("v2", SCHEMA), "storage": False})
    await http("PUT", f"{PATH}/foos.example.com", crd)

    async def both() -> bool:
        return (await http("GET", "/apis/example.com/v2")).code == 200

    await eventually(both)
    assert (await http("GET", "/openapi/v2")).headers["ETag"] != second.headers["ETag"]
    assert (await http("GET", "/openapi/v3")).body["paths"]["apis/example.com/v1"]["serverRelativeURL"] == link
    await http("DELETE", f"{PATH}/foos.example.com")

    async def gone() -> bool:
        return (await http("GET", "/apis/example.com/v1")).code == 404

    await eventually(gone)
    assert "com.example.v1.Foo" not in (await http("GET", "/openapi/v2")).body["definitions"]


async def test_selectors_and_tables(http: Http) -> None:
    await defined(http, definition(VERSION, names=NAMES))
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        await http("POST", foos(), foo(name, spec={"size": len(name), "colour": colour}))
    red = await http("GET", foos() + "?fieldSelector=spec.colour=red")
    assert [item["metadata"]["name"] for item in red.body["items"]] == ["a", "c"]
    unknown = await http("GET", foos() + "?fieldSelector=spec.size=1")
    assert (unknown.code, "field label not supported: spec.size" in unknown.message) == (400, True)
    table = await http("GET", foos(), Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    assert [c["name"] for c in table.body["columnDefinitions"]] == ["Name", "Size", "Colour"]
    assert table.body["rows"][1]["cells"] == ["b", 1, "blue"]


@pytest.mark.looptime(False)
async def test_kubectl(http: Http, tmp_path: Path) -> None:
    run = http.running.kubectl
    crd = tmp_path / "crd.json"
    crd.write_text(json.dumps(definition(VERSION, names=NAMES)))
    assert (await run("apply", "-f", str(crd))).code == 0
    assert (await run("wait", "--for=condition=Established", "crd/foos.example.com", "--timeout=10s")).code == 0
    one = json.dumps(foo(spec={"size": 3, "colour": "red"}))
    applied = await run("apply", "-f", "-", stdin=one)
    assert applied.out == "foo.example.com/a created\n", applied.err
    changed = await run("apply", "-f", "-", stdin=one.replace("red", "blue"))
    assert changed.out == "foo.example.com/a configured\n", changed.err
    served = await run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=one)
    assert served.out == "foo.example.com/a serverside-applied\n", served.err
    assert (await run("get", "all")).out.splitlines()[0].split() == ["NAME", "SIZE"]
    assert (await run("get", "fo", "-o", "wide")).out.splitlines()[1].split() == ["a", "3", "red"]
    unknown = await run("apply", "-f", "-", stdin=json.dumps(foo("b", spec={"zzz": 1})))
    assert 'unknown field "spec.zzz"' in unknown.err
    explained = await run("explain", "foos.spec")
    assert "Specification of Foo" in explained.out
    assert "How large." in explained.out
    missing = await run("explain", "foos.spec.none")
    assert 'field "none" does not exist' in missing.err


@asynccontextmanager
async def serving(folder: Path, log: MemoryLog) -> AsyncIterator[Http]:
    """A server over a log that outlives it."""
    async with (
        running_apiserver(folder, log=log) as running,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session,
    ):
        yield Http(running, session)


async def test_after_a_restart_everything_is_served_at_once(tmp_path: Path) -> None:
    log = MemoryLog()
    async with serving(tmp_path / "1", log) as http:
        await defined(http, definition(VERSION, names=NAMES))
        made = await http("POST", foos(), foo(spec={"size": 1}))
    async with serving(tmp_path / "2", log) as http:
        assert (await http("GET", foos("a"))).body == made.body
        assert (await http("POST", foos(), foo("b", spec={"size": "x"}))).code == 422

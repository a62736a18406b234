"""What is authorised is what is read: paths made of odd segments, by somebody who may do everything in one namespace.

NCC RKV, CVE-2022-3162, CVE-2019-11247. Raw requests, as no client would send them. Whatever the answer, it shows and
changes nothing outside that namespace, and every question that authorisation decided is about what was looked up.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.test_access import RBAC
from tests.support.apiserver import Running
from tests.support.definitions import defined

pytestmark = pytest.mark.looptime(False)

CANARY = "cAnArY"
GROUP = "example.com"
ODD = (
    "",
    ".",
    "..",
    "...",
    "%2e",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%252e%252e",
    "..%2fother",
    "..%252fother%252fa",
    "mine%252f..%252fother",
    "%2e%2e%2fother",
    "mine%2f..%2fother",
    "..%5cother",
    "..\\\\other",
    "other%00",
    "%00",
    "mine%00other",
    "%2f",
    "mine%2fconfigmaps",
    "other%2f",
    "%2fother",
    "../other",
    "./other",
    "mine/../other",
    "mine/./../other",
    "//other",
    "/other",
    "other/",
    "other;x=1",
    "..;",
    "*",
    "%2a",
    "%ff",
    "%c0%ae%c0%ae",
    "%ef%bc%8e%ef%bc%8e",
    "other%20",
    "%20other",
    "other%0a",
    "other%09",
    "OTHER",
    "%6fther",
    "oth%65r",
    "mine,other",
    "mine?x=other",
    "mine%3fother",
    "mine#other",
    "mine%23other",
    "namespaces",
    "watch",
    "status",
    "proxy",
)
"""Segments; `other` is the namespace that is not to be seen."""
SHAPES = (
    "/api/v1/namespaces/{0}/configmaps",
    "/api/v1/namespaces/{0}/configmaps/a",
    "/api/v1/namespaces/mine/configmaps/{0}",
    "/api/v1/namespaces/{0}/secrets/a",
    "/api/v1/namespaces/mine/{0}/a",
    "/api/v1/namespaces/mine/{0}/secrets/a",
    "/api/v1/namespaces/mine/configmaps/a/{0}",
    "/api/v1/namespaces/{0}/{1}/a",
    "/api/v1/{0}/other/configmaps/a",
    "/api/v1/watch/namespaces/{0}/configmaps",
    "/api/v1/watch/namespaces/{0}/configmaps/a",
    "/api/{0}/namespaces/mine/configmaps",
    "/apis/example.com/v1/namespaces/{0}/foos",
    "/apis/example.com/v1/namespaces/{0}/foos/a",
    "/apis/{0}/v1/namespaces/mine/foos/a",
    "/apis/example.com/{0}/namespaces/mine/foos/a",
    "/apis/example.com/v1/namespaces/mine/{0}/a",
    "/{0}/api/v1/namespaces/other/configmaps/a",
    "/api/v1/namespaces/mine/../{0}/configmaps/a",
    "/api/v1/nodes/{0}",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{0}/roles/a",
    "/apis/example.com/v1/foos/{0}",
    "/apis/example.com/v1/namespaces/mine/bars/{0}",
    "/apis/example.com/v1/bars/{0}",
    "/api/v1/namespaces/mine/pods/{0}/proxy/{1}",
)


def paths() -> Iterator[str]:
    """Every shape with every odd segment; with two of them, some."""
    random = Random(5)
    for shape in SHAPES:
        if "{1}" not in shape:
            yield from (shape.format(odd) for odd in ODD)
            continue
        yield from (shape.format(*pair) for pair in random.sample(tuple(itertools.product(ODD, ODD)), 120))


async def make(http: Http, path: str, body: dict[str, Any]) -> None:
    answer = await http("POST", path, body)
    assert answer.code == 201, answer.body


def definition(plural: str, kind: str, scope: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP, "scope": scope, "names": {"plural": plural, "kind": kind, "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }  # fmt: skip


@pytest.fixture
async def world(http: Http) -> Http:
    """Namespaces `mine` and `other`, alike; bob may do everything to some resources in `mine`."""
    for crd in (definition("foos", "Foo", "Namespaced"), definition("bars", "Bar", "Cluster")):
        await defined(http, crd)
    await make(http, "/api/v1/nodes", {"metadata": {"name": "n", "annotations": {"x": CANARY}}})
    await make(
        http,
        f"/apis/{GROUP}/v1/bars",
        {"apiVersion": f"{GROUP}/v1", "kind": "Bar", "metadata": {"name": "a"}, "x": CANARY},
    )
    for namespace, text in (("mine", "mine"), ("other", CANARY)):
        await make(http, "/api/v1/namespaces", {"metadata": {"name": namespace}})
        root, core = f"/apis/{GROUP}/v1/namespaces/{namespace}", f"/api/v1/namespaces/{namespace}"
        await make(http, f"{core}/configmaps", {"metadata": {"name": "a"}, "data": {"k": text}})
        await make(http, f"{core}/secrets", {"metadata": {"name": "a", "annotations": {"x": text}}})
        await make(
            http, f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": "a", "annotations": {"x": text}}}
        )
        foo = {"apiVersion": f"{GROUP}/v1", "kind": "Foo", "metadata": {"name": "a"}, "x": text}
        await make(http, f"{root}/foos", foo)
    rules = [
        {"apiGroups": ["", GROUP], "resources": ["configmaps", "foos", "bars", "pods", "pods/proxy"], "verbs": ["*"]}
    ]
    await make(http, f"{RBAC}/namespaces/mine/roles", {"metadata": {"name": "all"}, "rules": rules})
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "bob"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "all"}
    binding = {"metadata": {"name": "all"}, "roleRef": ref, "subjects": [subject]}
    await make(http, f"{RBAC}/namespaces/mine/rolebindings", binding)
    return http


class Wire:
    """Requests as they are written, one after the other over one connection."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._tls = running.tls("bob", ())
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """(status, body), of which a watch's is only its beginning."""
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._running.server.port, ssl=self._tls)
        reader, writer = self._open
        lines = (
            f"{method} {path} HTTP/1.1",
            "Host: x",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n\r\n")
            status, lower = int(answer.split(b" ", 2)[1]), answer.lower()
            if b"content-length:" not in lower:  # a watch: what comes soon, then no more of it
                found = b""
                try:
                    async with asyncio.timeout(0.2):
                        while piece := await reader.read(65536):
                            found += piece
                except TimeoutError:
                    pass
                self.close()
                return status, found
            length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            found = await reader.readexactly(length)
        if b"connection: close" in lower:
            self.close()
        return status, found

    def close(self) -> None:
        """End the connection."""
        if self._open is not None:
            self._open[1].transport.abort()
            self._open = None


def stored(http: Http) -> dict[str, bytes]:
    """Everything outside `mine`, by key."""
    api = http.running.server.api
    return {
        entry.key: entry.data
        for resource in api.served
        if resource.plural in ("configmaps", "secrets", "foos", "bars", "roles", "nodes", "namespaces")
        for entry in api.window(resource).list().items
        if entry.namespace != "mine"
    }


async def test_odd_paths_lead_nowhere_else(world: Http) -> None:
    """(Fails when a segment is decoded twice, or after the decision, or when scope is taken from the path alone.)"""
    before = stored(world)
    asked: list[tuple[str, str]] = []
    authorizer = world.running.server.api.authorizer
    require = authorizer.require

    def watched(user: Any, info: Any) -> None:
        if user.name == "bob":
            asked.append((info.namespace, info.name))
        require(user, info)

    wire = Wire(world.running)
    authorizer.require = watched  # type: ignore[method-assign] # only listens
    codes: dict[int, int] = {}
    wrong: list[tuple[str, str, int, bytes]] = []
    foreign: list[tuple[str, tuple[str, str]]] = []
    for path in paths():
        if any(ord(c) <= 32 or ord(c) > 126 for c in path):
            continue
        for method, body in (("GET", b""), ("PUT", _changed(path)), ("DELETE", b"")):
            if method == "DELETE" and path.endswith(("/configmaps/a", "/foos/a")) and "/mine/" in path:
                continue  # what bob may delete is needed again
            asked.clear()
            code, answer = await wire.ask(method, path, body)
            codes[code] = codes.get(code, 0) + 1
            if code >= 500 or CANARY.encode() in answer:
                wrong.append((method, path, code, answer[:300]))
            if 200 <= code < 300 and not _own(answer):
                wrong.append((method, path, code, answer[:300]))
            foreign += [(path, pair) for pair in asked if "/" in "".join(pair) or {".", ".."} & set(pair)]
    wire.close()
    assert wrong == []
    assert foreign == []
    assert stored(world) == before
    assert {400, 403, 404} < set(codes)


def _changed(path: str) -> bytes:
    """An object that would fit where the path seems to lead."""
    kind = "Foo" if "foos" in path else "Bar" if "bars" in path else "ConfigMap"
    version = "v1" if kind == "ConfigMap" else f"{GROUP}/v1"
    return json.dumps(
        {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "data": {"k": "bob was here"}}
    ).encode()


def _own(answer: bytes) -> bool:
    """Whether what was answered is of `mine`, or no object at all."""
    try:
        found = json.loads(answer) if answer else {}
    except ValueError:
        found = [json.loads(line) for line in answer.splitlines() if line.startswith(b"{")]
    items = found if isinstance(found, list) else found.get("items", [found])
    namespaces = {item.get("metadata", {}).get("namespace") for item in items if item.get("kind") != "Status"}
    return namespaces <= {"mine", None}


async def test_the_scope_of_a_resource_is_not_the_paths(world: Http) -> None:
    """CVE-2019-11247: rights in one namespace are none to a resource that has no namespaces."""
    wire = Wire(world.running)
    for path in ("bars", "bars/a"):
        for root in (f"/apis/{GROUP}/v1/namespaces/mine", f"/apis/{GROUP}/v1"):
            code, answer = await wire.ask("GET", f"{root}/{path}")
            assert code in (403, 404), (root, path, answer)
            assert CANARY.encode() not in answer
    code, _ = await wire.ask("GET", f"/apis/{GROUP}/v1/namespaces/mine/foos/a")
    assert code == 200
    wire.close()

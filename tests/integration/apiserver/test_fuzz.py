"""The API against its own OpenAPI, and with nearly right objects: no 5xx, always a Status, nothing half-written.

WHERRY_FUZZ says how many cases are made of each operation of every group, and of each golden object, at random; without
it one of each of a few groups and of each object, always the same.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any

import msgspec
import pytest
import yaml
from yarl import URL

from tests.golden.api.test_golden import HERE, merged
from tests.integration.apiserver.conftest import Http
from tests.support.fuzzing import NAMESPACE, Fuzzer, Got, Sent, fuzz, wrong
from tests.support.mutations import mutated
from wherry.api.registry import RESOURCES
from wherry.apiserver.views import stored_as
from wherry.machinery.resource import Resource

pytestmark = [pytest.mark.looptime(False), pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")]

CASES = int(os.environ.get("WHERRY_FUZZ", "0"))
FEW = ("apis/policy/v1", "apis/coordination.k8s.io/v1", "apis/networking.k8s.io/v1")
JSON, MERGE = "application/json", "application/merge-patch+json"
SLOW_SECONDS = 5.0
COLLECTION = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)/(?:namespaces/[^/]+/(?=[^/?]))?(?P<plural>[^/?]+)"
)
KEPT = frozenset({"flowschemas", "prioritylevelconfigurations", "customresourcedefinitions", "apiservices"})
"""The server itself writes their status, at any time."""
Ask = Callable[[Sent], Awaitable[Got]]


def asking(http: Http) -> Ask:
    """How a request is sent to this server."""
    api = http.running.server.api

    def stored(path: str) -> object:
        found = COLLECTION.match(path)
        if found is None or found["plural"] in KEPT:
            return None
        resource = api.served.find(found["group"] or "", found["version"], found["plural"])
        if resource is None:
            return None
        return tuple((entry.key, entry.revision) for entry in api.window(stored_as(resource)).list().items)

    async def ask(sent: Sent) -> Got:
        before = stored(sent.path)
        headers = {"Content-Type": sent.media} if sent.media else {}
        url = URL(http.running.url + sent.path, encoded=True)
        async with http.session.request(sent.method, url, data=sent.body, headers=headers) as response:
            body = await response.read()
        return Got(response.status, body, before, stored(sent.path))

    return ask


async def documents(http: Http) -> dict[str, Any]:
    root = (await http("GET", "/openapi/v3")).body["paths"]
    names = list(root) if CASES else FEW
    return {name: (await http("GET", f"/openapi/v3/{name}")).body for name in names}


async def test_the_api_keeps_to_its_own_document(http: Http) -> None:
    assert NAMESPACE == "demo"
    loop, ask = asyncio.get_running_loop(), asking(http)

    async def waited(sent: Sent) -> Got:
        return await ask(sent)

    def send(sent: Sent) -> Got:
        return asyncio.run_coroutine_threadsafe(waited(sent), loop).result(60)

    fuzzer = Fuzzer(send, CASES or 1, fixed=not CASES)
    await fuzz(fuzzer, await documents(http))
    report = "\n".join(f"{operation}: {fault}" for operation, fault in fuzzer.faults.items())
    assert not fuzzer.faults, f"{fuzzer.codes}\n{report}"
    assert fuzzer.codes.get(201, 0) + fuzzer.codes.get(200, 0) > 10, fuzzer.codes


def golden() -> Iterator[tuple[Resource[Any], Any]]:
    """Every object of the golden cases that can be made."""
    kinds = {(r.api_version, r.kind): r for r in RESOURCES}
    for path in sorted(HERE.glob("*/*.yaml")):
        base, cases, *_ = yaml.safe_load_all(path.read_text())
        for case in cases if CASES else cases[:3]:
            obj = merged(base, case.get("object") or {})
            resource = kinds.get((obj.get("apiVersion"), obj.get("kind")))
            if resource is not None and "create" in resource.verbs:
                yield resource, obj


def place(resource: Resource[Any]) -> str:
    root = f"/apis/{resource.group}" if resource.group else "/api"
    middle = f"namespaces/{NAMESPACE}/" if resource.namespaced else ""
    return f"{root}/{resource.version}/{middle}{resource.plural}"


async def test_objects_that_are_nearly_right(http: Http) -> None:
    """Made, replaced and patched with each change, whatever the server says to the one before."""
    seed = time.time_ns() if CASES else 0
    random, ask = Random(seed), asking(http)
    codes: dict[int, int] = {}
    faults: dict[tuple[str, str], str] = {}

    async def attempt(resource: Resource[Any], sent: Sent) -> Got:
        began = time.monotonic()
        got = await ask(sent)
        codes[got.code] = codes.get(got.code, 0) + 1
        fault = wrong(sent, got)
        if fault is None and time.monotonic() - began > SLOW_SECONDS:
            fault = "slow"
        if fault is not None:
            faults.setdefault((str(resource), sent.method), f"{fault}: {sent} -> {got.code} {got.body[:300]!r}")
        return got

    for resource, obj in golden():
        path = place(resource)
        meta = {k: v for k, v in obj.get("metadata", {}).items() if k != "namespace"}
        name = str(meta.get("name") or "x")
        obj = {**obj, "metadata": {**meta, "name": name}}
        for _ in range(CASES or 1):
            await attempt(resource, Sent("POST", path, JSON, _json(mutated(random, obj)), dry=False))
            made = await attempt(resource, Sent("POST", path, JSON, _json(obj), dry=False))
            if made.code == 201 and "update" in resource.verbs:
                stored = msgspec.json.decode(made.body)
                one = f"{path}/{name}"
                await attempt(resource, Sent("PUT", one, JSON, _json(mutated(random, stored)), dry=False))
                await attempt(resource, Sent("PATCH", one, MERGE, _json(mutated(random, stored)), dry=False))
                await attempt(resource, Sent("PUT", f"{one}/status", JSON, _json(mutated(random, stored)), dry=False))
                await attempt(resource, Sent("DELETE", f"{one}?gracePeriodSeconds=0", "", None, dry=False))
            if "list" in resource.verbs:
                listed = await attempt(resource, Sent("GET", path, "", None, dry=False))
                assert listed.code == 200, (resource, listed)
    report = "\n".join(f"{operation}: {fault}" for operation, fault in faults.items())
    assert not faults, f"seed {seed}, {codes}\n{report}"
    assert codes[201] > 50, codes


def _json(obj: Any) -> bytes:
    return msgspec.json.encode(obj)


@pytest.mark.parametrize(
    ("code", "body", "moved", "what"),
    [
        (500, b"{}", 0, "a failure of the server's own"),
        (400, b"no", 0, "no Status"),
        (400, b'{"kind":"Status","code":404,"message":"x"}', 0, "not quite a Status"),
        (422, b'{"kind":"Status","code":422,"message":"x"}', 1, "something was written"),
        (201, b"{}", 1, None),
    ],
)
def test_what_is_wrong_is_seen(code: int, body: bytes, moved: int, what: str | None) -> None:
    assert wrong(Sent("POST", "/", "", b"", dry=False), Got(code, body, 1, 1 + moved)) == what

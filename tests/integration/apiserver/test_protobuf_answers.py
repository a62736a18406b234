"""A client that accepts nothing but protobuf is told what others are told in JSON, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.test_audit_log import EVERYTHING, about, audited
from tests.support.definitions import defined, definition, foo, foos
from wherry.api.registry import RESOURCES
from wherry.apiserver.audit.policy import read
from wherry.apiserver.protobuf import MEDIA, fields, to_json
from wherry.machinery import codec
from wherry.machinery.resource import Resource

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
PODS = "/api/v1/namespaces/demo/pods"
MERGE = "application/merge-patch+json"
PARTIAL = f"{MEDIA};as={{}};v=v1;g=meta.k8s.io"
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


async def asked(
    http: Http, method: str, path: str, body: object = None, accept: str = MEDIA, **more: str
) -> tuple[int, Any]:  # fmt: skip
    """(code, object) of an answer that is in protobuf."""
    answer = await http(method, path, body, Accept=accept, **more)
    assert answer.headers["Content-Type"].startswith(MEDIA), answer.body
    return answer.code, msgspec.json.decode(to_json(answer.body))


@asynccontextmanager
async def watching(http: Http, path: str) -> AsyncIterator[Any]:
    """A function that gives (type, object) of the next event of a watch, None at its end."""
    async with http.session.get(http.running.url + path, headers={"Accept": MEDIA}) as response:
        assert response.headers["Content-Type"] == f"{MEDIA};stream=watch"

        async def following() -> Any:
            async with asyncio.timeout(5):
                head = await response.content.read(4)
                if not head:
                    return None
                head += await response.content.readexactly(4 - len(head))
                event = dict(fields(await response.content.readexactly(int.from_bytes(head, "big"))))
            return event[1].decode(), msgspec.json.decode(to_json(dict(fields(event[2]))[1]))

        yield following


async def test_an_object_through_its_life(http: Http) -> None:
    body = {"metadata": {"name": "a"}, "data": {"k": "v"}, "binaryData": {"b": "AP8="}}
    code, made = await asked(http, "POST", MAPS, body)
    assert (code, made["kind"], made["apiVersion"], made["binaryData"]) == (201, "ConfigMap", "v1", {"b": "AP8="})
    assert made == (await http("GET", f"{MAPS}/a")).body == (await asked(http, "GET", f"{MAPS}/a"))[1]
    code, put = await asked(http, "PUT", f"{MAPS}/a", {**made, "data": {"k": "w"}})
    assert (code, put["data"]) == (200, {"k": "w"})
    code, shown = await asked(http, "PATCH", f"{MAPS}/a?dryRun=All", {"data": {"k": "x"}}, content=MERGE)
    assert (code, shown["data"], shown["metadata"]["uid"]) == (200, {"k": "x"}, made["metadata"]["uid"])
    code, status = await asked(http, "PUT", f"{MAPS}/a", made)
    assert (code, status["reason"], status["details"]["kind"]) == (409, "Conflict", "configmaps")
    code, status = await asked(http, "POST", MAPS, {"metadata": {"name": "A"}})
    assert (code, status["details"]["causes"][0]["field"]) == (422, "metadata.name")
    code, status = await asked(http, "DELETE", f"{MAPS}/a")
    assert (code, status["status"], status["details"]["uid"]) == (200, "Success", made["metadata"]["uid"])
    code, status = await asked(http, "GET", f"{MAPS}/a")
    assert (code, status["message"], status["code"]) == (404, 'configmaps "a" not found', 404)


@pytest.mark.parametrize("size", [10, 10_000])
async def test_lists(http: Http, size: int) -> None:
    """Short ones and long ones, whole or their metadata alone."""
    for n in range(45):
        body = {"metadata": {"name": f"a{n:02}", "annotations": {"a": "é" * size}}, "data": {"k": "<"}}
        assert (await http("POST", MAPS, body)).code == 201
    plain = (await http("GET", f"{MAPS}?limit=42")).body
    listed = (await asked(http, "GET", f"{MAPS}?limit=42"))[1]
    plain["metadata"].pop("continue")
    assert listed["metadata"].pop("continue")
    for item in plain["items"]:  # which protobuf says of the list alone
        del item["kind"], item["apiVersion"]
    assert listed == plain
    short = (await asked(http, "GET", f"{MAPS}?limit=42", accept=PARTIAL.format("PartialObjectMetadataList")))[1]
    assert short["kind"] == "PartialObjectMetadataList"
    assert short["items"] == [{"metadata": item["metadata"]} for item in plain["items"]]
    one = (await asked(http, "GET", f"{MAPS}/a07", accept=PARTIAL.format("PartialObjectMetadata")))[1]
    assert one["metadata"] == plain["items"][7]["metadata"]
    code, gone = await asked(http, "DELETE", MAPS)
    assert (code, gone["kind"], len(gone["items"])) == (200, "ConfigMapList", 45)


@pytest.mark.parametrize("resource", [r for r in RESOURCES if "list" in r.verbs], ids=str)
async def test_every_kind_is_listed(http: Http, resource: Resource[Any]) -> None:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    plain = (await http("GET", f"{root}/{resource.plural}")).body
    code, found = await asked(http, "GET", f"{root}/{resource.plural}")
    assert (code, found["kind"], found["apiVersion"]) == (200, plain["kind"], plain["apiVersion"])
    typed = [[codec.from_dict(resource.type, one) for one in body.get("items", ())] for body in (found, plain)]
    assert typed[0] == typed[1]


async def test_a_watch(http: Http) -> None:
    await http("POST", MAPS, {"metadata": {"name": "a"}})
    async with watching(http, f"{MAPS}?watch=1&allowWatchBookmarks=1&sendInitialEvents=1"
                        "&resourceVersionMatch=NotOlderThan&timeoutSeconds=2") as following:  # fmt: skip
        assert [(await following())[1]["metadata"]["name"]] == ["a"]
        kind, mark = await following()
        assert (kind, mark["kind"], mark["apiVersion"]) == ("BOOKMARK", "ConfigMap", "v1")
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await http("PATCH", f"{MAPS}/a", {"data": {"k": "v"}}, MERGE)
        await http("DELETE", f"{MAPS}/a")
        kind, obj = await following()
        assert (kind, obj["data"]) == ("MODIFIED", {"k": "v"})
        kind, obj = await following()
        assert (kind, obj["data"], obj["kind"]) == ("DELETED", {"k": "v"}, "ConfigMap")
        assert (await following())[0] == "BOOKMARK"  # its time is nearly up
        assert await following() is None


async def test_a_watch_from_too_long_ago(http: Http) -> None:
    for _ in range(3):
        await http("POST", MAPS, {"metadata": {"generateName": "a"}})
    api = http.running.server.api
    api.window(api.served.get("", "v1", "configmaps")).trim(api.clock.monotonic() + 10_000)
    async with watching(http, f"{MAPS}?watch=1&resourceVersion=1") as following:
        kind, status = await following()
        assert (kind, status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
        assert await following() is None


async def test_subresources(http: Http) -> None:
    deployment = {"metadata": {"name": "d"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}  # fmt: skip
    code, made = await asked(http, "POST", "/apis/apps/v1/namespaces/demo/deployments", deployment)
    assert (code, made["spec"]["replicas"], made["spec"]["strategy"]["rollingUpdate"]["maxSurge"]) == (201, 0, "25%")
    code, scale = await asked(http, "GET", "/apis/apps/v1/namespaces/demo/deployments/d/scale")
    assert (code, scale["apiVersion"], scale["kind"], scale["status"]["selector"]) == (
        200,
        "autoscaling/v1",
        "Scale",
        "a=b",
    )
    assert (await http("POST", PODS, {"metadata": {"name": "p"}, "spec": TEMPLATE["spec"]})).code == 201
    code, pod = await asked(http, "PATCH", f"{PODS}/p/status", {"status": {"phase": "Running"}}, content=MERGE)
    assert (code, pod["status"]["phase"], pod["spec"]["containers"][0]["image"]) == (200, "Running", "i")
    code, status = await asked(http, "POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}})
    assert (code, status["kind"], status["status"]) == (201, "Status", "Success")
    code, token = await asked(http, "POST", "/api/v1/namespaces/demo/serviceaccounts/default/token", {"spec": {}})
    assert (code, token["kind"], token["status"]["token"].count(".")) == (201, "TokenRequest", 2)
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    code, told = await asked(http, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (code, told["status"]["allowed"]) == (201, True)


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1"])
async def test_discovery(http: Http, path: str) -> None:
    plain = (await http("GET", path)).body
    code, found = await asked(http, "GET", path)
    plain.setdefault("apiVersion", "v1")
    plain.pop("serverAddressByClientCIDRs", None)
    for one in plain.get("resources", ()):  # zero values are not told apart from missing ones
        for name in ("singularName", "namespaced"):
            if not one[name]:
                del one[name]
    assert (code, found) == (200, plain)


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_aggregated_discovery(http: Http, version: str) -> None:
    form = f";g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    answer = await http("GET", "/apis", Accept=MEDIA + form)
    assert (answer.code, answer.headers["Content-Type"]) == (200, MEDIA + form)
    found = msgspec.json.decode(to_json(answer.body))
    (apps,) = (group for group in found["items"] if group["metadata"]["name"] == "apps")
    assert {r["resource"] for r in apps["versions"][0]["resources"]} > {"deployments", "daemonsets"}
    again = await http("GET", "/apis", Accept=MEDIA + form, If_None_Match=answer.headers["ETag"])
    assert (again.code, again.body) == (304, None)


async def test_custom_resources_have_no_protobuf_but_metadata_has(http: Http) -> None:
    crd = await defined(http, definition())
    code, shown = await asked(
        http, "GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    )
    schema = shown["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert (code, schema) == (200, {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    paths = foos(namespace="demo")
    for method, path, body in (("POST", paths, foo()), ("GET", paths, None), ("GET", f"{paths}?watch=1", None)):
        code, status = await asked(http, method, path, body)
        assert (code, status["reason"], status["message"]) == (
            406, "NotAcceptable", "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf",
        )  # fmt: skip
    assert (await http("GET", paths)).body["items"] == []
    assert (await http("POST", paths, foo())).code == 201
    code, listed = await asked(http, "GET", paths, accept=PARTIAL.format("PartialObjectMetadataList"))
    assert (code, [one["metadata"]["name"] for one in listed["items"]]) == (200, ["a"])


async def test_what_is_not_acceptable_is_not_done(http: Http) -> None:
    refused = await http("POST", MAPS, {"metadata": {"name": "a"}}, Accept="image/png")
    assert (refused.code, refused.body["reason"]) == (406, "NotAcceptable")
    assert (await http("GET", f"{MAPS}/a")).code == 404
    table = await http("GET", MAPS, Accept=f"{MEDIA};as=Table;v=v1;g=meta.k8s.io")
    assert (table.code, table.body["reason"]) == (406, "NotAcceptable")


async def test_what_is_no_object_stays_json(http: Http) -> None:
    for path in ("/version", "/openid/v1/jwks"):
        assert (await http("GET", path, Accept=MEDIA)).body == (await http("GET", path)).body


async def test_the_audit_log_is_json(tmp_path: Path) -> None:
    async with audited(tmp_path, read({**EVERYTHING, "rules": [{"level": "RequestResponse"}]})) as http:
        await asked(
            http, "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}, "data": {"k": "v"}}
        )
    (told,) = [one for one in about(tmp_path, "configmaps") if one["objectRef"].get("name") == "a"]
    assert told["responseObject"]["data"] == {"k": "v"}

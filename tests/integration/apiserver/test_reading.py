"""Lists, pages, selectors, tables and watches over HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
ALL_MAPS = "/api/v1/configmaps"
OWN = "fieldSelector=metadata.namespace!%3Dkube-system"  # where the server has ConfigMaps of its own
MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def fill(http: Http, count: int, start: int = 0) -> None:
    for n in range(start, start + count):
        body = {"metadata": {"name": f"a{n:03}", "labels": {"odd": str(n % 2)}}}
        assert (await http("POST", MAPS, body)).code == 201


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


@asynccontextmanager
async def watching(http: Http, path: str, **headers: str) -> AsyncIterator[Any]:
    """A function that gives the next event of a watch."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    async with http.session.get(http.running.url + path, headers=sent) as response:
        assert response.status == 200, await response.text()

        async def following() -> Any:
            async with asyncio.timeout(5):
                line = await response.content.readline()
            return msgspec.json.decode(line) if line else None

        yield following


async def test_pages_show_one_moment(http: Http) -> None:
    await fill(http, 7)
    first = (await http("GET", f"{MAPS}?limit=3")).body
    assert names(first) == ["a000", "a001", "a002"]
    assert first["metadata"]["remainingItemCount"] == 4
    await http("DELETE", f"{MAPS}/a004")
    await fill(http, 2, 50)
    second = (await http("GET", f"{MAPS}?limit=3&continue={first['metadata']['continue']}")).body
    assert names(second) == ["a003", "a004", "a005"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    third = (await http("GET", f"{MAPS}?limit=3&continue={second['metadata']['continue']}")).body
    assert names(third) == ["a006"]
    assert "continue" not in third["metadata"]


async def test_a_token_of_another_place_is_refused(http: Http) -> None:
    await fill(http, 3)
    token = (await http("GET", f"{MAPS}?limit=1")).body["metadata"]["continue"]
    other = await http("GET", f"/api/v1/namespaces/default/configmaps?continue={token}")
    assert other.code == 400


async def test_lists_at_a_revision(http: Http) -> None:
    await fill(http, 2)
    then = (await http("GET", MAPS)).body["metadata"]["resourceVersion"]
    await fill(http, 1, 2)
    exact = (await http("GET", f"{MAPS}?resourceVersion={then}&resourceVersionMatch=Exact")).body
    assert (names(exact), exact["metadata"]["resourceVersion"]) == (["a000", "a001"], then)
    newer = (await http("GET", f"{MAPS}?resourceVersion={then}&resourceVersionMatch=NotOlderThan")).body
    assert len(newer["items"]) == 3
    assert len((await http("GET", f"{MAPS}?resourceVersion=0")).body["items"]) == 3


async def test_selectors(http: Http) -> None:
    await fill(http, 4)
    assert names((await http("GET", f"{MAPS}?labelSelector=odd%3D1")).body) == ["a001", "a003"]
    assert names((await http("GET", f"{ALL_MAPS}?labelSelector=odd%20notin%20(1)&{OWN}")).body) == ["a000", "a002"]
    assert names((await http("GET", f"{MAPS}?fieldSelector=metadata.name%3Da002")).body) == ["a002"]
    assert names((await http("GET", f"{MAPS}?fieldSelector=metadata.name!%3Da002,metadata.namespace%3Ddemo")).body) == [
        "a000", "a001", "a003",
    ]  # fmt: skip


async def test_tables_and_metadata(http: Http) -> None:
    await fill(http, 2)
    table = (await http("GET", MAPS, Accept=TABLE)).body
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][0] for row in table["rows"]] == ["a000", "a001"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = (await http("GET", MAPS, Accept=PARTIAL)).body
    assert partial["kind"] == "PartialObjectMetadataList"
    assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}
    text = await http("GET", f"{MAPS}/a000", Accept="application/yaml")
    assert text.headers["Content-Type"] == "application/yaml"
    assert (await http("GET", MAPS, Accept="image/png")).code == 406


async def test_large_answers_are_packed(http: Http) -> None:
    body = {"metadata": {"name": "big"}, "data": {"x": "y" * 400_000}}
    await http("POST", MAPS, body)
    answer = await http("GET", MAPS, Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body["items"][0]["data"]["x"]) == 400_000


async def test_a_watch_tells_everything_from_where_it_began(http: Http) -> None:
    await fill(http, 1)
    since = (await http("GET", MAPS)).body["metadata"]["resourceVersion"]
    await fill(http, 1, 1)
    async with watching(http, f"{MAPS}?watch=1&resourceVersion={since}") as following:
        event = await following()
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a001")
        await http("PATCH", f"{MAPS}/a000", {"data": {"x": "1"}}, MERGE)
        await http("DELETE", f"{MAPS}/a001")
        changed, gone = await following(), await following()
    assert (changed["type"], changed["object"]["data"]) == ("MODIFIED", {"x": "1"})
    assert gone["type"] == "DELETED"
    assert int(gone["object"]["metadata"]["resourceVersion"]) > int(changed["object"]["metadata"]["resourceVersion"])


async def test_a_watch_by_label_sees_objects_come_and_go(http: Http) -> None:
    await fill(http, 1)
    since = (await http("GET", MAPS)).body["metadata"]["resourceVersion"]
    async with watching(http, f"{MAPS}?watch=1&labelSelector=odd%3D1&resourceVersion={since}") as following:
        await http("PATCH", f"{MAPS}/a000", {"metadata": {"labels": {"odd": "1"}}}, MERGE)
        assert (await following())["type"] == "ADDED"
        await http("PATCH", f"{MAPS}/a000", {"metadata": {"labels": {"odd": "0"}}}, MERGE)
        assert (await following())["type"] == "DELETED"


async def test_a_watch_without_revision_begins_with_what_there_is(http: Http) -> None:
    await fill(http, 3)
    async with watching(http, f"{MAPS}?watch=1") as following:
        assert [(await following())["object"]["metadata"]["name"] for _ in range(3)] == ["a000", "a001", "a002"]


async def test_initial_events_end_with_a_bookmark(http: Http) -> None:
    await fill(http, 2)
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with watching(http, f"{MAPS}?{query}") as following:
        assert [(await following())["type"] for _ in range(2)] == ["ADDED", "ADDED"]
        mark = await following()
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["kind"] == "ConfigMap"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_after_its_time(http: Http) -> None:
    async with watching(http, f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0") as following:
        assert await following() is None


async def test_a_watch_of_tables_names_the_columns_once(http: Http) -> None:
    await fill(http, 2)
    async with watching(http, f"{MAPS}?watch=1", Accept=TABLE) as following:
        first, second = await following(), await following()
    assert first["object"]["columnDefinitions"]
    assert not second["object"]["columnDefinitions"]
    assert second["object"]["rows"][0]["cells"][0] == "a001"


async def test_a_watch_from_lost_history_says_so(http: Http) -> None:
    await fill(http, 3)
    api = http.running.server.api
    window = api.window(api.served.get("", "v1", "configmaps"))
    window.trim(api.clock.monotonic() + 10_000)
    async with watching(http, f"{MAPS}?watch=1&resourceVersion=1") as following:
        event = await following()
        assert event is not None, "it must not end without a word"
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert await following() is None
    listed = await http("GET", f"{MAPS}?resourceVersion=1&resourceVersionMatch=Exact")
    assert (listed.code, listed.body["reason"]) == (410, "Expired")


async def test_a_page_of_lost_history_gives_a_way_on(http: Http) -> None:
    await fill(http, 3)
    token = (await http("GET", f"{MAPS}?limit=1")).body["metadata"]["continue"]
    await fill(http, 1, 3)
    api = http.running.server.api
    api.window(api.served.get("", "v1", "configmaps")).trim(api.clock.monotonic() + 10_000)
    expired = await http("GET", f"{MAPS}?limit=1&continue={token}")
    assert expired.code == 410
    on = await http("GET", f"{MAPS}?limit=5&continue={expired.body['metadata']['continue']}")
    assert names(on.body) == ["a001", "a002", "a003"]


async def test_discovery_plain_and_aggregated(http: Http) -> None:
    plain = (await http("GET", "/apis/apps/v1")).body
    assert {"deployments", "deployments/scale", "deployments/status"} <= {r["name"] for r in plain["resources"]}
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    both = await http("GET", "/api", Accept=accept)
    assert both.body["kind"] == "APIGroupDiscoveryList"
    pods = next(r for r in both.body["items"][0]["versions"][0]["resources"] if r["resource"] == "pods")
    assert pods["responseKind"]["kind"] == "Pod"
    again = await http("GET", "/api", Accept=accept, If_None_Match=both.headers["ETag"])
    assert again.code == 304
    assert (await http("GET", "/version")).body["minor"] == "37"


async def test_openapi(http: Http) -> None:
    root = (await http("GET", "/openapi/v3")).body
    found = await http("GET", root["paths"]["apis/apps/v1"]["serverRelativeURL"])
    schemas = found.body["components"]["schemas"]
    assert "io.k8s.api.apps.v1.Deployment" in schemas
    assert "io.k8s.api.core.v1.Container" in schemas
    whole = await http("GET", "/openapi/v2")
    assert "/apis/apps/v1/namespaces/{namespace}/deployments/{name}" in whole.body["paths"]


async def test_answers_without_metadata_have_no_other_forms(http: Http) -> None:
    review = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    table = TABLE.partition(",")[0]
    assert (await http("POST", path, review, Accept=table)).code == 406
    assert (await http("POST", path, review, Accept=TABLE)).body["status"]["allowed"] is True


async def test_events_are_selected_by_their_names_in_either_version(http: Http) -> None:
    event = {
        "metadata": {"name": "e", "namespace": "demo"},
        "involvedObject": {"kind": "Pod", "name": "a=b,c", "namespace": "demo"},
        "reportingComponent": "tester",
        "reportingInstance": "t",
    }
    assert (await http("POST", "/api/v1/namespaces/demo/events", event)).code == 201
    new = "/apis/events.k8s.io/v1/namespaces/demo/events?fieldSelector="
    old = "/api/v1/namespaces/demo/events?fieldSelector="
    assert names((await http("GET", f"{new}reportingController%3Dtester")).body) == ["e"]
    assert names((await http("GET", f"{new}reportingController%21%3Dtester")).body) == []
    assert names((await http("GET", f"{new}regarding.name%3Da%5C%3Db%5C%2Cc")).body) == ["e"]
    assert names((await http("GET", f"{old}reportingComponent%3Dtester")).body) == ["e"]
    assert (await http("GET", f"{new}reportingComponent%3Dtester")).code == 400

"""Custom resources in several versions: conversion by name and by webhook, whatever is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tests.integration.apiserver.conftest import Http
from tests.support.definitions import PATH, defined, definition, eventually, foo, foos, spec_of, version
from tests.support.webhook import Webhook, webhook_server
from wherry.store.windows import prefix_of

MERGE = "application/merge-patch+json"
V1 = version("v1", spec_of({"size": {"type": "string"}, "one": {"type": "integer", "default": 1}}))
V2 = version("v2", spec_of({"size": {"type": "string"}, "two": {"type": "integer", "default": 2}}), storage=False)


def in_store(http: Http, name: str = "a") -> dict[str, Any]:
    """What the log holds of an instance."""
    api = http.running.server.api
    resource = api.served.get("example.com", "v1", "foos")
    entry = api.window(resource).get(f"{prefix_of(resource)}default/{name}")
    assert entry is not None
    found: dict[str, Any] = msgspec.json.decode(entry.data)
    return found


async def test_by_name(http: Http) -> None:
    await defined(http, definition(V1, {**V2, "deprecated": True}))
    made = await http("POST", foos(version="v2"), foo(version="v2", spec={"size": "5"}))
    assert made.code == 201, made.body
    assert (made.body["apiVersion"], made.body["spec"]) == ("example.com/v2", {"size": "5", "two": 2})
    assert made.headers["Warning"] == '299 - "example.com/v2 Foo is deprecated"'
    assert (in_store(http)["apiVersion"], in_store(http)["spec"]) == ("example.com/v1", {"size": "5", "one": 1})
    first = await http("GET", foos("a"))
    assert (first.body["apiVersion"], first.body["spec"]) == ("example.com/v1", {"size": "5", "one": 1})
    assert "Warning" not in first.headers
    second = await http("GET", foos(version="v2"))
    assert second.body["apiVersion"] == "example.com/v2"
    assert second.body["items"][0]["spec"] == {"size": "5", "two": 2}
    changed = await http("PATCH", foos("a", "v2"), {"spec": {"size": "6"}}, MERGE)
    assert (changed.body["apiVersion"], changed.body["metadata"]["generation"]) == ("example.com/v2", 2)
    apply = await http("PATCH", foos("a", "v2") + "?fieldManager=m&force=true", foo(version="v2", spec={"size": "7"}),
                       "application/apply-patch+yaml")  # fmt: skip
    assert apply.code == 200, apply.body
    assert (await http("GET", foos("a"))).body["spec"]["size"] == "7"
    managers = {(e["manager"], e["apiVersion"]) for e in apply.body["metadata"]["managedFields"]}
    assert ("m", "example.com/v2") in managers


async def test_what_is_stored_in_an_older_version_is_served_in_every_one(http: Http) -> None:
    await defined(http, definition(V1, V2))
    await http("POST", foos(), foo(spec={"size": "5"}))
    crd = (await http("GET", f"{PATH}/foos.example.com")).body
    crd["spec"]["versions"][0]["storage"] = False
    crd["spec"]["versions"][1]["storage"] = True
    moved = await http("PUT", f"{PATH}/foos.example.com", crd)
    assert moved.body["status"]["storedVersions"] == ["v1", "v2"]
    for each in ("v1", "v2"):
        found = await http("GET", foos("a", each))
        assert found.body["apiVersion"] == f"example.com/{each}"

    async def rewritten() -> bool:
        body = (await http("GET", foos("a", "v2"))).body
        await http("PUT", foos("a", "v2"), body)
        return bool(in_store(http)["apiVersion"] == "example.com/v2")

    await eventually(rewritten)
    refused = await http("PATCH", f"{PATH}/foos.example.com", [{"op": "remove", "path": "/spec/versions/0"}],
                         "application/json-patch+json")  # fmt: skip
    assert refused.code == 422
    assert "v1 was previously a storage version" in refused.message


def _convert(request: dict[str, Any]) -> dict[str, Any]:
    """v1 has `size`, v2 `big`."""
    out = []
    for obj in request["objects"]:
        spec = dict(obj["spec"])
        wanted = request["desiredAPIVersion"]
        if wanted.endswith("v2") and "size" in spec:
            spec["big"] = spec.pop("size")
        elif wanted.endswith("v1") and "big" in spec:
            spec["size"] = spec.pop("big")
        out.append({**obj, "apiVersion": wanted, "spec": spec})
    return {"convertedObjects": out, "result": {"status": "Success"}}


def _by_webhook(hook: Webhook) -> dict[str, Any]:
    first = version("v1", spec_of({"size": {"type": "string"}}))
    second = version("v2", spec_of({"big": {"type": "string", "maxLength": 3}}), storage=False)
    conversion = {
        "strategy": "Webhook",
        "webhook": {"clientConfig": hook.client_config("/convert"), "conversionReviewVersions": ["v1"]},
    }
    return definition(first, second, conversion=conversion)


async def test_by_webhook(http: Http) -> None:
    async with webhook_server(http.running.authority) as hook:
        hook.answers["/convert"] = _convert
        await defined(http, _by_webhook(hook))
        made = await http("POST", foos(version="v2"), foo(version="v2", spec={"big": "xl"}))
        assert made.code == 201, made.body
        assert made.body["spec"] == {"big": "xl"}
        assert in_store(http)["spec"] == {"size": "xl"}
        assert (await http("GET", foos("a"))).body["spec"] == {"size": "xl"}
        await http("POST", foos(), foo("b", spec={"size": "s"}))
        listed = await http("GET", foos(version="v2"))
        assert [item["spec"] for item in listed.body["items"]] == [{"big": "xl"}, {"big": "s"}]
        asked = len(hook.reviews["/convert"])
        await http("GET", foos(version="v2"))
        assert len(hook.reviews["/convert"]) == asked
        refused = await http("PATCH", foos("a", "v2"), {"spec": {"big": "long"}}, MERGE)
        assert refused.code == 422
        changed = await http("PATCH", foos("a", "v2"), {"spec": {"big": "m"}}, MERGE)
        assert changed.body["spec"] == {"big": "m"}
        assert in_store(http)["spec"] == {"size": "m"}
        gone = await http("DELETE", foos(version="v2"))
        assert [item["apiVersion"] for item in gone.body["items"]] == ["example.com/v2"] * 2


async def test_a_watch_is_converted_in_order(http: Http) -> None:
    async with webhook_server(http.running.authority) as hook:
        hook.answers["/convert"] = _convert
        await defined(http, _by_webhook(hook))
        await http("POST", foos(), foo("a", spec={"size": "0"}))
        seen: list[tuple[str, str, str]] = []

        async def follow() -> None:
            url = http.running.url + foos(version="v2") + "?watch=true"
            async with http.session.get(url) as response:
                async for line in response.content:
                    event = msgspec.json.decode(line)
                    obj = event["object"]
                    seen.append((event["type"], obj["metadata"]["name"], obj["spec"]["big"]))

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(follow())
            for n in range(1, 20):
                await http("PATCH", foos("a"), {"spec": {"size": str(n)}}, MERGE)
            await http("DELETE", foos("a"))

            async def told() -> bool:
                return bool(seen) and seen[-1][0] == "DELETED"

            await eventually(told)
            watching.cancel()
        changed = [spec for kind, _, spec in seen if kind != "DELETED"]
        assert changed == sorted(changed, key=int)
        assert seen[-1] == ("DELETED", "a", "19")


async def test_fields_are_selected_in_the_version_of_the_request(http: Http) -> None:
    """What is stored has no `big`: lists, watches and deletes look at what the webhook makes of it."""
    async with webhook_server(http.running.authority) as hook:
        hook.answers["/convert"] = _convert
        wanted = _by_webhook(hook)
        wanted["spec"]["versions"][1]["selectableFields"] = [{"jsonPath": ".spec.big"}]
        await defined(http, wanted)
        query = "?fieldSelector=spec.big%3Dxl"
        seen: list[tuple[str, str]] = []

        async def follow() -> None:
            async with http.session.get(http.running.url + foos(version="v2") + query + "&watch=true") as response:
                async for line in response.content:
                    event = msgspec.json.decode(line)
                    seen.append((event["type"], event["object"]["metadata"]["name"]))

        async def told(count: int) -> None:
            async def done() -> bool:
                return len(seen) >= count

            await eventually(done)

        async with asyncio.TaskGroup() as group:
            await http("POST", foos(), foo("a", spec={"size": "xl"}))
            watching = group.create_task(follow())
            await told(1)
            for name, size in (("b", "s"), ("c", "xl")):
                await http("POST", foos(), foo(name, spec={"size": size}))
            listed = await http("GET", foos(version="v2") + query)
            assert [item["metadata"]["name"] for item in listed.body["items"]] == ["a", "c"]
            await http("PATCH", foos("b"), {"spec": {"size": "xl"}}, MERGE)
            await http("PATCH", foos("a"), {"spec": {"size": "s"}}, MERGE)
            gone = await http("DELETE", foos(version="v2") + query)
            assert [item["metadata"]["name"] for item in gone.body["items"]] == ["b", "c"]
            await told(6)
            watching.cancel()
        assert seen == [
            ("ADDED", "a"), ("ADDED", "c"), ("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b"), ("DELETED", "c")
        ]  # fmt: skip
        left = await http("GET", foos())
        assert [item["metadata"]["name"] for item in left.body["items"]] == ["a"]


async def test_a_webhook_that_fails(http: Http) -> None:
    async with webhook_server(http.running.authority) as hook:
        await defined(http, _by_webhook(hook))
        await http("POST", foos(), foo(spec={"size": "s"}))
        about = "conversion webhook for example.com/v1, Kind=Foo"
        for response, text in (
            ({"result": {"status": "Failed", "message": "no way"}}, f"{about} failed: no way"),
            ({"result": {"status": "Success"}}, f"{about} returned 0 objects, expected 1"),
            ({"uid": "x", "result": {"status": "Success"}}, f"{about} failed: expected response.uid="),
        ):
            hook.answers["/convert"] = lambda _, response=response: response  # type: ignore[misc]
            failed = await http("GET", foos("a", "v2"))
            assert (failed.code, failed.message[: len(text)]) == (500, text)
        hook.answers["/convert"] = lambda request: {
            "result": {"status": "Success"},
            "convertedObjects": [
                {**o, "apiVersion": "example.com/v2", "metadata": {**o["metadata"], "name": "other"}}
                for o in request["objects"]
            ],
        }
        failed = await http("GET", foos("a", "v2"))
        assert failed.message == f"{about} returned invalid object: must have the same name: a != other"
        assert (await http("GET", foos("a"))).code == 200

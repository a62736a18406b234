"""Routes that claim the same on a real API server: who loses is told, once, with the cause, until that is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.controllers.test_gateway import (
    GATEWAYS,
    ROUTES,
    at,
    http,
    listener,
    made,
    route,
    service,
    to,
    until,
)
from wherry.api.networking.ingressclass import CONTROLLER

__all__ = ("http",)
pytestmark = pytest.mark.looptime(False)
MERGE = "application/merge-patch+json"
TYPE = "wherry.dev/Conflicted"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"


def cause(obj: dict[str, Any]) -> str:
    """What the condition says."""
    found = obj["status"]["parents"][0]["conditions"]
    return next((one["message"] for one in found if one["type"] == TYPE), "")


async def events(http: Http, name: str) -> list[tuple[str, str, str, int]]:
    """Type, reason, message and count of those about an object."""
    found = (await http("GET", "/api/v1/namespaces/default/events")).body["items"]
    return [
        (one["type"], one["reason"], one["message"], one["count"])
        for one in found
        if one["involvedObject"]["name"] == name
    ]


async def test_the_younger_route_is_told_until_the_conflict_is_over(http: Http) -> None:
    await http("POST", "/api/v1/namespaces/default/services", service())
    await http("POST", GATEWAYS, made("g", listener()))
    await http("POST", ROUTES, route("a-first", to("web"), hostnames=["a.test"]))
    await http("POST", ROUTES, route("b-second", to("web"), hostnames=["a.test"]))
    second = f"{ROUTES}/b-second"
    found = await until(http, second, lambda obj: TYPE in at(obj))
    assert at(found)[TYPE] == ("True", "RouteConflict")
    assert at(found)["Accepted"] == ("True", "Accepted")
    assert "PartiallyInvalid" not in at(found), "every rule is valid"
    why = "match 0 of rule 0 (a.test:80/) gets no requests: rule 0 of the older HTTPRoute default/a-first has them"
    assert cause(found) == why
    # what has nothing to do with it is told nobody again
    await http("PATCH", f"{ROUTES}/a-first", {"metadata": {"labels": {"a": "b"}}}, content=MERGE)
    await http("POST", "/api/v1/namespaces/default/services", service("other"))
    spec = {"spec": {"rules": [to("other")]}}
    await http("PATCH", second, spec, content=MERGE)
    await until(http, second, lambda obj: obj["status"]["parents"][0]["conditions"][0]["observedGeneration"] == 2)
    await asyncio.sleep(0.3)
    told = [one for one in await events(http, "b-second") if one[1] == "RouteConflict"]
    assert told == [("Warning", "RouteConflict", why, 1)]
    assert [one for one in await events(http, "a-first") if one[0] == "Warning"] == []
    # over
    await http("PATCH", f"{ROUTES}/a-first", {"spec": {"hostnames": ["b.test"]}}, content=MERGE)
    await until(http, second, lambda obj: TYPE not in at(obj))
    # and again, then over for good
    await http("PATCH", f"{ROUTES}/a-first", {"spec": {"hostnames": []}}, content=MERGE)
    await http("PATCH", second, {"spec": {"hostnames": []}}, content=MERGE)
    await until(http, second, lambda obj: "(*:80/)" in cause(obj))
    await http("DELETE", f"{ROUTES}/a-first")
    await until(http, second, lambda obj: TYPE not in at(obj))


async def test_a_route_beside_an_ingress(http: Http) -> None:
    """Who had the host first is asked first, and the route says what it does not get."""
    await http("POST", "/api/v1/namespaces/default/services", service())
    await http("POST", GATEWAYS, made("g", listener()))
    await http("POST", CLASSES, {"metadata": {"name": "wherry"}, "spec": {"controller": CONTROLLER}})
    backend = {"service": {"name": "later", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    ingress = {"metadata": {"name": "i"}, "spec": {"ingressClassName": "wherry", "rules": [rule]}}
    await http("POST", INGRESSES, ingress)
    await http("POST", ROUTES, route("r", to("web"), hostnames=["a.test"]))
    path = f"{ROUTES}/r"
    await until(http, path, lambda obj: at(obj).get("ResolvedRefs") == ("True", "ResolvedRefs"))
    assert TYPE not in at((await http("GET", path)).body), "the Ingress leads nowhere"
    await http("POST", "/api/v1/namespaces/default/services", service("later"))
    found = await until(http, path, lambda obj: TYPE in at(obj))
    assert at(found)[TYPE] == ("True", "IngressConflict")
    assert "the Ingress default/i has them" in cause(found)
    assert [one[1] for one in await events(http, "r") if one[1] == "IngressConflict"] == ["IngressConflict"]
    await http("DELETE", f"{INGRESSES}/i")
    await until(http, path, lambda obj: TYPE not in at(obj))
    await asyncio.sleep(1.1)  # creation is known to the second
    await http("POST", INGRESSES, ingress)
    await until(http, f"{INGRESSES}/i", lambda obj: True)
    await http("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content=MERGE)
    await asyncio.sleep(0.3)
    assert TYPE not in at((await http("GET", path)).body), "the route had the host first"

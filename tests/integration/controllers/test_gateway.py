"""The Gateway API on a real API server: its definitions come by themselves, and every status says what is so."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import running_apiserver
from wherry.aio.clock import SystemClock
from wherry.api.gateway.bundle import GROUP, OURS, PLURALS, VERSION, VERSION_NOTE
from wherry.api.gateway.kinds import GATEWAY, Gateway
from wherry.apiserver.authn.user import known
from wherry.controllers import gateway, gatewaybundle, gatewayclass, httproute
from wherry.controllers.settings import Settings
from wherry.host.selfsigned import self_signed
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.runner import run_controllers

pytestmark = pytest.mark.looptime(False)
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BASE = f"/apis/{GROUP}/v1"
GATEWAYS, ROUTES = f"{BASE}/namespaces/default/gateways", f"{BASE}/namespaces/default/httproutes"
GRANTS = f"/apis/{GROUP}/v1beta1/namespaces/other/referencegrants"


@asynccontextmanager
async def controlled(running: Any) -> AsyncIterator[Http]:
    """The controllers of the Gateway API at work."""
    async with asyncio.TaskGroup() as group:
        client = running.client(known("system:kube-controller-manager"))
        made = [
            gatewaybundle.controller(Settings()), gatewayclass.CONTROLLER, gateway.CONTROLLER, httproute.CONTROLLER
        ]  # fmt: skip
        work = group.create_task(run_controllers(client, SystemClock(), made))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session:
            yield Http(running, session)
        work.cancel()


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[Http]:
    async with running_apiserver(tmp_path) as running, controlled(running) as found:
        await until(
            found, f"{BASE}/gatewayclasses/wherry", lambda obj: said(obj).get("Accepted") == ("True", "Accepted")
        )
        await found("POST", "/api/v1/nodes", node("n1"))
        await found("PATCH", "/api/v1/nodes/n1/status", node("n1"), content="application/merge-patch+json")
        await found("POST", "/api/v1/namespaces", {"metadata": {"name": "other", "labels": {"team": "blue"}}})
        yield found


async def until(http: Http, path: str, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The object, as soon as it is as it should be."""
    last: dict[str, Any] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while True:
                answer = await http("GET", path)
                last = answer.body
                if answer.code == 200 and good(last):
                    return last
                await asyncio.sleep(0.02)
    raise AssertionError(last)


def said(obj: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Condition -> status and reason."""
    found = obj.get("status", obj).get("conditions", ())
    return {one["type"]: (one["status"], one["reason"]) for one in found}


def at(obj: dict[str, Any], index: int = 0, part: str = "parents") -> dict[str, tuple[str, str]]:
    """The same of one parent of a route, or one listener of a Gateway."""
    found = obj.get("status", {}).get(part, ())
    return said(found[index]) if len(found) > index else {}


def node(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.7"}]},
    }


def listener(name: str = "http", port: int = 80, protocol: str = "HTTP", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": protocol, **more}


def made(name: str, *listeners: dict[str, Any]) -> dict[str, Any]:
    spec = {"gatewayClassName": "wherry", "listeners": list(listeners)}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


def route(name: str, *rules: dict[str, Any], parent: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    whole = {"parentRefs": [parent or {"name": "g"}], "rules": list(rules), **spec}
    return {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": {"name": name}, "spec": whole}


def to(name: str, port: int = 80, **more: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": name, "port": port, **more}]}


def service(name: str = "web") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}


async def test_definitions_come_by_themselves_and_those_of_others_stay(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path) as running:
        async with controlled(running) as http:
            for plural in PLURALS:
                crd = await until(
                    http, f"{CRDS}/{plural}.{GROUP}", lambda obj: said(obj).get("Established", ("",))[0] == "True"
                )
                assert crd["metadata"]["annotations"][VERSION_NOTE] == VERSION
            found = await until(http, f"{BASE}/gatewayclasses/wherry", lambda obj: len(said(obj)) == 2)
            assert said(found) == {
                "Accepted": ("True", "Accepted"), "SupportedVersion": ("True", "SupportedVersion")
            }  # fmt: skip
            assert found["spec"]["controllerName"] == "wherry.dev/gateway"
            assert found["status"]["supportedFeatures"] == sorted(
                found["status"]["supportedFeatures"], key=lambda one: one["name"]
            )
            explained = await running.kubectl("explain", "httproute.spec")
            assert "parentRefs\t<[]Object>" in explained.out
            await http("DELETE", f"{BASE}/gatewayclasses/wherry")
            await http("DELETE", f"{CRDS}/httproutes.{GROUP}")
            notes = {"metadata": {"annotations": {OURS: "v1.0.0", VERSION_NOTE: "v1.0.0"}}}
            older = f"{CRDS}/gateways.{GROUP}"
            await http("PATCH", older, notes, content="application/merge-patch+json")
            notes = {"metadata": {"annotations": {VERSION_NOTE: "v9.0.0"}}}
            newer = f"{CRDS}/referencegrants.{GROUP}"
            await http("PATCH", newer, notes, content="application/merge-patch+json")
        async with controlled(running) as http:  # as a server that starts again
            await until(http, f"{CRDS}/httproutes.{GROUP}", lambda obj: True)
            await until(http, older, lambda obj: obj["metadata"]["annotations"][VERSION_NOTE] == VERSION)
            assert (await http("GET", newer)).body["metadata"]["annotations"][VERSION_NOTE] == "v9.0.0"
            assert (await http("GET", f"{BASE}/gatewayclasses/wherry")).code == 404, "it is made once"


async def test_a_route_at_a_gateway(http: Http) -> None:
    await http("POST", GATEWAYS, made("g", listener()))
    await http("POST", ROUTES, route("r", to("web"), hostnames=["a.test"]))
    path = f"{ROUTES}/r"
    await until(http, path, lambda obj: at(obj).get("ResolvedRefs") == ("False", "BackendNotFound"))
    await http("POST", "/api/v1/namespaces/default/services", service())
    found = await until(http, path, lambda obj: at(obj).get("ResolvedRefs") == ("True", "ResolvedRefs"))
    assert at(found)["Accepted"] == ("True", "Accepted")
    assert found["status"]["parents"][0]["controllerName"] == "wherry.dev/gateway"
    assert found["status"]["parents"][0]["conditions"][0]["observedGeneration"] == 1
    served = await until(
        http, f"{GATEWAYS}/g", lambda obj: obj["status"].get("listeners", [{}])[0].get("attachedRoutes") == 1
    )
    assert served["status"]["addresses"] == [{"type": "IPAddress", "value": "10.0.0.7"}]
    assert said(served) == {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
    assert at(served, part="listeners") == {
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "Programmed"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
        "Conflicted": ("False", "NoConflicts"),
    }
    assert served["status"]["listeners"][0]["supportedKinds"] == [{"group": GROUP, "kind": "HTTPRoute"}]
    await http("DELETE", path)
    await until(http, f"{GATEWAYS}/g", lambda obj: obj["status"]["listeners"][0]["attachedRoutes"] == 0)


async def test_what_is_refused_is_said_and_told(http: Http) -> None:
    secret = {"kind": "Secret", "name": "s", "namespace": "other"}
    await http("POST", GATEWAYS, made(
        "g",
        listener("a", 80, hostname="*.a.test"),
        listener("b", 443, "HTTPS", tls={"certificateRefs": [secret]}),
        listener("c", 6443),
        listener("d", 9000, "TCP"),
        listener("e", 81, allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]}),
    ))  # fmt: skip
    await http("POST", ROUTES, route("nowhere", to("web"), parent={"name": "g", "sectionName": "z"}))
    await http(
        "POST", ROUTES, route("elsewhere", to("web"), parent={"name": "g", "sectionName": "a"}, hostnames=["b.test"])
    )
    await http("POST", ROUTES, route("extension", {"filters": [
        {"type": "ExtensionRef", "extensionRef": {"group": "a.test", "kind": "A", "name": "a"}}
    ]}))  # fmt: skip
    await http("POST", ROUTES, route("kind", to("web"), parent={"name": "g", "sectionName": "e"}))
    found = await until(http, f"{GATEWAYS}/g", lambda obj: len(obj["status"].get("listeners", ())) == 5)
    assert [at(found, n, "listeners")["Accepted"] for n in range(5)] == [
        ("True", "Accepted"), ("True", "Accepted"), ("False", "PortUnavailable"), ("False", "UnsupportedProtocol"),
        ("True", "Accepted"),
    ]  # fmt: skip
    assert at(found, 1, "listeners")["ResolvedRefs"] == ("False", "RefNotPermitted")
    assert at(found, 1, "listeners")["Programmed"] == ("False", "Invalid")
    assert at(found, 4, "listeners")["ResolvedRefs"] == ("False", "InvalidRouteKinds")
    assert said(found)["Accepted"] == ("True", "ListenersNotValid")
    for name, reason in {
        "nowhere": "NoMatchingParent", "elsewhere": "NoMatchingListenerHostname", "extension": "UnsupportedValue",
        "kind": "NotAllowedByListeners",
    }.items():  # fmt: skip
        await until(http, f"{ROUTES}/{name}", lambda obj, r=reason: at(obj).get("Accepted") == ("False", r))  # type: ignore[misc]  # bound now
    events = (await http("GET", "/api/v1/namespaces/default/events")).body["items"]
    assert {"PortUnavailable", "RefNotPermitted", "UnsupportedProtocol"} <= {one["reason"] for one in events}
    # consent, then a certificate, and the listener is served
    grant = {
        "from": [{"group": GROUP, "kind": "Gateway", "namespace": "default"}],
        "to": [{"group": "", "kind": "Secret"}],
    }
    await http("POST", GRANTS, {"metadata": {"name": "g"}, "spec": grant})
    await until(
        http, f"{GATEWAYS}/g", lambda obj: at(obj, 1, "listeners")["ResolvedRefs"] == ("False", "InvalidCertificateRef")
    )
    pem = base64.b64encode(self_signed("b.test", SystemClock())).decode()
    body = {"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": pem, "tls.key": pem}}
    await http("POST", "/api/v1/namespaces/other/secrets", body)
    await until(http, f"{GATEWAYS}/g", lambda obj: at(obj, 1, "listeners")["Programmed"] == ("True", "Programmed"))


async def test_a_certificate_that_does_not_parse_any_more(http: Http) -> None:
    """It is told with its cause, once; the entry goes on showing the one before (`test_entry_certificates.py`)."""
    secrets = "/api/v1/namespaces/default/secrets"
    pem = base64.b64encode(self_signed("a.test", SystemClock())).decode()
    body = {"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": pem, "tls.key": pem}}
    await http("POST", secrets, body)
    tls = {"certificateRefs": [{"name": "s"}]}
    await http("POST", GATEWAYS, made("g", listener("secure", 443, "HTTPS", tls=tls), listener("plain", 80)))
    path = f"{GATEWAYS}/g"
    await until(http, path, lambda obj: at(obj, 0, "listeners").get("Programmed") == ("True", "Programmed"))
    nonsense = base64.b64encode(b"nonsense").decode()
    await http("PATCH", f"{secrets}/s", {"data": {"tls.crt": nonsense}}, content="application/merge-patch+json")
    wrong = ("False", "InvalidCertificateRef")
    found = await until(http, path, lambda obj: at(obj, 0, "listeners").get("ResolvedRefs") == wrong)
    [why] = (one["message"] for one in found["status"]["listeners"][0]["conditions"] if one["type"] == "ResolvedRefs")
    assert why.startswith("the Secret default/s: tls.crt is not a PEM certificate")
    assert at(found, 1, "listeners")["Programmed"] == ("True", "Programmed")
    events = (await http("GET", "/api/v1/namespaces/default/events")).body["items"]
    told = [(one["type"], one["message"], one["count"]) for one in events if one["reason"] == "InvalidCertificateRef"]
    assert told == [("Warning", f"listener secure: {why}", 1)]
    await http("PATCH", f"{secrets}/s", {"data": {"tls.crt": pem}}, content="application/merge-patch+json")
    await until(http, path, lambda obj: at(obj, 0, "listeners").get("ResolvedRefs") == ("True", "ResolvedRefs"))


async def test_routes_of_other_namespaces_and_backends_of_others(http: Http) -> None:
    chosen = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "blue"}}}}
    await http("POST", GATEWAYS, made("g", listener(allowedRoutes=chosen)))
    await http("POST", "/api/v1/namespaces/default/services", service())
    elsewhere = f"{BASE}/namespaces/other/httproutes"
    parent = {"name": "g", "namespace": "default"}
    await http("POST", elsewhere, route("r", to("web", namespace="default"), parent=parent))
    found = await until(http, f"{elsewhere}/r", lambda obj: at(obj).get("ResolvedRefs") == ("False", "RefNotPermitted"))
    assert at(found)["Accepted"] == ("True", "Accepted")
    grant = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "other"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    await http("POST", GRANTS.replace("other", "default"), {"metadata": {"name": "g"}, "spec": grant})
    await until(http, f"{elsewhere}/r", lambda obj: at(obj).get("ResolvedRefs") == ("True", "ResolvedRefs"))
    labels = {"metadata": {"labels": {"team": "red"}}}
    await http("PATCH", "/api/v1/namespaces/other", labels, content="application/merge-patch+json")
    await until(http, f"{elsewhere}/r", lambda obj: at(obj).get("Accepted") == ("False", "NotAllowedByListeners"))


async def test_what_others_say_stays(http: Http) -> None:
    await http("POST", GATEWAYS, made("g", listener()))
    await http("POST", ROUTES, route("r", to("web")))
    found = await until(http, f"{ROUTES}/r", lambda obj: bool(at(obj)))
    condition = {
        "type": "Seen", "status": "True", "reason": "Seen", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"
    }  # fmt: skip
    foreign = {"parentRef": {"name": "x"}, "controllerName": "example.com/c", "conditions": [condition]}
    status = {"status": {"parents": [*found["status"]["parents"], foreign]}}
    await http("PATCH", f"{ROUTES}/r/status", status, content="application/merge-patch+json")
    own = (await until(http, f"{GATEWAYS}/g", lambda obj: bool(said(obj).get("Programmed"))))["status"]["conditions"]
    status = {"status": {"conditions": [*own, condition]}}
    await http("PATCH", f"{GATEWAYS}/g/status", status, content="application/merge-patch+json")
    spec = {"spec": {"hostnames": ["a.test"]}}
    await http("PATCH", f"{ROUTES}/r", spec, content="application/merge-patch+json")

    def newer(obj: dict[str, Any]) -> bool:
        return any(
            one["controllerName"] == "wherry.dev/gateway" and one["conditions"][0]["observedGeneration"] == 2
            for one in obj["status"]["parents"]
        )

    found = await until(http, f"{ROUTES}/r", newer)
    assert {one["controllerName"] for one in found["status"]["parents"]} == {"example.com/c", "wherry.dev/gateway"}
    assert said((await http("GET", f"{GATEWAYS}/g")).body)["Seen"] == ("True", "Seen")


async def test_agents_read_the_certificates_that_gateways_may_use(http: Http) -> None:
    def reads(namespace: str, name: str) -> dict[str, Any]:
        asked = {"verb": "get", "resource": "secrets", "namespace": namespace, "name": name}
        return {"spec": {"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": asked}}

    async def may(namespace: str, name: str) -> bool:
        review = await http("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", reads(namespace, name))
        return bool(review.body["status"]["allowed"])

    assert not await may("default", "s")
    refs = [{"name": "s"}, {"name": "t", "namespace": "other"}]
    await http("POST", GATEWAYS, made("g", listener("a", 443, "HTTPS", tls={"certificateRefs": refs})))
    asked = (("default", "s"), ("default", "t"), ("other", "t"), ("other", "s"))
    assert [await may(*one) for one in asked] == [True, False, False, False]
    whom = {"group": GROUP, "kind": "Gateway", "namespace": "default"}
    spec = {"from": [whom], "to": [{"group": "", "kind": "Secret", "name": "t"}]}
    await http("POST", GRANTS, {"metadata": {"name": "g"}, "spec": spec})
    assert [await may(*one) for one in asked] == [True, False, True, False]


async def test_what_nobody_defines_is_not_written(tmp_path: Path) -> None:
    """A kind that we know a part of would lose the rest."""
    async with running_apiserver(tmp_path) as running:
        client = running.client(known("system:kube-controller-manager"))
        made = Gateway(metadata=ObjectMeta(name="g", namespace="default"))
        with pytest.raises(NotFound):
            await client.create(GATEWAY, made)
        with pytest.raises(NotFound):
            await client.patch(GATEWAY, Key("default", "g"), {"metadata": {"labels": {"a": "b"}}})
        assert (await client.list(GATEWAY)).items == ()

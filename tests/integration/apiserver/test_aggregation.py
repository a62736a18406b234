"""API groups that another server serves: registration, availability, proxying, merged documents."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.apiserver import Authority
from tests.support.extension import GROUP, ROOT, VERSION, Extension, extension

pytestmark = pytest.mark.looptime(False)

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = f"{VERSION}.{GROUP}"
FLUNDERS = f"{ROOT}/namespaces/demo/flunders"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.fixture
async def other(http: Http) -> AsyncIterator[Extension]:
    """Another API server, behind Service demo/ext."""
    folder = http.running.folder
    authority = Authority(folder / "extension", "extension-ca")
    pair = authority.issue("extension", server=True, hosts=("ext.demo.svc",))
    async with extension(pair.certificate, pair.key, folder / "front-proxy" / "ca.crt") as server:
        service = {"metadata": {"name": "ext"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
        assert (await http("POST", "/api/v1/namespaces/demo/services", service)).code == 201
        yield server


def registration(http: Http, port: int, **spec: Any) -> dict[str, Any]:
    ca = (http.running.folder / "extension" / "ca.crt").read_bytes()
    return {
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 200,
            "service": {"namespace": "demo", "name": "ext", "port": port}, "caBundle": base64.b64encode(ca).decode(),
            **spec,
        },
    }  # fmt: skip


async def condition(http: Http, status: str, reason: str, name: str = NAME) -> dict[str, Any]:
    """Wait, by watching, until an APIService has this condition."""
    url = f"{http.running.url}{SERVICES}?watch=1&fieldSelector=metadata.name%3D{name}"
    async with asyncio.timeout(20), http.session.get(url) as answer:
        async for line in answer.content:
            found = msgspec.json.decode(line)["object"]
            for one in found.get("status", {}).get("conditions", []):
                if (one["type"], one["status"], one["reason"]) == ("Available", status, reason):
                    return dict(one)
    raise AssertionError("the watch ended")


@pytest.fixture
async def registered(http: Http, other: Extension) -> Extension:
    """The same, registered and available."""
    assert (await http("POST", SERVICES, registration(http, other.port))).code == 201
    assert (await condition(http, "True", "Passed"))["message"] == "all checks passed"
    other.seen.clear()
    return other


async def test_what_is_served_here_is_registered(http: Http) -> None:
    found = await condition(http, "True", "Local", "v1.apps")
    assert found["message"] == "Local APIServices are always available"
    service = (await http("GET", f"{SERVICES}/v1.apps")).body
    assert service["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert service["spec"] == {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15}
    await condition(http, "True", "Local", "v1.")
    names = {item["metadata"]["name"] for item in (await http("GET", SERVICES)).body["items"]}
    served = {
        f"{v['version']}.{g['name']}" for g in (await http("GET", "/apis")).body["groups"] for v in g["versions"]
    } | {"v1."}
    assert names == served - {"v1.apiregistration.k8s.io"}


async def test_a_service_that_is_not_there(http: Http, other: Extension) -> None:
    body = registration(http, other.port, service={"namespace": "demo", "name": "nobody", "port": 443})
    await http("POST", SERVICES, body)
    found = await condition(http, "False", "ServiceNotFound")
    assert found["message"] == 'service/nobody in "demo" is not present'
    answer = await http("GET", FLUNDERS)
    assert (answer.code, answer.body) == (503, b"service unavailable\n")
    listed = (await http("GET", "/apis", Accept=AGGREGATED)).body["items"]
    version = next(g for g in listed if g["metadata"].get("name") == GROUP)["versions"][0]
    assert (version["freshness"], version["resources"]) == ("Stale", [])


async def test_a_server_that_is_broken_and_mended(http: Http, other: Extension) -> None:
    other.broken = True
    await http("POST", SERVICES, registration(http, other.port))
    found = await condition(http, "False", "FailedDiscoveryCheck")
    assert found["message"].endswith(": 500")
    assert (await http("GET", FLUNDERS)).code == 503
    other.broken = False
    await condition(http, "True", "Passed")
    assert (await http("GET", FLUNDERS)).code == 200


async def test_requests_go_through_under_the_users_name(http: Http, registered: Extension) -> None:
    made = await http(
        "POST", FLUNDERS, {"metadata": {"name": "a"}}, Authorization="Bearer secret", X_Remote_User="root",
        X_Remote_Extra_Scopes="all",
    )  # fmt: skip
    assert (made.code, made.body) == (201, {"metadata": {"name": "a"}})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=http.running.tls())) as session:
        url = URL(f"{http.running.url}{FLUNDERS}/a?pretty=%2Fx", encoded=True)
        spellings = {
            "x_remote_user": "root",
            "X-REMOTE-GROUP": "system:masters",
            "X_Remote-Extra-a": "b",
            "X-Keep": "1",
        }
        async with session.get(url, headers=spellings) as answer:
            assert await answer.json() == {"metadata": {"name": "a"}}
    for seen in registered.requests():
        assert seen.client == "front-proxy-client"
        assert seen.all("x-remote-user") == ["kubernetes-admin"]
        assert seen.all("x-remote-group") == ["system:masters", "system:authenticated"]
        (serial,) = seen.all("x-remote-extra-authentication.kubernetes.io%2fcredential-id")
        assert serial.startswith("X509SHA256=")
        assert [
            k for k, _ in seen.headers if k.lower().replace("_", "-").startswith(("x-remote-extra", "impersonate"))
        ] == ["X-Remote-Extra-authentication.kubernetes.io%2Fcredential-id"]
        assert not seen.all("authorization")
    last = registered.requests()[-1]
    assert last.target == f"{FLUNDERS}/a?pretty=%2Fx"
    assert last.all("x-keep") == ["1"]


async def test_impersonation_is_over_before_the_other_server(http: Http, registered: Extension) -> None:
    headers = {"Impersonate-User": "ann", "Impersonate-Group": "system:masters", "Impersonate-Extra-a%2fb": "c"}
    async with http.session.get(f"{http.running.url}{FLUNDERS}", headers=headers) as answer:
        assert answer.status == 200
    seen = registered.requests()[-1]
    assert seen.all("x-remote-user") == ["ann"]
    assert seen.all("x-remote-extra-a%2fb") == ["c"]
    assert not seen.all("impersonate-user")


async def test_rules_hold_for_it_too(http: Http, registered: Extension) -> None:
    connector = aiohttp.TCPConnector(ssl=http.running.tls("eve", ()))
    url = http.running.url + FLUNDERS
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        assert answer.status == 403
    assert not registered.requests()


async def test_watches(http: Http, registered: Extension) -> None:
    async with http.session.get(f"{http.running.url}{FLUNDERS}?watch=1") as answer:
        await registered.watched.wait()
        await http("POST", FLUNDERS, {"metadata": {"name": "w"}})
        line = await answer.content.readline()
        assert msgspec.json.decode(line)["object"]["metadata"]["name"] == "w"
    async with asyncio.timeout(10):  # the other side is told that nobody listens any more
        await registered.idle.wait()


async def test_upgrades(http: Http, registered: Extension) -> None:
    async with http.session.ws_connect(f"{http.running.url}{FLUNDERS}/echo") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "echo hello"
    assert registered.requests()[-1].all("x-remote-user") == ["kubernetes-admin"]


async def test_a_refused_upgrade_leaves_no_pipe_behind(http: Http, registered: Extension) -> None:
    running = http.running
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=running.tls())
    head = f"GET {FLUNDERS}/refuse HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    follow = f"GET {ROOT}/namespaces/kube-system/flunders HTTP/1.1\r\nHost: x\r\nX-Remote-User: root\r\n\r\n"
    writer.write(head.encode() + follow.encode())
    async with asyncio.timeout(10):
        answered = await reader.read()
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"no upgrade here" in answered
    assert [one.target for one in registered.requests()] == [f"{FLUNDERS}/refuse"]
    writer.close()


async def test_redirects_go_nowhere(http: Http, registered: Extension) -> None:
    answer = await http("GET", f"{FLUNDERS}/away")
    assert (answer.code, answer.body) == (
        502, b"the backend attempted to redirect this request, which is not permitted",
    )  # fmt: skip
    assert "Location" not in answer.headers
    upgraded = await http("GET", f"{FLUNDERS}/away", Upgrade="websocket", Connection="Upgrade")
    assert upgraded.code == 502


async def test_a_server_with_another_certificate_gets_nothing(http: Http, registered: Extension) -> None:
    wrong = base64.b64encode((http.running.folder / "pki" / "ca.crt").read_bytes()).decode()
    patch = {"spec": {"caBundle": wrong}}
    await http("PATCH", f"{SERVICES}/{NAME}", patch, "application/merge-patch+json")
    found = await condition(http, "False", "FailedDiscoveryCheck")
    assert "certificate verify failed" in found["message"]
    assert not registered.requests()


async def test_documents_are_merged(http: Http, registered: Extension) -> None:
    groups = {g["name"]: g for g in (await http("GET", "/apis")).body["groups"]}
    assert groups[GROUP]["preferredVersion"] == {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    assert (await http("GET", f"/apis/{GROUP}")).body["versions"] == groups[GROUP]["versions"]
    listed = await http("GET", ROOT)
    assert [r["name"] for r in listed.body["resources"]] == ["flunders", "flunders/status"]
    for asked in (AGGREGATED, AGGREGATED.replace("v=v2", "v=v2beta1")):
        items = (await http("GET", "/apis", Accept=asked)).body["items"]
        mine = next(g for g in items if g["metadata"].get("name") == GROUP)
        assert mine["versions"] == [{
            "version": VERSION,
            "freshness": "Current",
            "resources": [{
                "resource": "flunders", "singularResource": "flunder", "scope": "Namespaced", "shortNames": ["fl"],
                "verbs": ["create", "delete", "get", "list", "watch"],
                "responseKind": {"group": GROUP, "version": VERSION, "kind": "Flunder"},
                "subresources": [{
                    "subresource": "status", "verbs": ["get"],
                    "responseKind": {"group": GROUP, "version": VERSION, "kind": "Flunder"},
                }],
            }],
        }]  # fmt: skip
    second = (await http("GET", "/openapi/v2")).body
    assert f"{ROOT}/flunders" in second["paths"]
    assert second["definitions"]["Flunder"]["description"] == "a flunder"
    assert second["parameters"]["pretty-1"]["name"] == "pretty"
    assert "/api/v1/namespaces/{namespace}/pods" in second["paths"]
    places = (await http("GET", "/openapi/v3")).body["paths"]
    link = places[f"apis/{GROUP}/{VERSION}"]["serverRelativeURL"]
    assert (await http("GET", link)).body["components"]["schemas"] == {"Flunder": {}}


async def test_it_ends_with_its_registration(http: Http, registered: Extension) -> None:
    assert (await http("DELETE", f"{SERVICES}/{NAME}")).code == 200
    assert (await http("GET", FLUNDERS)).code == 404
    assert GROUP not in {g["name"] for g in (await http("GET", "/apis")).body["groups"]}
    assert f"{ROOT}/flunders" not in (await http("GET", "/openapi/v2")).body["paths"]


async def test_status_keeps_what_others_say(http: Http, registered: Extension) -> None:
    extra = {"type": "StatusUpdated", "status": "True", "reason": "E2E", "message": "Set by a test"}
    present = (await http("GET", f"{SERVICES}/{NAME}/status")).body
    present["status"]["conditions"].append(extra)
    assert (await http("PUT", f"{SERVICES}/{NAME}/status", present)).code == 200
    registered.broken = True
    await http("PATCH", f"{SERVICES}/{NAME}", {"spec": {"versionPriority": 400}}, "application/merge-patch+json")
    await condition(http, "False", "FailedDiscoveryCheck")
    kinds = [c["type"] for c in (await http("GET", f"{SERVICES}/{NAME}")).body["status"]["conditions"]]
    assert kinds == ["Available", "StatusUpdated"]


async def facts(http: Http) -> Answered:
    return await http("GET", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication")


async def revision(http: Http) -> str:
    return str((await http("GET", "/api/v1/namespaces")).body["metadata"]["resourceVersion"])


async def test_others_learn_whom_to_believe(http: Http) -> None:
    found = (await facts(http)).body["data"]
    folder = http.running.folder
    assert found["client-ca-file"] == (folder / "pki" / "ca.crt").read_text()
    assert found["requestheader-client-ca-file"] == (folder / "front-proxy" / "ca.crt").read_text()
    assert found["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert found["requestheader-username-headers"] == '["X-Remote-User"]'
    assert found["requestheader-uid-headers"] == '["X-Remote-Uid"]'
    assert found["requestheader-group-headers"] == '["X-Remote-Group"]'
    assert found["requestheader-extra-headers-prefix"] == '["X-Remote-Extra-"]'
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    watch = f"{http.running.url}{path.rpartition('/')[0]}?watch=1&resourceVersion={await revision(http)}"
    async with asyncio.timeout(10), http.session.get(watch) as answer:
        await http("DELETE", path)
        kinds = [msgspec.json.decode(await answer.content.readline())["type"] for _ in range(2)]
        assert kinds == ["DELETED", "ADDED"]
    role = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader"
    assert (await http("GET", role)).body["rules"] == [{
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["extension-apiserver-authentication"],
        "verbs": ["get", "list", "watch"],
    }]  # fmt: skip

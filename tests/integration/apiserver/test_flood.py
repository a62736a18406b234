"""A flood of lists: leases and health stay alive, the flood itself waits or is refused, and says by which rule."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.apiserver import Running
from wherry.apiserver.flowcontrol import gate

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
FLOODS = 100


async def until(http: Http, path: str, holds: Callable[[Answered], bool]) -> Answered:
    """The answer of a GET once it is as wanted, or the last one."""
    answer = await http("GET", path)
    for _ in range(200):
        if holds(answer):
            break
        await asyncio.sleep(0.02)
        answer = await http("GET", path)
    return answer


@asynccontextmanager
async def session(running: Running, name: str, *groups: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Requests as somebody."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls(name, groups))) as made:
        yield made


async def test_leases_and_health_outlive_a_flood_of_lists(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred clients ask for a large list and read slowly: few are served at a time, nodes notice nothing.

    With priority and fairness taken out (`seats=0`) all hundred lists are made at once, and this fails.
    """
    running = http.running
    monkeypatch.setattr(gate, "WAIT_SECONDS", 0.5)
    for number in range(20):
        body = {"metadata": {"name": f"m{number}"}, "data": {"x": "y" * 400_000}}
        assert (await http("POST", MAPS, body)).code == 201
    monkeypatch.setattr(gate, "OBJECTS_PER_SEAT", 2)  # as if they were a thousand, of 8 kB each
    robot = running.tls("system:serviceaccount:demo:robot", ("system:serviceaccounts", "system:authenticated"))
    await http(
        "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {"metadata": {"name": "view"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
         "name": "view"}, "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "demo"}]},
    )  # fmt: skip

    async def flood() -> tuple[int, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=robot, limit=1024)
        writer.write(f"GET {MAPS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return int((await reader.readline()).split()[1]), writer

    floods = [asyncio.get_running_loop().create_task(flood()) for _ in range(FLOODS)]
    async with session(running, "system:node:a", "system:nodes") as node:
        lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 40}}
        async with node.post(running.url + LEASES, json=lease) as made:
            assert made.status == 201, await made.text()
            lease = await made.json()
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            async with node.put(f"{running.url}{LEASES}/a", json=lease) as renewed:
                assert renewed.status == 200
                lease = await renewed.json()
            async with node.get(f"{running.url}/readyz") as ready:
                assert ready.status == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 2
    answers = [await task for task in floods]
    for _, writer in answers:
        writer.transport.abort()
    codes = [code for code, _ in answers]
    assert set(codes) == {200, 429}
    assert 0 < codes.count(200) <= 2 * gate.SEATS // 11
    text = (await http("GET", "/metrics")).body.decode()
    assert 'apiserver_flowcontrol_rejected_requests_total{flow_schema="service-accounts"' in text


async def test_seats_come_back(http: Http) -> None:
    """After lists, watches, refusals and clients that went away, no seat is taken. (Fails if one path forgets.)"""
    running = http.running
    async with session(running, "somebody", "system:authenticated") as client:
        for path in (MAPS, f"{MAPS}/none", "/apis", "/nonsense", "/api/v1/namespaces/%2e%2e/pods"):
            async with client.get(running.url + path) as answer:
                await answer.read()
        async with client.get(f"{running.url}/version") as answer:
            await answer.read()
    async with http.session.get(f"{running.url}{MAPS}?watch=1") as watch:
        assert watch.status == 200

    def quiet(answer: Answered) -> bool:
        lines = answer.body.decode().splitlines()
        seats = [line for line in lines if line.startswith("apiserver_flowcontrol_current_executing_seats")]
        watches = [line for line in lines if line.startswith("apiserver_longrunning") and not line.endswith(" 0")]
        own = 'apiserver_flowcontrol_current_executing_seats{priority_level="exempt"} 1'  # the scrape itself
        return not watches and own in seats and [line for line in seats if not line.endswith(" 0")] == [own]

    assert quiet(await until(http, "/metrics", quiet))


async def test_the_rules_in_force_are_told(http: Http) -> None:
    """As upstream's conformance test: a new schema and level are found by their uids in the answers' headers."""
    limited = {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}
    level = {"metadata": {"name": "testing"}, "spec": {"type": "Limited", "limited": limited}}
    made_level = await http("POST", f"{FLOW}/prioritylevelconfigurations", level)
    assert made_level.code == 201, made_level.body
    rule = {
        "subjects": [{"kind": "User", "user": {"name": "noxu"}}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    spec = {
        "matchingPrecedence": 1000, "priorityLevelConfiguration": {"name": "testing"},
        "distinguisherMethod": {"type": "ByUser"}, "rules": [rule],
    }  # fmt: skip
    made = await http("POST", f"{FLOW}/flowschemas", {"metadata": {"name": "testing"}, "spec": spec})
    assert made.code == 201, made.body
    seen = await until(http, f"{FLOW}/flowschemas/testing", lambda a: bool(a.body.get("status", {}).get("conditions")))
    conditions = seen.body["status"]["conditions"]
    assert [(c["type"], c["status"]) for c in conditions] == [("Dangling", "False")]
    text = (await http("GET", "/metrics")).body.decode()
    assert 'apiserver_flowcontrol_nominal_limit_seats{priority_level="testing"} 1' in text
    as_noxu = {"Impersonate-User": "noxu", "Impersonate-Group": "system:authenticated"}
    answer = await http("GET", "/version", **as_noxu)
    assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"] == made.body["metadata"]["uid"]
    assert answer.headers["X-Kubernetes-PF-PriorityLevel-UID"] == made_level.body["metadata"]["uid"]
    other = await http("GET", "/version", **{**as_noxu, "Impersonate-User": "foo"})
    assert other.headers["X-Kubernetes-PF-FlowSchema-UID"] not in ("", made.body["metadata"]["uid"])
    assert (await http("DELETE", f"{FLOW}/prioritylevelconfigurations/testing")).code == 200
    seen = await until(
        http, f"{FLOW}/flowschemas/testing", lambda a: bool(a.body["status"]["conditions"][0]["status"] == "True")
    )
    assert seen.body["status"]["conditions"][0]["reason"] == "NotFound"


async def test_what_is_mandatory_comes_back(http: Http) -> None:
    """`exempt` cannot be lost, nor made to mean something else; a suggested schema may be."""
    await http("DELETE", f"{FLOW}/flowschemas/exempt")
    await http("DELETE", f"{FLOW}/flowschemas/service-accounts")
    back = await until(http, f"{FLOW}/flowschemas/exempt", lambda a: a.code == 200)
    assert back.body["spec"]["matchingPrecedence"] == 1
    assert (await http("GET", f"{FLOW}/flowschemas/service-accounts")).code == 404

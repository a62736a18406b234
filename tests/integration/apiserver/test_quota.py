"""ResourceQuota at admission: what many ask for at once, scopes, resizes, and objects of every kind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.apiserver import running_apiserver
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)

Json = dict[str, Any]
MAPS = "/api/v1/namespaces/demo/configmaps"
PODS = "/api/v1/namespaces/demo/pods"
QUOTAS = "/api/v1/namespaces/demo/resourcequotas"
STRATEGIC = "application/strategic-merge-patch+json"


async def quota(http: Http, name: str = "q", **spec: Any) -> None:
    made = await http("POST", QUOTAS, {"metadata": {"name": name}, "spec": spec})
    assert made.code == 201, made.body


def pod(name: str, cpu: str = "", **spec: Any) -> Json:
    container: Json = {"name": "c", "image": "i"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


async def test_many_at_once_do_not_get_past_together(tmp_path: Path) -> None:
    """On a log that takes its time: many requests have been admitted before the first is to be seen."""
    log = await SqliteLog.open(tmp_path / "state.db", seal=_plain, unseal=_plain)
    async with running_apiserver(tmp_path, log=log) as running:
        connector = aiohttp.TCPConnector(ssl=running.tls())
        async with aiohttp.ClientSession(connector=connector) as session:
            http = Http(running, session)
            assert (await http("POST", "/api/v1/namespaces", {"metadata": {"name": "demo"}})).code == 201
            await _race(http)
    await log.close()


def _plain(key: str, value: bytes) -> bytes:
    return value


async def _race(http: Http) -> None:
    await quota(http, hard={"count/configmaps": "5"})
    answers = await asyncio.gather(*(http("POST", MAPS, {"metadata": {"name": f"m{n}"}}) for n in range(40)))
    assert sorted(a.code for a in answers) == [201] * 5 + [403] * 35
    assert len((await http("GET", MAPS)).body["items"]) == 5


async def test_what_failed_or_went_is_given_back(http: Http) -> None:
    await quota(http, hard={"count/configmaps": "2"})
    for _ in range(3):
        assert (await http("POST", MAPS + "?dryRun=All", {"metadata": {"name": "a"}})).code == 201
    assert (await http("POST", MAPS, {"metadata": {"name": "a"}})).code == 201
    for _ in range(3):
        assert (await http("POST", MAPS, {"metadata": {"name": "a"}})).code == 409
    for _ in range(5):
        assert (await http("POST", MAPS, {"metadata": {"name": "b"}})).code == 201
        assert (await http("DELETE", f"{MAPS}/b")).code == 200


async def test_the_message_names_what_is_over(http: Http) -> None:
    await quota(http, hard={"requests.cpu": "1", "pods": "5"})
    assert (await http("POST", PODS, pod("a", "600m"))).code == 201
    refused = await http("POST", PODS, pod("b", "500m"))
    assert refused.message == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, '
        "limited: requests.cpu=1"
    )
    silent = await http("POST", PODS, pod("c"))
    assert silent.message == 'pods "c" is forbidden: failed quota: q: must specify requests.cpu for: c'


async def test_a_resize_counts(http: Http) -> None:
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "8", "memory": "1Gi"}}}
    assert (await http("POST", "/api/v1/nodes", node)).code == 201
    await quota(http, hard={"requests.cpu": "1"})
    assert (await http("POST", PODS, pod("a", "600m", nodeName="n"))).code == 201

    async def resize(cpu: str) -> Answered:
        changed = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
        return await http("PATCH", f"{PODS}/a/resize", changed, STRATEGIC)

    over = await resize("1100m")
    assert (over.code, "exceeded quota: q, requested: requests.cpu=500m" in over.message) == (403, True)
    assert (await resize("1")).code == 200


async def test_overhead_counts(http: Http) -> None:
    runtime = {"metadata": {"name": "vm"}, "handler": "vm", "overhead": {"podFixed": {"cpu": "500m"}}}
    assert (await http("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime)).code == 201
    await quota(http, hard={"requests.cpu": "1"})
    assert (await http("POST", PODS, pod("a", "600m", runtimeClassName="vm"))).code == 403
    assert (await http("POST", PODS, pod("a", "500m", runtimeClassName="vm"))).code == 201


async def test_scopes_choose_pods(http: Http) -> None:
    high = {"metadata": {"name": "high"}, "value": 100}
    assert (await http("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", high)).code == 201
    selector = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
    await quota(http, "high", hard={"pods": "0"}, scopeSelector=selector)
    await quota(http, "short", hard={"pods": "0"}, scopes=["Terminating"])
    await quota(http, "far", hard={"pods": "0"}, scopes=["CrossNamespacePodAffinity"])
    assert (await http("POST", PODS, pod("a"))).code == 201
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone", "namespaces": ["other"], "labelSelector": {}}]}}  # fmt: skip
    specs: dict[str, Json] = {
        "high": {"priorityClassName": "high"}, "short": {"activeDeadlineSeconds": 5}, "far": {"affinity": affinity}
    }  # fmt: skip
    for name, spec in specs.items():
        refused = await http("POST", PODS, pod("b", **spec))
        assert (refused.code, f"exceeded quota: {name}," in refused.message) == (403, True)


async def test_claims_by_class(http: Http) -> None:
    await quota(http, hard={"gold.storageclass.storage.k8s.io/requests.storage": "5Gi", "persistentvolumeclaims": "3"})
    path = "/api/v1/namespaces/demo/persistentvolumeclaims"

    def claim(name: str, size: str, kind: str) -> Json:
        spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": kind,
                "resources": {"requests": {"storage": size}}}  # fmt: skip
        return {"metadata": {"name": name}, "spec": spec}

    assert (await http("POST", path, claim("a", "6Gi", "gold"))).code == 403
    assert (await http("POST", path, claim("a", "4Gi", "gold"))).code == 201
    assert (await http("POST", path, claim("b", "9Gi", "tin"))).code == 201
    assert (await http("POST", path, claim("c", "2Gi", "gold"))).code == 403

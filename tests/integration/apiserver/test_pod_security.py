"""Pod Security admission in a running server: refused, warned about, exempt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.apiserver import Running, settings
from wherry.aio.clock import SystemClock
from wherry.apiserver.admission.podsecurity.policy import Policy, Settings, Standard
from wherry.apiserver.apiserver import ApiServer
from wherry.store.memory import MemoryLog

pytestmark = pytest.mark.looptime(False)

Json = dict[str, Any]
PODS = "/api/v1/namespaces/demo/pods"
MERGE = "application/merge-patch+json"
BAD: Json = {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]}
PLAIN: Json = {"containers": [{"name": "c", "image": "i"}]}
WHY = 'privileged (container "c" must not set securityContext.privileged=true)'


async def label(http: Http, namespace: str = "demo", **labels: str | None) -> Answered:
    given = {f"pod-security.kubernetes.io/{k.replace('_', '-')}": v for k, v in labels.items()}
    return await http("PATCH", f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": given}}, MERGE)


async def create(http: Http, name: str, spec: Json) -> Answered:
    return await http("POST", PODS, {"metadata": {"name": name}, "spec": spec})


async def test_a_pod_that_violates_the_standard_is_refused(http: Http) -> None:
    assert (await label(http, enforce="baseline")).code == 200
    refused = await create(http, "a", BAD)
    assert (refused.code, refused.message) == (
        403, f'pods "a" is forbidden: violates PodSecurity "baseline:latest": {WHY}'
    )  # fmt: skip
    assert (await create(http, "b", PLAIN)).code == 201
    assert (await label(http, enforce="restricted", enforce_version="v1.20")).code == 200
    refused = await create(http, "c", PLAIN)
    assert 'violates PodSecurity "restricted:v1.20": allowPrivilegeEscalation != false (' in refused.message


async def test_an_ephemeral_container_does_not_get_past(http: Http) -> None:
    assert (await create(http, "a", PLAIN)).code == 201
    await label(http, enforce="baseline")
    more = {"spec": {"ephemeralContainers": [{"name": "e", "image": "i", "securityContext": {"privileged": True}}]}}
    refused = await http("PATCH", f"{PODS}/a/ephemeralcontainers", more, "application/strategic-merge-patch+json")
    assert (refused.code, '(container "e" must not' in refused.message) == (403, True)
    changed = await http("PATCH", f"{PODS}/a", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert changed.code == 200


async def test_a_pod_from_before_may_change_in_ways_that_do_not_matter(http: Http) -> None:
    assert (await create(http, "a", BAD)).code == 201
    await label(http, enforce="baseline")
    assert (await http("PATCH", f"{PODS}/a", {"metadata": {"labels": {"a": "b"}}}, MERGE)).code == 200
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "other"}]
    refused = await http("PATCH", f"{PODS}/a", image, "application/json-patch+json")
    assert refused.code == 403
    assert (await http("PATCH", f"{PODS}/a/status", {"status": {"phase": "Running"}}, MERGE)).code == 200


async def test_workloads_are_warned_about_and_made(http: Http) -> None:
    await label(http, enforce="baseline")
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
                                                                      "spec": BAD}},
    }  # fmt: skip
    made = await http("POST", "/apis/apps/v1/namespaces/demo/deployments", deployment)
    assert made.code == 201
    assert (
        f'would violate PodSecurity \\"baseline:latest\\": {WHY}'.replace('"c"', '\\"c\\"') in made.headers["Warning"]
    )
    cron = {"metadata": {"name": "c"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {
        "template": {"spec": {**BAD, "restartPolicy": "Never"}}}}}}  # fmt: skip
    made = await http("POST", "/apis/batch/v1/namespaces/demo/cronjobs", cron)
    assert (made.code, "would violate PodSecurity" in made.headers["Warning"]) == (201, True)


async def test_warning_and_auditing_let_pass(http: Http) -> None:
    await label(http, warn="baseline", audit="baseline")
    made = await create(http, "a", BAD)
    assert (made.code, "would violate PodSecurity" in made.headers["Warning"]) == (201, True)


async def test_labels_must_be_right_when_they_come(http: Http) -> None:
    refused = await label(http, enforce="strict")
    assert (refused.code, refused.body["details"]["causes"][0]["field"]) == (
        422, "metadata.labels[pod-security.kubernetes.io/enforce]"
    )  # fmt: skip
    name = {"metadata": {"name": "n", "labels": {"pod-security.kubernetes.io/warn-version": "1"}}}
    assert (await http("POST", "/api/v1/namespaces", name)).code == 422


async def test_a_stricter_namespace_tells_which_pods_violate_it(http: Http) -> None:
    for name in ("c", "a", "b"):
        assert (await create(http, name, BAD)).code == 201
    assert (await create(http, "fine", PLAIN)).code == 201
    changed = await label(http, enforce="baseline")
    warnings = changed.headers.getall("Warning")  # type: ignore[attr-defined] # a multidict
    assert [text.split('"', 1)[1][:-1].replace('\\"', '"') for text in warnings] == [
        'existing pods in namespace "demo" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): privileged",
    ]
    assert "Warning" not in (await label(http, enforce="privileged")).headers


async def test_defaults_and_exemptions(tmp_path: Path) -> None:
    config, authority = settings(tmp_path)
    baseline = Standard("baseline")
    config = replace(
        config,
        pod_security=Settings(
            Policy(baseline, baseline, baseline), exempt_namespaces=frozenset({"free"}),
            exempt_runtime_classes=frozenset({"vm"}), exempt_users=frozenset({"boss"}),
        ),
    )  # fmt: skip
    server = ApiServer(config, MemoryLog(), SystemClock())
    await server.start()
    running = Running(server, authority, tmp_path)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session:
            http = Http(running, session)
            for name in ("free", "strict"):
                assert (await http("POST", "/api/v1/namespaces", {"metadata": {"name": name}})).code == 201
                path = f"/api/v1/namespaces/{name}/serviceaccounts"
                assert (await http("POST", path, {"metadata": {"name": "default"}})).code == 201
            pod = {"metadata": {"name": "a"}, "spec": BAD}
            assert (await http("POST", "/api/v1/namespaces/free/pods", pod)).code == 201
            assert (await http("POST", "/api/v1/namespaces/strict/pods", pod)).code == 403
            runtime = {"metadata": {"name": "vm"}, "handler": "vm"}
            assert (await http("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime)).code == 201
            pod = {"metadata": {"name": "b"}, "spec": {**BAD, "runtimeClassName": "vm"}}
            assert (await http("POST", "/api/v1/namespaces/strict/pods", pod)).code == 201
            warned = await label(http, "free", enforce="restricted")
            assert (
                "is exempt from Pod Security, and the policy (enforce=restricted:latest)" in warned.headers["Warning"]
            )
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls("boss"))) as session:
            boss = Http(running, session)
            pod = {"metadata": {"name": "c"}, "spec": BAD}
            assert (await boss("POST", "/api/v1/namespaces/strict/pods", pod)).code == 201
    finally:
        await server.stop()

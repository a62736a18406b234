"""Admission webhooks against a real TLS server: who is asked what, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.apiserver import Authority, running_apiserver
from tests.support.webhook import Webhook, webhook_server
from wherry.store.memory import MemoryLog

pytestmark = pytest.mark.looptime(False)

MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
MAPS = "/api/v1/namespaces/demo/configmaps"
PODS = "/api/v1/namespaces/demo/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
Json = dict[str, Any]


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Webhook]:
    async with webhook_server(Authority(tmp_path / "hook"), "hook.demo.svc") as server:
        server.answers["/allow"] = lambda _: {"allowed": True}
        server.answers["/deny"] = lambda _: {"allowed": False, "status": {"message": "the webhook says no"}}
        yield server


def a_pod(name: str) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def rule(*resources: str, operations: tuple[str, ...] = ("CREATE",), group: str = "", version: str = "v1") -> Json:
    return {
        "operations": list(operations),
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": list(resources),
    }


def webhook(hook: Webhook, path: str, *rules: Json, name: str = "a.example.com", **more: Any) -> Json:
    return {
        "name": name, "clientConfig": hook.client_config(path), "rules": list(rules or (rule("configmaps"),)),
        "sideEffects": "None", "admissionReviewVersions": ["v1"], **more,
    }  # fmt: skip


async def configure(http: Http, path: str, *hooks: Json, name: str = "test") -> None:
    answer = await http("POST", path, {"metadata": {"name": name}, "webhooks": list(hooks)})
    assert answer.code == 201, answer.body


def patch(*operations: Json) -> Json:
    document = base64.b64encode(json.dumps(list(operations)).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": document}


def add(path: str, value: Any) -> Json:
    return {"op": "add", "path": path, "value": value}


async def a_map(http: Http, name: str = "a", query: str = "", **data: str) -> Answered:
    return await http("POST", MAPS + query, {"metadata": {"name": name}, "data": data})


async def test_a_validating_webhook_is_told_everything(http: Http, hook: Webhook) -> None:
    await configure(http, VALIDATING, webhook(hook, "/allow", rule("configmaps", operations=("*",))))
    assert (await a_map(http, "a", "?fieldManager=me&fieldValidation=Strict", key="1")).code == 201
    assert (await http("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}, "data": {"key": "2"}})).code == 200
    assert (await http("DELETE", f"{MAPS}/a", {"propagationPolicy": "Orphan"})).code == 200
    created, updated, deleted = hook.reviews["/allow"]
    place = {"group": "", "version": "v1", "resource": "configmaps"}
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert created.pop("uid")
    obj = created.pop("object")
    assert (obj["kind"], obj["apiVersion"], obj["data"]) == ("ConfigMap", "v1", {"key": "1"})
    assert obj["metadata"]["uid"]
    assert created.pop("userInfo")["username"] == "kubernetes-admin"
    assert created == {
        "kind": kind, "resource": place, "requestKind": kind, "requestResource": place, "name": "a",
        "namespace": "demo", "operation": "CREATE", "oldObject": None, "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me",
                    "fieldValidation": "Strict"},
    }  # fmt: skip
    assert (updated["oldObject"]["data"], updated["object"]["data"]) == ({"key": "1"}, {"key": "2"})
    assert updated["options"]["kind"] == "UpdateOptions"
    assert (deleted["object"], deleted["oldObject"]["data"]) == (None, {"key": "2"})
    assert deleted["options"] == {
        "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "propagationPolicy": "Orphan"
    }  # fmt: skip


async def test_a_refusal_carries_message_code_and_reason(http: Http, hook: Webhook) -> None:
    answers: list[Json | None] = [
        None, {"message": "no"}, {"reason": "Why"}, {"message": "no", "code": 403, "reason": "Forbidden"},
        {"message": "no", "code": 418, "reason": "Teapot", "details": {"kind": "x"}}, {"message": "no", "code": 200},
    ]  # fmt: skip
    hook.answers["/no"] = lambda _: {"allowed": False, "status": answers[0]}
    await configure(http, VALIDATING, webhook(hook, "/no"))
    by = 'admission webhook "a.example.com" denied the request'
    expected = [
        (400, f"{by} without explanation", ""), (400, f"{by}: no", ""), (400, f"{by}: Why", "Why"),
        (403, f"{by}: no", "Forbidden"), (418, f"{by}: no", "Teapot"), (400, f"{by}: no", ""),
    ]  # fmt: skip
    for code, message, reason in expected:
        answer = await a_map(http)
        assert (answer.code, answer.message, answer.body["reason"]) == (code, message, reason)
        answers.pop(0)
    assert (await http("GET", f"{MAPS}/a")).code == 404


async def test_mutating_webhooks_follow_one_another_by_name(http: Http, hook: Webhook) -> None:
    hook.answers["/one"] = lambda _: patch(add("/data/one", "1"))
    hook.answers["/two"] = lambda request: patch(add("/data/two", request["object"]["data"].get("one", "missing")))
    hook.answers["/three"] = lambda request: patch(add("/data/three", request["object"]["data"].get("two", "missing")))
    await configure(http, MUTATING, webhook(hook, "/three", name="three.example.com"), name="b")
    await configure(
        http, MUTATING, webhook(hook, "/one", name="one.example.com"), webhook(hook, "/two", name="two.example.com"),
        name="a",
    )  # fmt: skip
    made = await a_map(http, start="0")
    assert made.body["data"] == {"start": "0", "one": "1", "two": "1", "three": "1"}


async def test_whoever_asks_for_it_sees_later_changes(http: Http, hook: Webhook) -> None:
    def count(request: Json) -> Json:
        return patch(add("/data/seen", ",".join(sorted(request["object"]["data"]))))

    hook.answers["/again"] = hook.answers["/once"] = count
    hook.answers["/late"] = lambda _: patch(add("/data/late", "1"))
    await configure(
        http, MUTATING,
        webhook(hook, "/again", name="a.example.com", reinvocationPolicy="IfNeeded"),
        webhook(hook, "/once", name="b.example.com"),
        webhook(hook, "/late", name="c.example.com"),
    )  # fmt: skip
    made = await a_map(http, start="0")
    assert made.body["data"]["seen"] == "late,seen,start"
    assert [len(hook.reviews[path]) for path in ("/again", "/once", "/late")] == [2, 1, 1]


async def test_what_a_webhook_adds_is_defaulted_and_admitted_like_the_rest(http: Http, hook: Webhook) -> None:
    """A sidecar gets the server's defaults, its token mount, and the checks of validation."""
    hook.answers["/sidecar"] = lambda _: patch(add("/spec/containers/-", {"name": "sidecar", "image": "busybox"}))
    await configure(http, MUTATING, webhook(hook, "/sidecar", rule("pods")))
    made = await http("POST", PODS, a_pod("a"))
    sidecar = made.body["spec"]["containers"][1]
    assert sidecar["terminationMessagePath"] == "/dev/termination-log"
    assert sidecar["imagePullPolicy"] == "Always"
    assert [m["mountPath"] for m in sidecar["volumeMounts"]] == ["/var/run/secrets/kubernetes.io/serviceaccount"]
    hook.answers["/sidecar"] = lambda _: patch(add("/spec/containers/-", {"name": "Bad_Name", "image": "busybox"}))
    refused = await http("POST", PODS, a_pod("b"))
    assert (refused.code, refused.body["details"]["causes"][0]["field"]) == (422, "spec.containers[1].name")


def _given(response: Json, _: Json) -> Json:
    return response


async def test_patches_that_cannot_be_applied(http: Http, hook: Webhook) -> None:
    await configure(http, MUTATING, webhook(hook, "/m", rule("configmaps", operations=("CREATE", "DELETE"))))
    cases: list[tuple[Json, str]] = [
        (patch({"op": "remove", "path": "/data/none"}), "Internal error occurred: "),
        (patch(add("/data", "no map")), "Internal error occurred: "),
        ({**patch(), "patchType": "Other"}, 'failed calling webhook "a.example.com": unsupported patch type "Other"'),
        ({"allowed": True, "patch": base64.b64encode(b"x").decode(), "patchType": "JSONPatch"}, "undecodable patch"),
        ({"allowed": True, "patch": "W10="}, "webhook returned response.patch but not response.patchType"),
        ({"allowed": True, "patchType": "JSONPatch"}, "webhook returned response.patchType but not response.patch"),
        ({"allowed": True, "uid": "other"}, 'expected response.uid="'),
    ]
    for response, expected in cases:
        hook.answers["/m"] = functools.partial(_given, response)
        refused = await a_map(http)
        assert refused.code == 500, response
        assert expected in refused.message
    hook.answers["/m"] = lambda _: {"allowed": True}
    assert (await a_map(http)).code == 201
    hook.answers["/m"] = lambda _: patch(add("/data", {}))
    refused = await http("DELETE", f"{MAPS}/a")
    assert "attempted to modify the object, which is not supported for this operation" in refused.message


async def test_a_webhook_that_cannot_be_asked(http: Http, hook: Webhook, tmp_path: Path) -> None:
    """Fails closed or open as it says; and one that is not trusted is never believed."""
    hook.raw["/broken"] = lambda _: web.Response(status=500, text="secret")
    hook.raw["/rubbish"] = lambda _: web.Response(text="no json")
    hook.raw["/empty"] = lambda _: web.json_response({})
    other = base64.b64encode(Authority(tmp_path / "other").certificate.read_bytes()).decode()
    bad: dict[str, Json] = {
        'an error on the server ("unknown") has prevented': {"clientConfig": hook.client_config("/broken")},
        "failed to call webhook: ": {"clientConfig": hook.client_config("/rubbish")},
        "Object 'Kind' is missing": {"clientConfig": hook.client_config("/empty")},
        "certificate signed by unknown authority": {"clientConfig": {"url": hook.url + "/allow", "caBundle": other}},
        'service "none" not found': {"clientConfig": {"service": {"namespace": "demo", "name": "none"}}},
        "context deadline exceeded": {"clientConfig": hook.client_config("/slow"), "timeoutSeconds": 1},
    }

    hook.answers["/slow"] = lambda _: {"allowed": True}
    hook.delay_s = 5
    for kind in (VALIDATING, MUTATING):
        for expected, changes in bad.items():
            await configure(http, kind, {**webhook(hook, "/x"), **changes})
            refused = await a_map(http)
            assert refused.code == 500
            start = 'Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: '
            assert refused.message.startswith(start)
            assert expected in refused.message
            assert "secret" not in refused.message
            merge = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
            changed = await http("PATCH", f"{kind}/test", merge, "application/json-patch+json")
            assert changed.code == 200
            assert (await a_map(http)).code == 201
            assert (await http("DELETE", f"{MAPS}/a")).code == 200
            assert (await http("DELETE", f"{kind}/test")).code == 200


async def test_dry_run_asks_only_webhooks_without_side_effects(http: Http, hook: Webhook) -> None:
    await configure(http, VALIDATING, webhook(hook, "/allow", sideEffects="NoneOnDryRun"))
    assert (await a_map(http, "a", "?dryRun=All")).code == 201
    assert hook.reviews["/allow"][0]["dryRun"] is True
    log = http.running.server.api.windows.log
    window_key = "/registry/admissionregistration.k8s.io/validatingwebhookconfigurations/test"
    stored = (await http("GET", f"{VALIDATING}/test")).body
    stored["webhooks"][0]["sideEffects"] = "Unknown"  # as an older server may have stored it
    revision = int(stored["metadata"].pop("resourceVersion"))
    await log.append(window_key, json.dumps(stored, separators=(",", ":")).encode(), revision)
    refused = await a_map(http, "b", "?dryRun=All")
    assert (refused.code, refused.message) == (400, 'admission webhook "a.example.com" does not support dry run')
    assert (await a_map(http, "b")).code == 201


async def test_nobody_is_asked_about_webhooks_themselves(http: Http, hook: Webhook) -> None:
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    await configure(http, VALIDATING, webhook(hook, "/deny", everything))
    await configure(http, MUTATING, webhook(hook, "/deny", everything))
    assert (await a_map(http)).code == 400
    for path in (VALIDATING, MUTATING):
        changed = await http("PATCH", f"{path}/test", {"metadata": {"labels": {"a": "b"}}},
                             "application/merge-patch+json")  # fmt: skip
        assert changed.code == 200
        assert (await http("DELETE", f"{path}/test")).code == 200
    assert (await a_map(http)).code == 201


async def test_a_server_starts_under_a_webhook_that_fails_everything(tmp_path: Path) -> None:
    log = MemoryLog()
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    async with running_apiserver(tmp_path / "one", log=log) as running:
        from wherry.api.admissionregistration.validatingwebhookconfiguration import (
            VALIDATINGWEBHOOKCONFIGURATION as RESOURCE,
        )
        from wherry.machinery.codec import from_dict

        hook: Json = {
            "name": "a.example.com", "clientConfig": {"url": "https://127.0.0.1:1/"}, "rules": [everything],
            "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        }  # fmt: skip
        await running.client().create(RESOURCE, from_dict(RESOURCE.type, {
            "metadata": {"name": "all"}, "webhooks": [hook]
        }))  # fmt: skip
    async with asyncio.timeout(20), running_apiserver(tmp_path / "two", log=log) as running:
        assert (await running.kubectl("get", "--raw", "/readyz")).out == "ok"
        refused = await running.kubectl("create", "namespace", "x")
        assert 'failed calling webhook "a.example.com"' in refused.err
        assert (await running.kubectl("delete", "validatingwebhookconfiguration", "all")).code == 0
        assert (await running.kubectl("create", "namespace", "x")).code == 0


async def test_selectors_narrow_a_webhook(http: Http, hook: Webhook) -> None:
    not_demo = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["demo"]}]}
    await configure(http, VALIDATING, webhook(hook, "/deny", namespaceSelector=not_demo), name="namespaces")
    watched = {"matchLabels": {"watched": "yes"}}
    own = webhook(hook, "/deny", rule("configmaps", operations=("CREATE", "UPDATE")), objectSelector=watched)
    await configure(http, VALIDATING, own, name="objects")
    assert (await a_map(http)).code == 201
    labelled = {"metadata": {"name": "b", "labels": {"watched": "yes"}}}
    assert (await http("POST", MAPS, labelled)).code == 400
    assert (await http("PUT", f"{MAPS}/a", {**labelled, "metadata": {**labelled["metadata"], "name": "a"}})).code == 400
    assert (await http("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}})).code == 400


async def test_warnings_reach_the_client(http: Http, hook: Webhook) -> None:
    hook.answers["/warn"] = lambda _: {"allowed": True, "warnings": ["mind the gap"]}
    await configure(http, VALIDATING, webhook(hook, "/warn"))
    assert '299 - "mind the gap"' in (await a_map(http)).headers["Warning"]


async def test_equivalent_versions_are_converted(http: Http, hook: Webhook) -> None:
    """A rule about autoscaling/v1 sees v1, whichever version the client speaks; what it changes comes back."""
    path = "/apis/autoscaling/v2/namespaces/demo/horizontalpodautoscalers"
    v1 = rule("horizontalpodautoscalers", group="autoscaling", version="v1", operations=("CREATE", "UPDATE"))
    hook.answers["/scale"] = lambda _: patch(add("/spec/maxReplicas", 7))
    await configure(http, MUTATING, webhook(hook, "/scale", v1))
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization",
                                                                           "averageUtilization": 70}}}  # fmt: skip
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [memory]}
    made = await http("POST", path, {"metadata": {"name": "a"}, "spec": spec})
    assert made.code == 201, made.body
    assert (made.body["spec"]["maxReplicas"], made.body["spec"]["metrics"]) == (7, [memory])
    asked = hook.reviews["/scale"][0]
    assert asked["object"]["apiVersion"] == "autoscaling/v1"
    assert (asked["resource"]["version"], asked["requestResource"]["version"]) == ("v1", "v2")
    assert (asked["kind"]["version"], asked["requestKind"]["version"]) == ("v1", "v2")
    exact = webhook(hook, "/deny", v1, matchPolicy="Exact")
    await configure(http, VALIDATING, exact)
    assert (await http("POST", path, {"metadata": {"name": "b"}, "spec": spec})).code == 201


async def test_subresources_show_what_they_are_about(http: Http, hook: Webhook) -> None:
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
                 "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    }  # fmt: skip
    assert (await http("POST", DEPLOYMENTS, deployment)).code == 201
    assert (await http("POST", PODS, a_pod("a"))).code == 201
    hook.answers["/more"] = lambda request: patch(add("/spec/replicas", request["object"]["spec"]["replicas"] + 1))
    await configure(
        http, MUTATING, webhook(hook, "/more", rule("deployments/scale", group="apps", operations=("UPDATE",)))
    )  # fmt: skip
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    await configure(http, VALIDATING, webhook(hook, "/allow", everything))
    scaled = await http("PUT", f"{DEPLOYMENTS}/web/scale", {"metadata": {"name": "web"}, "spec": {"replicas": 4}})
    assert scaled.body["spec"]["replicas"] == 5
    bound = await http("POST", f"{PODS}/a/binding", {"metadata": {"name": "a"}, "target": {"name": "n"}})
    assert bound.code == 201
    status = {"metadata": {"name": "a"}, "status": {"phase": "Running"}}
    assert (await http("PATCH", f"{PODS}/a/status", status, "application/merge-patch+json")).code == 200
    await http("POST", f"{PODS}/a/exec?command=ls&stdout=true&container=c", Upgrade="SPDY/3.1", Connection="Upgrade")
    assert (await http("POST", f"{PODS}/a/eviction", {"metadata": {"name": "a"}})).code == 201
    token = await http("POST", "/api/v1/namespaces/demo/serviceaccounts/default/token", {"spec": {}})
    assert token.code == 201
    seen = [
        (r["operation"], r["kind"]["kind"], r.get("subResource"), (r["object"] or {}).get("kind"))
        for r in hook.reviews["/allow"]
    ]
    assert seen == [
        ("UPDATE", "Scale", "scale", "Scale"),
        ("CREATE", "Binding", "binding", "Binding"),
        ("UPDATE", "Pod", "status", "Pod"),
        ("CONNECT", "PodExecOptions", "exec", "PodExecOptions"),
        ("CREATE", "Eviction", "eviction", "Eviction"),
        ("CREATE", "TokenRequest", "token", "TokenRequest"),
    ]
    assert hook.reviews["/allow"][3]["object"]["command"] == ["ls"]


async def test_attaching_can_be_refused(http: Http, hook: Webhook) -> None:
    assert (await http("POST", PODS, a_pod("a"))).code == 201
    await configure(http, VALIDATING, webhook(hook, "/deny", rule("pods/attach", operations=("CONNECT",))))
    refused = await http("POST", f"{PODS}/a/attach?stdout=true", Upgrade="SPDY/3.1", Connection="Upgrade")
    assert (refused.code, refused.message) == (
        400, 'admission webhook "a.example.com" denied the request: the webhook says no'
    )  # fmt: skip


async def test_every_object_of_a_collection_is_asked_about(http: Http, hook: Webhook) -> None:
    for name in ("a", "b", "c"):
        await a_map(http, name)
    await configure(http, VALIDATING, webhook(hook, "/allow", rule("configmaps", operations=("DELETE",))))
    assert (await http("DELETE", MAPS)).code == 200
    assert [r["name"] for r in hook.reviews["/allow"]] == ["a", "b", "c"]


async def test_all_validating_webhooks_are_asked_at_once(http: Http, hook: Webhook) -> None:
    hook.delay_s = 0.5
    hooks = [webhook(hook, "/allow", name=f"h{index}.example.com") for index in range(8)]
    await configure(http, VALIDATING, *hooks)
    started = asyncio.get_running_loop().time()
    assert (await a_map(http)).code == 201
    assert asyncio.get_running_loop().time() - started < 3
    assert len(hook.reviews["/allow"]) == 8


async def test_a_deleted_configuration_is_asked_no_more(http: Http, hook: Webhook) -> None:
    await configure(http, VALIDATING, webhook(hook, "/deny"))
    assert (await a_map(http)).code == 400
    assert (await http("DELETE", VALIDATING + "?labelSelector=!none")).code == 200
    assert (await a_map(http)).code == 201


async def test_a_v1beta1_webhook_is_understood(http: Http, hook: Webhook) -> None:
    hook.answers["/old"] = lambda _: {**patch(add("/data/old", "1")), "uid": "", "patchType": None}
    await configure(http, MUTATING, webhook(hook, "/old", admissionReviewVersions=["v2", "v1beta1", "v1"]))
    made = await a_map(http, start="0")
    assert made.body["data"] == {"start": "0", "old": "1"}


async def test_match_conditions_decide_who_is_asked(http: Http, hook: Webhook) -> None:
    conditions = [
        {"name": "not-spared", "expression": "object.metadata.name != 'spared'"},
        {"name": "by-admin", "expression": "authorizer.requestResource.check('create').allowed()"},
    ]
    await configure(http, VALIDATING, webhook(hook, "/deny", matchConditions=conditions))
    assert (await a_map(http, "spared")).code == 201
    assert (await a_map(http, "other")).code == 400
    await http("DELETE", f"{VALIDATING}/test")
    failing = [{"name": "fails", "expression": "object.data.missing == 'x'"}]
    await configure(http, VALIDATING, webhook(hook, "/allow", matchConditions=failing))
    refused = await a_map(http, "third", key="1")
    assert refused.code == 403
    assert refused.message.endswith("expression 'object.data.missing == 'x'' resulted in error: no such key: missing")

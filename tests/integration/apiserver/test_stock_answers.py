"""Answers that were compared with those of a stock kube-apiserver of the same version, asked side by side."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

PODS = "/api/v1/namespaces/demo/pods"
BUDGETS = "/apis/policy/v1/namespaces/demo/poddisruptionbudgets"
MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SPEC: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}]}


async def test_empty_structs_and_times_are_written(http: Http) -> None:
    made = (await http("POST", PODS, {"metadata": {"name": "p"}, "spec": SPEC})).body
    assert made["spec"]["containers"][0]["resources"] == {}
    state = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    (told,) = (await http("PATCH", f"{PODS}/p/status", state, MERGE)).body["status"]["conditions"]
    assert told == {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}
    event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "demo", "kind": "Pod", "name": "p"}}
    said = (await http("POST", "/api/v1/namespaces/demo/events", event)).body
    assert (said["source"], said["firstTimestamp"], said["eventTime"]) == ({}, None, None)


async def test_what_the_server_adds_is_owned_by_nobody(http: Http) -> None:
    job = {"metadata": {"name": "j"}, "spec": {"template": {"spec": {**SPEC, "restartPolicy": "Never"}}}}
    made = (await http("POST", "/apis/batch/v1/namespaces/demo/jobs", job)).body
    assert "batch.kubernetes.io/job-name" in made["spec"]["template"]["metadata"]["labels"]
    owned = made["metadata"]["managedFields"][0]["fieldsV1"]
    assert owned["f:spec"]["f:template"].keys() == {"f:spec"}
    pod = (await http("POST", PODS, {"metadata": {"name": "p"}, "spec": SPEC})).body
    fields = pod["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert pod["spec"]["tolerations"]
    assert fields.keys().isdisjoint({"f:tolerations", "f:priority", "f:serviceAccountName"})
    assert "f:resources" in fields["f:containers"]['k:{"name":"c"}']


async def test_a_budget_that_is_used_up_says_so(http: Http) -> None:
    for name in ("p", "q"):
        await http(
            "POST", PODS, {"metadata": {"name": name, "labels": {"app": "x"}}, "spec": {**SPEC, "nodeName": "n"}}
        )
        ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        await http("PATCH", f"{PODS}/{name}/status", ready, MERGE)
    await http("POST", BUDGETS, {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "x"}}}})
    state = {"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "desiredHealthy": 1, "currentHealthy": 2}}
    await http("PATCH", f"{BUDGETS}/b/status", state, MERGE)
    assert (await http("POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}})).code == 201
    (said,) = (await http("GET", f"{BUDGETS}/b")).body["status"]["conditions"]
    assert said.pop("lastTransitionTime")
    assert said == {
        "type": "DisruptionAllowed", "status": "False", "observedGeneration": 1, "reason": "InsufficientPods",
        "message": "",
    }  # fmt: skip
    refused = await http("POST", f"{PODS}/q/eviction", {"metadata": {"name": "q"}})
    assert refused.body["details"]["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget b does not allow evicting pods currently"}
    ]


async def test_a_pod_without_a_node_has_no_log_and_runs_nothing(http: Http) -> None:
    await http("POST", PODS, {"metadata": {"name": "p"}, "spec": SPEC})
    for query in ("", "?follow=true", "?previous=true"):
        answer = await http("GET", f"{PODS}/p/log{query}")
        assert (answer.code, answer.body) == (204, None)
    assert (await http("GET", f"{PODS}/p/exec?command=a&stdout=1")).message == "pod p does not have a host assigned"
    assert (await http("GET", f"{PODS}/p/proxy/")).message == "address not allowed"


async def test_scales_are_shown_as_tables(http: Http) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": SPEC}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, "replicas": 3}
    place = "/apis/apps/v1/namespaces/demo/deployments"
    await http("POST", place, {"metadata": {"name": "d"}, "spec": spec})
    shown = (await http("GET", f"{place}/d/scale", Accept=TABLE)).body
    assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert shown["rows"][0]["cells"][:3] == ["d", 3, 0]
    assert (await http("GET", f"{place}/d/scale")).body["kind"] == "Scale"


@pytest.mark.parametrize("path", ["/nothing", "/apis/nope", "/apis/nope/v1", "/apis/nope/v1/foos", "/openapi/v3/nope"])
async def test_where_there_is_no_api_there_is_no_status(http: Http, path: str) -> None:
    answer = await http("GET", path)
    assert (answer.code, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nope", 404), ("GET", "/apis/apps/v2", 404), ("GET", "/apis/apps/v1/nope", 404),
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews/x", 404), ("PUT", PODS, 405),
        ("PATCH", "/api/v1/pods", 405), ("DELETE", "/api/v1/namespaces", 405), ("POST", f"{PODS}/p", 405),
        ("GET", "/api/v1/namespaces/demo/bindings", 405),
    ],
)  # fmt: skip
async def test_what_an_api_does_not_have(http: Http, method: str, path: str, code: int) -> None:
    answer = await http(method, path)
    said = {404: "could not find the requested resource", 405: "does not allow this method on the requested resource"}
    assert (answer.code, answer.message) == (code, f"the server {said[code]}")
    assert answer.body["details"] == {}


async def test_names_that_kinds_take(http: Http) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": SPEC}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    refused = await http(
        "POST", "/apis/apps/v1/namespaces/demo/statefulsets", {"metadata": {"name": "a.b"}, "spec": spec}
    )
    assert (
        refused.message
        == 'StatefulSet.apps "a.b" is invalid: metadata.name: Invalid value: "a.b": must not contain dots'
    )
    budget = {"metadata": {"name": "A b"}, "spec": {"maxUnavailable": 1}}
    assert (await http("POST", BUDGETS, budget)).code == 201
    refused = await http("POST", BUDGETS, {**budget, "metadata": {"name": "a/b"}})
    assert refused.message.endswith("metadata.name: Invalid value: \"a/b\": may not contain '/'")


async def test_only_some_kinds_are_made_by_putting_them(http: Http) -> None:
    node, scheduling = "/apis/node.k8s.io/v1/runtimeclasses/r", "/apis/scheduling.k8s.io/v1/priorityclasses/r"
    assert (await http("PUT", node, {"metadata": {"name": "r"}, "handler": "h"})).code == 201
    assert (await http("PUT", scheduling, {"metadata": {"name": "r"}, "value": 1})).code == 404


async def test_preconditions_of_a_namespace_fail_in_words_of_their_own(http: Http) -> None:
    made = (await http("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})).body
    refused = await http("DELETE", "/api/v1/namespaces/n", {"preconditions": {"uid": "u"}})
    assert refused.message == (
        'Operation cannot be fulfilled on namespaces "n": Precondition failed: UID in precondition: u, '
        f"UID in object meta: {made['metadata']['uid']}"
    )


async def test_enumerations_defaults_and_either_types_are_published(http: Http) -> None:
    second = (await http("GET", "/openapi/v2")).body["definitions"]
    policy = second["io.k8s.api.core.v1.Container"]["properties"]["imagePullPolicy"]
    assert policy["enum"] == ["Always", "IfNotPresent", "Never"]
    assert policy["description"].endswith('\n\nPossible enum values:\n - `"Always"`\n - `"IfNotPresent"`\n - `"Never"`')
    modes = second["io.k8s.api.core.v1.PersistentVolumeClaimSpec"]["properties"]["accessModes"]["items"]["enum"]
    assert "ReadWriteOncePod" in modes
    assert second["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["type"] == "string"
    assert "io.k8s.api.apiserverinternal.v1alpha1.StorageVersion" not in second  # served by nobody
    assert "x-v3-" not in str(second)
    third = (await http("GET", "/openapi/v3/api/v1")).body["components"]["schemas"]
    either = third["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert (either["oneOf"], "type" in either) == ([{"type": "integer"}, {"type": "string"}], False)
    name = third["io.k8s.api.core.v1.Container"]["properties"]
    assert (name["name"]["default"], name["resources"]["default"]) == ("", {})
    assert name["resources"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.ResourceRequirements"}]
    kinds = third["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]["x-kubernetes-group-version-kind"]
    assert kinds == [{"group": "", "kind": "DeleteOptions", "version": "v1"}]
    assert "x-v3-" not in str(third)


async def test_checks_and_levels_have_upstreams_names(http: Http) -> None:
    lines = (await http("GET", "/readyz?verbose")).body.decode().splitlines()
    for name in ("poststarthook/start-apiextensions-controllers", "autoregister-completion"):
        assert f"[+]{name} ok" in lines
    assert b'kubernetes_healthcheck{name="etcd",type="readyz"} 1' in (await http("GET", "/metrics/slis")).body
    text = (await http("GET", "/metrics")).body.decode()
    for name in ("apiserver_request_sli_duration_seconds_count", "kubernetes_build_info", "apiserver_resource_objects"):
        assert f"\n{name}{{" in text

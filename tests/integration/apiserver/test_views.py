"""Kinds served in two versions: one set of objects, seen from both sides."""

from __future__ import annotations

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

OLD = "/api/v1/namespaces/demo/events"
NEW = "/apis/events.k8s.io/v1/namespaces/demo/events"
V1 = "/apis/autoscaling/v1/namespaces/demo/horizontalpodautoscalers"
V2 = "/apis/autoscaling/v2/namespaces/demo/horizontalpodautoscalers"
MERGE = "application/merge-patch+json"


async def test_events_of_both_groups_are_the_same(http: Http) -> None:
    event = {
        "metadata": {"name": "e", "namespace": "demo"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Run", "reason": "Ran", "type": "Normal", "note": "hello",
        "reportingController": "example.com/c", "reportingInstance": "c-1",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "demo"},
    }  # fmt: skip
    made = await http("POST", NEW, event)
    assert made.code == 201, made.body
    assert (made.body["apiVersion"], made.body["note"]) == ("events.k8s.io/v1", "hello")
    old = (await http("GET", f"{OLD}/e")).body
    assert (old["apiVersion"], old["message"], old["involvedObject"]["name"]) == ("v1", "hello", "p")
    await http("PATCH", f"{OLD}/e", {"message": "again"}, MERGE)
    assert (await http("GET", NEW)).body["items"][0]["note"] == "again"
    patched = await http("PATCH", f"{NEW}/e", {"series": {"count": 2, "lastObservedTime": event["eventTime"]}}, MERGE)
    assert patched.code == 200, patched.body
    assert (await http("GET", f"{OLD}/e")).body["series"]["count"] == 2


async def test_an_old_autoscaler_keeps_what_it_cannot_say(http: Http) -> None:
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": 5, "metrics": [memory, cpu]}
    assert (await http("POST", V2, {"metadata": {"name": "h"}, "spec": spec})).code == 201
    shown = (await http("GET", f"{V1}/h")).body
    assert shown["apiVersion"] == "autoscaling/v1"
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 50
    shown["spec"]["targetCPUUtilizationPercentage"] = 60
    assert (await http("PUT", f"{V1}/h", shown)).code == 200
    metrics = (await http("GET", f"{V2}/h")).body["spec"]["metrics"]
    assert [m["resource"]["name"] for m in metrics] == ["memory", "cpu"]
    assert metrics[1]["resource"]["target"]["averageUtilization"] == 60

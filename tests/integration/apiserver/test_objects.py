"""The life of objects over HTTPS: create, read, change, delete, and what each write leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
PODS = "/api/v1/namespaces/demo/pods"
SERVICES = "/api/v1/namespaces/demo/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
MERGE = "application/merge-patch+json"


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
            **spec,
        },
    }


def binding(node: str) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}}


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec}}


async def test_what_a_new_object_has(http: Http) -> None:
    sent = deployment()
    sent["metadata"] |= {"uid": "mine", "generation": 9, "deletionTimestamp": "2020-01-01T00:00:00Z"}
    sent["status"] = {"replicas": 7}
    made = await http("POST", DEPLOYMENTS, sent)
    meta = made.body["metadata"]
    assert made.code == 201
    assert meta["uid"] != "mine"
    assert meta["generation"] == 1
    assert "deletionTimestamp" not in meta
    assert made.body.get("status", {}).get("replicas", 0) == 0
    assert made.body["spec"]["strategy"]["type"] == "RollingUpdate"
    assert meta["managedFields"][0]["operation"] == "Update"
    assert (await http("GET", f"{DEPLOYMENTS}/web")).body == made.body


async def test_a_generated_name(http: Http) -> None:
    made = await http("POST", MAPS, {"metadata": {"generateName": "a-"}})
    assert made.code == 201
    assert len(made.body["metadata"]["name"]) == 7


async def test_a_name_twice(http: Http) -> None:
    await http("POST", MAPS, {"metadata": {"name": "a"}})
    again = await http("POST", MAPS, {"metadata": {"name": "a"}})
    assert (again.code, again.message) == (409, 'configmaps "a" already exists')
    assert again.body["details"] == {"name": "a", "kind": "configmaps"}


async def test_in_a_namespace_that_is_not_there(http: Http) -> None:
    answer = await http("POST", "/api/v1/namespaces/nowhere/configmaps", {"metadata": {"name": "a"}})
    assert (answer.code, answer.message) == (404, 'namespaces "nowhere" not found')


async def test_generation_and_revision_of_updates(http: Http) -> None:
    made = (await http("POST", DEPLOYMENTS, deployment())).body
    same = (await http("PUT", f"{DEPLOYMENTS}/web", made)).body
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    made["metadata"]["labels"] = {"x": "y"}
    labelled = (await http("PUT", f"{DEPLOYMENTS}/web", made)).body
    assert labelled["metadata"]["generation"] == 1
    assert labelled["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    labelled["spec"]["replicas"] = 3
    labelled["status"] = {"replicas": 9}
    changed = (await http("PUT", f"{DEPLOYMENTS}/web", labelled)).body
    assert changed["metadata"]["generation"] == 2
    assert changed.get("status", {}).get("replicas", 0) == 0


async def test_status_is_written_through_its_own_door(http: Http) -> None:
    made = (await http("POST", DEPLOYMENTS, deployment(replicas=2))).body
    made["status"] = {"replicas": 2, "observedGeneration": 1}
    made["spec"]["replicas"] = 8
    written = (await http("PUT", f"{DEPLOYMENTS}/web/status", made)).body
    assert written["status"]["replicas"] == 2
    assert written["spec"]["replicas"] == 2
    assert written["metadata"]["generation"] == 1
    assert {e.get("subresource", "") for e in written["metadata"]["managedFields"]} == {"", "status"}


async def test_an_old_revision_is_a_conflict(http: Http) -> None:
    made = (await http("POST", MAPS, {"metadata": {"name": "a"}})).body
    await http("PATCH", f"{MAPS}/a", {"data": {"x": "1"}}, MERGE)
    answer = await http("PUT", f"{MAPS}/a", made)
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert answer.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to '
        "the latest version and try again"
    )


async def test_dry_run_writes_nothing(http: Http) -> None:
    made = await http("POST", f"{MAPS}?dryRun=All", {"metadata": {"name": "a"}})
    assert made.code == 201
    assert made.body["metadata"]["uid"]
    assert (await http("GET", f"{MAPS}/a")).code == 404
    await http("POST", MAPS, {"metadata": {"name": "a"}})
    assert (await http("DELETE", f"{MAPS}/a?dryRun=All")).code == 200
    patched = await http("PATCH", f"{MAPS}/a?dryRun=All", {"data": {"x": "1"}}, MERGE)
    assert patched.body["data"] == {"x": "1"}
    assert "data" not in (await http("GET", f"{MAPS}/a")).body


async def test_server_side_apply_creates_owns_and_conflicts(http: Http) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "y": "1"}}
    apply = "application/apply-patch+yaml"
    made = await http("PATCH", f"{MAPS}/a?fieldManager=one", body, apply)
    assert made.code == 201
    again = await http("PATCH", f"{MAPS}/a?fieldManager=one", body, apply)
    assert (again.code, again.body) == (200, made.body)
    other = {**body, "data": {"x": "2"}}
    refused = await http("PATCH", f"{MAPS}/a?fieldManager=two", other, apply)
    assert refused.code == 409
    assert refused.message == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    forced = await http("PATCH", f"{MAPS}/a?fieldManager=two&force=true", other, apply)
    assert forced.body["data"] == {"x": "2", "y": "1"}
    owners = {entry["manager"]: entry["fieldsV1"]["f:data"] for entry in forced.body["metadata"]["managedFields"]}
    assert owners == {"one": {"f:y": {}}, "two": {"f:x": {}}}
    dropped = await http("PATCH", f"{MAPS}/a?fieldManager=one", {**body, "data": {}}, apply)
    assert dropped.body["data"] == {"x": "2"}


async def test_a_plain_write_keeps_the_owners_of_other_fields(http: Http) -> None:
    """Also when it sends no managedFields, as clients that know nothing of them do."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "y": "1"}}
    await http("PATCH", f"{MAPS}/a?fieldManager=one", body, "application/apply-patch+yaml")
    written = await http("PUT", f"{MAPS}/a?fieldManager=two", {**body, "data": {"x": "2", "y": "1"}})
    owners = {entry["manager"]: entry["fieldsV1"] for entry in written.body["metadata"]["managedFields"]}
    assert owners["one"]["f:data"] == {"f:y": {}}
    assert owners["two"]["f:data"] == {"f:x": {}}


async def test_finalizers_keep_an_object_until_they_are_gone(http: Http) -> None:
    await http("POST", MAPS, {"metadata": {"name": "a", "finalizers": ["example.com/f"]}})
    deleted = await http("DELETE", f"{MAPS}/a")
    assert deleted.code == 200
    assert deleted.body["metadata"]["deletionTimestamp"]
    more = await http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": ["example.com/f", "example.com/g"]}}, MERGE)
    assert more.code == 422
    assert "no new finalizers can be added if the object is being deleted" in more.message
    assert (await http("DELETE", f"{MAPS}/a")).code == 200
    await http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, MERGE)
    assert (await http("GET", f"{MAPS}/a")).code == 404


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
async def test_repeated_deletes_of_any_policy_come_to_an_end(http: Http, policy: str, times: int) -> None:
    await http("POST", MAPS, {"metadata": {"name": "a", "finalizers": ["example.com/f"]}})
    for _ in range(times):
        await http("DELETE", f"{MAPS}/a", {"propagationPolicy": policy})
    await http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": ["example.com/f"]}}, MERGE)  # the collector's part
    await http("DELETE", f"{MAPS}/a", {"propagationPolicy": policy})
    left = (await http("GET", f"{MAPS}/a")).body["metadata"]["finalizers"]
    assert left == ["example.com/f"], "what the collector has done is not asked for again"
    await http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, MERGE)
    assert (await http("GET", f"{MAPS}/a")).code == 404


async def test_delete_with_preconditions(http: Http) -> None:
    made = (await http("POST", MAPS, {"metadata": {"name": "a"}})).body
    refused = await http("DELETE", f"{MAPS}/a", {"preconditions": {"uid": "other"}})
    assert refused.code == 409
    assert "the UID in the precondition (other) does not match the UID in record" in refused.message
    fine = await http("DELETE", f"{MAPS}/a", {"preconditions": {"uid": made["metadata"]["uid"]}})
    assert (fine.code, fine.body["status"]) == (200, "Success")


async def test_a_scheduled_pod_goes_gracefully(http: Http) -> None:
    await http("POST", PODS, pod())
    bound = await http("POST", f"{PODS}/p/binding", binding("n"))
    assert bound.code == 201
    twice = await http("POST", f"{PODS}/p/binding", binding("m"))
    assert twice.code == 409
    first = (await http("DELETE", f"{PODS}/p")).body
    assert first["metadata"]["deletionGracePeriodSeconds"] == 30
    longer = (await http("DELETE", f"{PODS}/p?gracePeriodSeconds=60")).body
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 30
    shorter = (await http("DELETE", f"{PODS}/p?gracePeriodSeconds=5")).body
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    assert (await http("DELETE", f"{PODS}/p?gracePeriodSeconds=0")).code == 200
    assert (await http("GET", f"{PODS}/p")).code == 404


async def test_a_pod_that_is_nowhere_goes_at_once(http: Http) -> None:
    await http("POST", PODS, pod())
    await http("DELETE", f"{PODS}/p")
    assert (await http("GET", f"{PODS}/p")).code == 404


async def test_delete_collection_by_label(http: Http) -> None:
    for n in range(4):
        await http("POST", MAPS, {"metadata": {"name": f"a{n}", "labels": {"odd": str(n % 2)}}})
    gone = await http("DELETE", f"{MAPS}?labelSelector=odd%3D1")
    assert [i["metadata"]["name"] for i in gone.body["items"]] == ["a1", "a3"]
    left = (await http("GET", MAPS)).body
    assert [i["metadata"]["name"] for i in left["items"]] == ["a0", "a2"]


async def test_a_namespace_ends_when_it_is_finalized(http: Http) -> None:
    deleted = (await http("DELETE", "/api/v1/namespaces/demo")).body
    assert deleted["status"]["phase"] == "Terminating"
    refused = await http("POST", MAPS, {"metadata": {"name": "a"}})
    assert refused.code == 403
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    deleted["spec"] = {}
    await http("PUT", "/api/v1/namespaces/demo/finalize", deleted)
    assert (await http("GET", "/api/v1/namespaces/demo")).code == 404
    immortal = await http("DELETE", "/api/v1/namespaces/default")
    assert immortal.code == 403


async def test_scale(http: Http) -> None:
    await http("POST", DEPLOYMENTS, deployment(replicas=2))
    found = (await http("GET", f"{DEPLOYMENTS}/web/scale")).body
    assert found["spec"] == {"replicas": 2}
    assert found["status"]["selector"] == "app=web"
    found["spec"]["replicas"] = 5
    assert (await http("PUT", f"{DEPLOYMENTS}/web/scale", found)).body["spec"] == {"replicas": 5}
    assert (await http("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 0}}, MERGE)).code == 200
    assert (await http("GET", f"{DEPLOYMENTS}/web")).body["spec"]["replicas"] == 0
    assert (await http("PUT", f"{DEPLOYMENTS}/web/scale", found)).code == 409


async def test_services_get_and_keep_their_numbers(http: Http) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    made = (await http("POST", SERVICES, body)).body["spec"]
    assert made["clusterIP"].startswith("10.96.")
    assert made["clusterIPs"] == [made["clusterIP"]]
    assert 30000 <= made["ports"][0]["nodePort"] <= 32767
    kept = (await http("PUT", f"{SERVICES}/s", body)).body["spec"]
    assert (kept["clusterIP"], kept["ports"]) == (made["clusterIP"], made["ports"])
    taken = {"metadata": {"name": "t"}, "spec": {"clusterIP": made["clusterIP"], "ports": [{"port": 80}]}}
    refused = await http("POST", SERVICES, taken)
    assert refused.code == 422
    assert "provided IP is already allocated" in refused.message
    outside: Any = {"metadata": {"name": "t"}, "spec": {"clusterIP": "192.0.2.1", "ports": [{"port": 80}]}}
    assert "the provided network does not match the current range" in (await http("POST", SERVICES, outside)).message
    outside["spec"]["clusterIP"] = "10.96.0.0"
    assert "The range of valid IPs is 10.96.0.0/" in (await http("POST", SERVICES, outside)).message
    plain = (await http("PATCH", f"{SERVICES}/s", {"spec": {"type": "ClusterIP"}}, MERGE)).body["spec"]
    assert "nodePort" not in plain["ports"][0]
    await http("DELETE", f"{SERVICES}/s")
    assert (await http("POST", SERVICES, taken)).code == 201


async def test_a_dry_run_reserves_nothing(http: Http) -> None:
    spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
    dry = await http("POST", f"{SERVICES}?dryRun=All", {"metadata": {"name": "s"}, "spec": spec})
    assert dry.code == 201
    assert (await http("POST", SERVICES, {"metadata": {"name": "t"}, "spec": spec})).code == 201


async def test_eviction_respects_a_disruption_budget(http: Http) -> None:
    budgets = "/apis/policy/v1/namespaces/demo/poddisruptionbudgets"
    made = pod()
    made["metadata"]["labels"] = {"app": "x"}
    await http("POST", PODS, made)
    await http("POST", f"{PODS}/p/binding", binding("n"))
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await http("PATCH", f"{PODS}/p/status", ready, MERGE)
    await http("POST", budgets, {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "x"}}}})
    state = {"status": {"observedGeneration": 1, "disruptionsAllowed": 0, "desiredHealthy": 1, "currentHealthy": 1}}
    await http("PATCH", f"{budgets}/b/status", state, MERGE)
    refused = await http("POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}})
    assert (refused.code, refused.message) == (
        429, "Cannot evict pod as it would violate the pod's disruption budget.",
    )  # fmt: skip
    await http("PATCH", f"{budgets}/b/status", {"status": {"disruptionsAllowed": 1}}, MERGE)
    assert (await http("POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}})).code == 201
    leaving = (await http("GET", f"{PODS}/p")).body["status"]["conditions"]
    assert [(c["type"], c["status"], c["reason"]) for c in leaving if c["type"] == "DisruptionTarget"] == [
        ("DisruptionTarget", "True", "EvictionByEvictionAPI")
    ]
    spent = (await http("GET", f"{budgets}/b")).body["status"]
    assert spent["disruptionsAllowed"] == 0
    assert "p" in spent["disruptedPods"]


async def test_quota_and_limits(http: Http) -> None:
    await http(
        "POST", "/api/v1/namespaces/demo/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}}
    )
    limits = {
        "limits": [
            {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}}
        ]
    }
    await http("POST", "/api/v1/namespaces/demo/limitranges", {"metadata": {"name": "l"}, "spec": limits})
    made = (await http("POST", PODS, pod())).body
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}}
    over = await http("POST", PODS, pod("q"))
    assert over.code == 403
    assert over.message == (
        'pods "q" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    )


async def test_doors_of_a_pod(http: Http) -> None:
    """Ephemeral containers and sizes change through their own subresources only."""
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "1", "memory": "1Gi"}}}
    assert (await http("POST", "/api/v1/nodes", node)).code == 201
    spec = {"containers": [{"name": "c", "image": "x", "resources": resources}]}
    await http("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})
    await http("POST", f"{PODS}/p/binding", binding("n"))
    strategic = "application/strategic-merge-patch+json"
    debug = {"spec": {"ephemeralContainers": [{"name": "d", "image": "busybox"}]}}
    assert (await http("PATCH", f"{PODS}/p", debug, strategic)).code == 422
    added = await http("PATCH", f"{PODS}/p/ephemeralcontainers", debug, strategic)
    assert added.code == 200, added.body
    assert added.body["spec"]["ephemeralContainers"][0]["name"] == "d"
    bigger = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "300m"}}}]}}
    assert (await http("PATCH", f"{PODS}/p", bigger, strategic)).code == 422
    resized = await http("PATCH", f"{PODS}/p/resize", bigger, strategic)
    assert resized.code == 200, resized.body
    assert resized.body["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "300m"}
    assert resized.body["metadata"]["generation"] == 3
    image = {"spec": {"containers": [{"name": "c", "image": "y"}]}}
    assert (await http("PATCH", f"{PODS}/p", image, strategic)).code == 200


async def test_data_of_a_revision_are_the_bytes_that_go_writes(http: Http) -> None:
    """Clients compare them with what Go makes of a template."""
    path = "/apis/apps/v1/namespaces/demo/controllerrevisions"
    body = {"metadata": {"name": "a"}, "revision": 1, "data": {"args": ["a<b>c&d", "\u2028\u2029"]}}
    assert (await http("POST", path, body)).body["data"] == body["data"]
    async with http.session.get(f"{http.running.url}{path}/a") as response:
        assert rb'"data":{"args":["a\u003cb\u003ec\u0026d","\u2028\u2029"]}' in await response.read()
    assert (await http("GET", f"{path}/a")).body["data"] == body["data"]

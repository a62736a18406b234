"""MutatingAdmissionPolicies over HTTPS, as upstream's conformance specs use them and beyond."""

from __future__ import annotations

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.policies import (
    DEPLOYMENTS,
    MUTATING,
    MUTATING_BINDINGS,
    Json,
    a_deployment,
    a_map,
    apply,
    json_patch,
    make,
    mutating,
    rules,
    validating,
)

pytestmark = pytest.mark.looptime(False)


async def test_a_deployment_gets_annotations(http: Http) -> None:
    expression = 'Object{metadata: Object.metadata{annotations: {"mutated-by": "admission-policy"}}}'
    await mutating(http, apply(expression), matchConstraints=rules("deployments", group="apps"))
    made = await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    assert made.body["metadata"]["annotations"]["mutated-by"] == "admission-policy"


async def test_a_deployment_gets_replicas(http: Http) -> None:
    await mutating(
        http,
        apply("Object{spec: Object.spec{replicas: object.spec.replicas * 1337}}"),
        matchConstraints=rules("deployments", group="apps"),
    )
    made = await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    assert (made.code, made.body["spec"]["replicas"]) == (201, 1337), made.body


async def test_what_a_policy_adds_is_owned_by_nobody(http: Http) -> None:
    """Not by who changed the object either, who would otherwise be in conflict with, or remove, what others gave."""
    await mutating(
        http,
        apply('Object{metadata: Object.metadata{annotations: {"mutated-by": "policy"}}}'),
        matchConstraints=rules("deployments", group="apps"),
        matchConditions=[{"name": "c", "expression": "request.operation == 'UPDATE'"}],
    )
    await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    body = {"spec": {"replicas": 3}}
    path, kind = f"{DEPLOYMENTS}/one?fieldManager=scaler", "application/merge-patch+json"
    changed = (await http("PATCH", path, body, kind)).body
    assert changed["metadata"]["annotations"]["mutated-by"] == "policy"
    owned = {entry["manager"]: entry["fieldsV1"] for entry in changed["metadata"]["managedFields"]}
    assert owned["scaler"] == {"f:spec": {"f:replicas": {}}}
    assert not any("f:annotations" in fields.get("f:metadata", {}) for fields in owned.values())


async def test_keyed_lists_are_merged_and_defaults_follow(http: Http) -> None:
    container = 'Object.spec.template.spec.containers{name: "side", image: "x"}'
    inner = f"Object.spec.template.spec{{containers: [{container}]}}"
    await mutating(
        http,
        apply(f"Object{{spec: Object.spec{{template: Object.spec.template{{spec: {inner}}}}}}}"),
        matchConstraints=rules("deployments", group="apps"),
    )
    made = await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    containers = made.body["spec"]["template"]["spec"]["containers"]
    assert sorted(c["name"] for c in containers) == ["c", "side"]
    assert all(c["terminationMessagePath"] == "/dev/termination-log" for c in containers)


async def test_a_json_patch_is_made_of_expressions(http: Http) -> None:
    expression = """[
        JSONPatch{op: "test", path: "/data/a", value: "1"},
        JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/x~y"), value: "yes"},
        JSONPatch{op: "replace", path: "/data/a", value: object.data.a + "!"}
    ]"""
    await mutating(http, json_patch(expression.replace("~", "")))
    changed = await a_map(http, "one", labels={"k": "v"}, a="1")
    assert (changed.body["data"], changed.body["metadata"]["labels"]) == (
        {"a": "1!"},
        {"k": "v", "example.com/xy": "yes"},
    )
    assert (await a_map(http, "two", labels={"k": "v"}, a="2")).body["data"] == {"a": "2"}


async def test_mutations_see_what_those_before_have_made(http: Http) -> None:
    await mutating(
        http,
        json_patch('[JSONPatch{op: "add", path: "/data/b", value: object.data.a + "b"}]'),
        json_patch('[JSONPatch{op: "add", path: "/data/c", value: object.data.b + "c"}]'),
    )
    assert (await a_map(http, a="a")).body["data"] == {"a": "a", "b": "ab", "c": "abc"}


async def test_atomic_lists_are_not_replaced(http: Http) -> None:
    await mutating(
        http,
        apply('Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {"a": "b"}}}}'),
        matchConstraints=rules("deployments", group="apps"),
    )
    refused = await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    assert (refused.code, refused.body["reason"]) == (403, "Invalid")
    assert refused.message == (
        "policy 'p' with binding 'b' denied request: error applying patch: invalid ApplyConfiguration: "
        "may not mutate atomic arrays, maps or structs: .spec.selector"
    )


async def test_object_types_follow_the_fields(http: Http) -> None:
    await mutating(
        http,
        apply("Object{spec: Object.wrong{replicas: 1}}"),
        matchConstraints=rules("deployments", group="apps"),
    )
    refused = await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    assert 'type mismatch: unexpected type name "Object.wrong", expected "Object.spec"' in refused.message


async def test_unknown_fields_are_refused(http: Http) -> None:
    await mutating(
        http, apply("Object{spec: Object.spec{nope: 1}}"), matchConstraints=rules("deployments", group="apps")
    )
    refused = await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    assert "failed to convert patch object to typed object: .spec.nope" in refused.message


async def test_a_failing_mutation_is_ignored_where_the_policy_says_so(http: Http) -> None:
    await mutating(http, json_patch('[JSONPatch{op: "remove", path: "/data/zz"}]'), failurePolicy="Ignore")
    assert (await a_map(http, a="1")).code == 201


async def test_a_policy_runs_again_when_the_object_has_changed_since(http: Http) -> None:
    count = '[JSONPatch{op: "add", path: "/data/count", value: "count" in object.data ? object.data.count + "1" : "1"}]'
    await mutating(http, json_patch(count), reinvocationPolicy="IfNeeded")
    later = {
        "matchConstraints": rules("configmaps"),
        "reinvocationPolicy": "Never",
        "mutations": [json_patch('[JSONPatch{op: "add", path: "/data/later", value: "yes"}]')],
    }
    assert (await make(http, MUTATING, "q", later)).code == 201
    assert (await make(http, MUTATING_BINDINGS, "q", {"policyName": "q"})).code == 201
    assert (await a_map(http, a="1")).body["data"] == {"a": "1", "count": "11", "later": "yes"}


async def test_custom_resources_are_mutated_too(http: Http) -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer"}, "kind": {"type": "string"}}}
        },
    }
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    definition = {"metadata": {"name": "things.example.com"}, "spec": spec}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await http("POST", path, definition)).code == 201
    await mutating(
        http,
        apply("Object{spec: Object.spec{size: object.spec.size + 1}}"),
        matchConstraints=rules("things", group="example.com"),
    )
    await validating(
        http, {"expression": "object.spec.size < 10"}, matchConstraints=rules("things", group="example.com")
    )
    things = "/apis/example.com/v1/namespaces/demo/things"
    thing: Json = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"size": 1}}
    made = await http("POST", things, thing)
    for _ in range(50):
        if made.code != 404:
            break
        made = await http("POST", things, thing)
    assert (made.code, made.body.get("spec")) == (201, {"size": 2}), made.body
    large = await http("POST", things, {**thing, "metadata": {"name": "b"}, "spec": {"size": 9}})
    assert large.message.endswith("denied request: failed expression: object.spec.size < 10")

"""Admission policies over HTTPS: what upstream's conformance specs do with them, and more of what they promise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.apiserver.conftest import Answered, Http

pytestmark = pytest.mark.looptime(False)

GROUP = "/apis/admissionregistration.k8s.io/v1"
VALIDATING = f"{GROUP}/validatingadmissionpolicies"
VALIDATING_BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
MUTATING = f"{GROUP}/mutatingadmissionpolicies"
MUTATING_BINDINGS = f"{GROUP}/mutatingadmissionpolicybindings"
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
MAPS = "/api/v1/namespaces/demo/configmaps"
Json = dict[str, Any]


def rules(*resources: str, group: str = "", operations: tuple[str, ...] = ("*",), version: str = "v1") -> Json:
    rule = {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(operations),
        "resources": list(resources),
    }
    return {"resourceRules": [rule]}


def a_deployment(name: str, replicas: int) -> Json:
    labels = {"app": name}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    }


async def make(http: Http, path: str, name: str, spec: Json) -> Answered:
    return await http("POST", path, {"metadata": {"name": name}, "spec": spec})


async def validating(http: Http, *validations: Json, binding: Json | None = None, **spec: Any) -> None:
    wanted = {"matchConstraints": rules("configmaps"), "validations": list(validations), **spec}
    answer = await make(http, VALIDATING, "p", wanted)
    assert answer.code == 201, answer.body
    bound = {"policyName": "p", "validationActions": ["Deny"], **(binding or {})}
    answer = await make(http, VALIDATING_BINDINGS, "b", bound)
    assert answer.code == 201, answer.body


async def mutating(http: Http, *mutations: Json, binding: Json | None = None, **spec: Any) -> None:
    wanted = {
        "matchConstraints": rules("configmaps"),
        "mutations": list(mutations),
        "reinvocationPolicy": "Never",
        **spec,
    }
    answer = await make(http, MUTATING, "p", wanted)
    assert answer.code == 201, answer.body
    answer = await make(http, MUTATING_BINDINGS, "b", {"policyName": "p", **(binding or {})})
    assert answer.code == 201, answer.body


async def a_map(http: Http, name: str = "a", query: str = "", labels: Json | None = None, **data: str) -> Answered:
    return await http("POST", MAPS + query, {"metadata": {"name": name, "labels": labels or {}}, "data": data})


def apply(expression: str) -> Json:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def json_patch(expression: str) -> Json:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


# --- ValidatingAdmissionPolicy ---


async def test_a_deployment_is_validated(http: Http) -> None:
    await validating(
        http,
        {
            "expression": "object.spec.replicas > 1",
            "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)",
        },
        {"expression": "namespaceObject.metadata.name == 'demo'", "message": "wrong namespace"},
        matchConstraints=rules("deployments", group="apps"),
    )
    refused = await http("POST", DEPLOYMENTS, a_deployment("one", 1))
    assert (refused.code, refused.body["reason"]) == (422, "Invalid")
    why = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: wants replicas > 1, got 1"
    assert refused.message == f'deployments.apps "one" is forbidden: {why}'
    assert refused.body["details"]["causes"] == [{"reason": "", "message": why}]
    assert (await http("POST", DEPLOYMENTS, a_deployment("two", 2))).code == 201
    replicaset = a_deployment("set", 1)
    assert (await http("POST", "/apis/apps/v1/namespaces/demo/replicasets", replicaset)).code == 201


async def test_a_message_that_fails_falls_back(http: Http) -> None:
    await validating(
        http, {"expression": "object.data.a == 'x'", "messageExpression": "'got ' + object.data.b"}
    )  # fmt: skip
    refused = await a_map(http, a="1")
    assert refused.message.endswith("denied request: failed expression: object.data.a == 'x'")


async def test_expressions_refer_to_variables(http: Http) -> None:
    await validating(
        http,
        {"expression": "variables.replicas > 1"},
        {"expression": "variables.oddReplicas", "reason": "Forbidden", "message": "must be odd"},
        variables=[
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        matchConstraints=rules("deployments", group="apps"),
    )
    assert (await http("POST", DEPLOYMENTS, a_deployment("one", 1))).code == 422
    even = await http("POST", DEPLOYMENTS, a_deployment("two", 2))
    assert (even.code, even.body["reason"]) == (403, "Forbidden")
    assert even.message.endswith("denied request: must be odd")
    assert (await http("POST", DEPLOYMENTS, a_deployment("three", 3))).code == 201


async def test_a_policy_without_a_binding_does_nothing(http: Http) -> None:
    spec = {"matchConstraints": rules("configmaps"), "validations": [{"expression": "false"}]}
    assert (await make(http, VALIDATING, "p", spec)).code == 201
    assert (await a_map(http)).code == 201


async def test_changes_of_policies_and_bindings_take_effect_at_once(http: Http) -> None:
    await validating(http, {"expression": "object.data.a == '1'"})
    assert (await a_map(http, "one", a="2")).code == 422
    path = f"{VALIDATING}/p"
    patch = {"spec": {"validations": [{"expression": "object.data.a == '2'"}]}}
    assert (await http("PATCH", path, patch, "application/merge-patch+json")).code == 200
    assert (await a_map(http, "one", a="2")).code == 201
    assert (await a_map(http, "two", a="1")).code == 422
    assert (await http("DELETE", f"{VALIDATING_BINDINGS}/b")).code == 200
    assert (await a_map(http, "two", a="1")).code == 201


async def test_updates_and_deletes_are_seen_with_the_old_object(http: Http) -> None:
    await validating(
        http,
        {"expression": "request.operation != 'UPDATE' || object.data.a == oldObject.data.a", "message": "a stays"},
        {"expression": "request.operation != 'DELETE' || oldObject.data.a != 'keep'", "message": "kept"},
    )
    assert (await a_map(http, "one", a="keep")).code == 201
    changed = await http("PUT", f"{MAPS}/one", {"metadata": {"name": "one"}, "data": {"a": "x"}})
    assert changed.message.endswith("denied request: a stays")
    gone = await http("DELETE", f"{MAPS}/one")
    assert gone.message.endswith("denied request: kept")


async def test_warnings_and_the_two_other_actions(http: Http) -> None:
    await validating(
        http, {"expression": "false", "message": "not good"}, binding={"validationActions": ["Warn", "Audit"]}
    )
    answer = await a_map(http)
    assert answer.code == 201
    text = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': not good"
    assert text in answer.headers["Warning"]


async def test_selectors_and_exclusions_narrow_a_policy(http: Http) -> None:
    constraints = {
        **rules("configmaps"),
        "objectSelector": {"matchLabels": {"strict": "yes"}},
        "excludeResourceRules": [{**rules("configmaps")["resourceRules"][0], "resourceNames": ["spared"]}],
    }
    await validating(http, {"expression": "false"}, matchConstraints=constraints)
    assert (await a_map(http, "one")).code == 201
    assert (await a_map(http, "two", labels={"strict": "yes"})).code == 422
    assert (await a_map(http, "spared", labels={"strict": "yes"})).code == 201


async def test_a_binding_narrows_further(http: Http) -> None:
    await validating(
        http,
        {"expression": "false"},
        binding={"matchResources": {"namespaceSelector": {"matchLabels": {"guarded": "yes"}}}},
    )
    assert (await a_map(http)).code == 201
    labels = {"metadata": {"labels": {"guarded": "yes"}}}
    assert (await http("PATCH", "/api/v1/namespaces/demo", labels, "application/merge-patch+json")).code == 200
    assert (await a_map(http, "two")).code == 422


async def test_match_conditions_decide_whether_a_policy_applies(http: Http) -> None:
    conditions = [{"name": "not-mine", "expression": "!request.name.startsWith('mine-')"}]
    await validating(http, {"expression": "false"}, matchConditions=conditions)
    assert (await a_map(http, "mine-one")).code == 201
    assert (await a_map(http, "other")).code == 422


async def test_failing_expressions_follow_the_failure_policy(http: Http) -> None:
    await validating(http, {"expression": "object.data.missing == 'x'"})
    refused = await a_map(http, a="1")
    why = "expression 'object.data.missing == 'x'' resulted in error: no such key: missing"
    assert refused.message.endswith(f"denied request: {why}")
    patch = {"spec": {"failurePolicy": "Ignore"}}
    assert (await http("PATCH", f"{VALIDATING}/p", patch, "application/merge-patch+json")).code == 200
    assert (await a_map(http)).code == 201


async def test_the_budget_of_a_policy_is_bounded(http: Http) -> None:
    costly = (
        "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, a + b + c > 0)))"
    )
    await validating(http, {"expression": " && ".join([costly] * 300)})
    refused = await a_map(http)
    assert refused.message.endswith("operation cancelled: actual cost limit exceeded")


async def test_parameters_are_looked_up_by_name_in_the_namespace(http: Http) -> None:
    await validating(
        http,
        {"expression": "int(object.data.size) <= int(params.data.most)", "message": "too large"},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConstraints=rules("configmaps", operations=("CREATE",)),
        matchConditions=[{"name": "sized", "expression": "'data' in object && 'size' in object.data"}],
        binding={"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}},
    )
    missing = await a_map(http, "one", size="1")
    why = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    assert missing.message.endswith(f"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {why}")
    await http("DELETE", f"{VALIDATING_BINDINGS}/b")
    assert (await a_map(http, "limits", most="5")).code == 201
    binding = {"policyName": "p", "validationActions": ["Deny"],
               "paramRef": {"name": "limits", "namespace": "demo", "parameterNotFoundAction": "Allow"}}  # fmt: skip
    assert (await make(http, VALIDATING_BINDINGS, "b", binding)).code == 201
    assert (await a_map(http, "one", size="5")).code == 201
    assert (await a_map(http, "two", size="6")).message.endswith("denied request: too large")
    assert (await http("DELETE", f"{MAPS}/limits")).code == 200
    assert (await a_map(http, "two", size="6")).code == 201


async def test_parameters_selected_by_labels_all_count(http: Http) -> None:
    await validating(
        http,
        {"expression": "object.metadata.name.contains(params.data.part)"},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[
            {"name": "n", "expression": "!has(object.metadata.labels) || !('param' in object.metadata.labels)"}
        ],
        binding={"paramRef": {"selector": {"matchLabels": {"param": "yes"}}, "parameterNotFoundAction": "Allow"}},
    )
    for part in ("a", "b"):
        assert (await a_map(http, f"param-{part}", labels={"param": "yes"}, part=part)).code == 201
    assert (await a_map(http, "a-only")).code == 422
    assert (await a_map(http, "a-and-b")).code == 201


async def test_the_authorizer_can_be_asked(http: Http) -> None:
    await validating(
        http,
        {"expression": "authorizer.group('apps').resource('deployments').namespace('demo').check('create').allowed()"},
        {"expression": "authorizer.requestResource.check('delete').allowed()"},
        {"expression": "!authorizer.serviceAccount('demo', 'default').path('/metrics').check('get').allowed()"},
        {"expression": "request.userInfo.username == 'kubernetes-admin'"},
    )
    answer = await a_map(http)
    assert answer.code == 201, answer.body


async def test_times_are_times_and_custom_text_is_text(http: Http) -> None:
    await validating(
        http,
        {"expression": "object.metadata.creationTimestamp > timestamp('2020-01-01T00:00:00Z')"},
        matchConstraints=rules("configmaps", operations=("UPDATE",)),
    )
    assert (await a_map(http)).code == 201
    assert (await http("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}, "data": {"x": "y"}})).code == 200


async def test_policies_say_nothing_about_policies(http: Http) -> None:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    await validating(http, {"expression": "false"}, matchConstraints={"resourceRules": [everything]})
    assert (await http("DELETE", f"{VALIDATING_BINDINGS}/b")).code == 200


# --- Type checking ---


async def checked(http: Http) -> Json:
    for _ in range(200):
        status = (await http("GET", f"{VALIDATING}/p")).body.get("status") or {}
        if "typeChecking" in status:
            return dict(status)
        await asyncio.sleep(0.02)
    raise AssertionError("the policy was never checked")


async def test_expressions_are_checked_against_schemas(http: Http) -> None:
    spec = {
        "matchConstraints": rules("deployments", group="apps"),
        "variables": [{"name": "replicas", "expression": "object.spec.replicas"}],
        "validations": [
            {
                "expression": "object.spec.replicas > '1'",
                "messageExpression": "'wants replicas > 1, got ' + variables.replicas",
            },
            {"expression": "object.spec.maxRetries < 10"},
            {"expression": "object.metadata.name != '' && object.spec.template.spec.containers.all(c, c.image != '')"},
        ],
    }
    assert (await make(http, VALIDATING, "p", spec)).code == 201
    status = await checked(http)
    assert status["observedGeneration"] == 1
    found = {warning["fieldRef"]: warning["warning"] for warning in status["typeChecking"]["expressionWarnings"]}
    assert list(found) == [
        "spec.validations[0].expression",
        "spec.validations[0].messageExpression",
        "spec.validations[1].expression",
    ]
    assert found["spec.validations[0].expression"] == (
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to "
        "'(int, string)'\n | object.spec.replicas > '1'\n | .....................^\n"
    )
    assert "no matching overload for '_+_' applied to '(string, int)'" in found["spec.validations[0].messageExpression"]
    assert "undefined field 'maxRetries'" in found["spec.validations[1].expression"]


async def test_expressions_that_fit_give_no_warning(http: Http) -> None:
    spec = {
        "matchConstraints": rules("deployments", group="apps"),
        "validations": [{"expression": "object.spec.replicas > 1"}],
    }
    assert (await make(http, VALIDATING, "p", spec)).code == 201
    assert (await checked(http))["typeChecking"] == {}


# --- MutatingAdmissionPolicy ---


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


# --- What is refused of policies themselves ---


async def test_expressions_that_do_not_compile_are_refused_where_they_stand(http: Http) -> None:
    spec = {
        "matchConstraints": rules("configmaps"),
        "matchConditions": [{"name": "c", "expression": "1"}],
        "variables": [{"name": "in", "expression": "x"}],
        "validations": [
            {"expression": "object.a ==", "reason": "Nope"},
            {"expression": "params.x", "messageExpression": "1"},
            {"expression": "variables.zz", "message": "a\nb"},
        ],
        "auditAnnotations": [{"key": "k", "valueExpression": "1"}],
    }
    refused = await make(http, VALIDATING, "p", spec)
    assert refused.code == 422
    found = {cause["field"]: cause["message"] for cause in refused.body["details"]["causes"]}
    assert found["spec.matchConditions[0].expression"] == 'Invalid value: "1": must evaluate to bool but got int'
    undeclared = "compilation failed: ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x\n | ^"
    assert found["spec.variables[0].expression"] == f'Invalid value: "x": {undeclared}'
    assert found["spec.variables[0].name"] == 'Invalid value: "in": must be a valid CEL identifier'
    assert "Syntax error: mismatched input '<EOF>' expecting" in found["spec.validations[0].expression"]
    assert found["spec.validations[0].reason"].startswith('Unsupported value: "Nope"')
    assert "undeclared reference to 'params'" in found["spec.validations[1].expression"]
    assert found["spec.validations[1].messageExpression"].endswith("must evaluate to string but got int")
    assert "undefined field 'zz'" in found["spec.validations[2].expression"]
    assert found["spec.validations[2].message"].endswith("must not contain line breaks")
    assert found["spec.auditAnnotations[0].valueExpression"].endswith(
        "must evaluate to one of [string null_type] but got int"
    )


async def test_mutations_must_evaluate_to_patches(http: Http) -> None:
    spec = {
        "matchConstraints": rules("configmaps", operations=("DELETE",)),
        "reinvocationPolicy": "Sometimes",
        "mutations": [apply("1"), json_patch("Object{}"), {"patchType": "Other"}, {"patchType": "JSONPatch"}],
    }
    refused = await make(http, MUTATING, "p", spec)
    found = {cause["field"]: cause["message"] for cause in refused.body["details"]["causes"]}
    assert found["spec.mutations[0].applyConfiguration.expression"].endswith("must evaluate to Object but got int")
    assert found["spec.mutations[1].jsonPatch.expression"].endswith("must evaluate to list(JSONPatch) but got Object")
    assert found["spec.mutations[2].patchType"].startswith('Unsupported value: "Other"')
    assert found["spec.mutations[3].jsonPatch"] == "Required value: must be specified when patchType is JSONPatch"
    assert found["spec.reinvocationPolicy"].startswith('Unsupported value: "Sometimes"')
    assert found["spec.matchConstraints.resourceRules.operations"].startswith('Unsupported value: "DELETE"')


async def test_match_conditions_of_webhooks_are_checked(http: Http) -> None:
    hook = {
        "name": "a.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": rules("configmaps")["resourceRules"],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "matchConditions": [{"name": "c", "expression": "object.x =="}, {"name": "c", "expression": ""}],
    }
    refused = await http(
        "POST", f"{GROUP}/validatingwebhookconfigurations", {"metadata": {"name": "w"}, "webhooks": [hook]}
    )
    found = {cause["field"]: cause["message"] for cause in refused.body["details"]["causes"]}
    assert "Syntax error" in found["webhooks[0].matchConditions[0].expression"]
    assert found["webhooks[0].matchConditions[1].expression"] == "Required value"
    assert found["webhooks[0].matchConditions[1].name"] == 'Duplicate value: "c"'


async def test_status_can_be_patched_beside_what_the_server_writes(http: Http) -> None:
    spec = {"matchConstraints": rules("configmaps"), "validations": [{"expression": "true"}]}
    assert (await make(http, VALIDATING, "p", spec)).code == 201
    await checked(http)
    condition = {
        "type": "T",
        "status": "False",
        "reason": "e2e",
        "message": "m",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
    }
    path = f"{VALIDATING}/p/status"
    patched = await http("PATCH", path, {"status": {"conditions": [condition]}}, "application/merge-patch+json")
    assert patched.body["status"]["conditions"] == [condition]
    assert patched.body["status"]["typeChecking"] == {}

"""ValidatingAdmissionPolicies over HTTPS, as upstream's conformance specs use them and beyond."""

from __future__ import annotations

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.policies import (
    DEPLOYMENTS,
    MAPS,
    VALIDATING,
    VALIDATING_BINDINGS,
    a_deployment,
    a_map,
    make,
    rules,
    validating,
)

pytestmark = pytest.mark.looptime(False)


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

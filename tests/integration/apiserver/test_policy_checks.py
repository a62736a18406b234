"""Policies that are wrong: expressions against schemas, and what is refused of policies themselves."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.policies import GROUP, MUTATING, VALIDATING, Json, apply, json_patch, make, rules

pytestmark = pytest.mark.looptime(False)


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

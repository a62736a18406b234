"""Policies, bindings and the objects they are tried on."""

from __future__ import annotations

from typing import Any

from tests.integration.apiserver.conftest import Answered, Http

GROUP = "/apis/admissionregistration.k8s.io/v1"
VALIDATING = f"{GROUP}/validatingadmissionpolicies"
VALIDATING_BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
MUTATING = f"{GROUP}/mutatingadmissionpolicies"
MUTATING_BINDINGS = f"{GROUP}/mutatingadmissionpolicybindings"
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
MAPS = "/api/v1/namespaces/demo/configmaps"
Json = dict[str, Any]


def rules(*resources: str, group: str = "", operations: tuple[str, ...] = ("*",), version: str = "v1") -> Json:
    """Constraints: these resources of a group."""
    rule = {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(operations),
        "resources": list(resources),
    }
    return {"resourceRules": [rule]}


def a_deployment(name: str, replicas: int) -> Json:
    """A Deployment of `replicas`."""
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
    """A policy or binding of this name."""
    return await http("POST", path, {"metadata": {"name": name}, "spec": spec})


async def validating(http: Http, *validations: Json, binding: Json | None = None, **spec: Any) -> None:
    """A policy `p` on ConfigMaps, and its binding `b`."""
    wanted = {"matchConstraints": rules("configmaps"), "validations": list(validations), **spec}
    answer = await make(http, VALIDATING, "p", wanted)
    assert answer.code == 201, answer.body
    bound = {"policyName": "p", "validationActions": ["Deny"], **(binding or {})}
    answer = await make(http, VALIDATING_BINDINGS, "b", bound)
    assert answer.code == 201, answer.body


async def mutating(http: Http, *mutations: Json, binding: Json | None = None, **spec: Any) -> None:
    """The same that changes objects."""
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
    """A new ConfigMap."""
    return await http("POST", MAPS + query, {"metadata": {"name": name, "labels": labels or {}}, "data": data})


def apply(expression: str) -> Json:
    """A mutation by an apply configuration."""
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def json_patch(expression: str) -> Json:
    """A mutation by a JSON patch."""
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}

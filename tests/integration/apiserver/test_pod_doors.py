"""Whatever is asked of pods is asked of containers of every sort, and through every door by which a pod may change.

CVE-2021-25735, CVE-2023-2727, CVE-2023-2728, CVE-2024-3177: a policy that looked at some fields, and not at others.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver.conftest import Answered, Http

pytestmark = pytest.mark.looptime(False)

PODS = "/api/v1/namespaces/demo/pods"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
FINE: dict[str, Any] = {"name": "c", "image": "i"}
SECRET: dict[str, dict[str, Any]] = {
    "env": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "k"}}}]},
    "envFrom": {"envFrom": [{"secretRef": {"name": "hidden"}}]},
}
WORDS = {
    "env": 'with envVar A referencing secret.secretName="hidden"',
    "envFrom": 'with envFrom referencing secret.secretName="hidden"',
}


async def strict(http: Http, **spec: Any) -> None:
    """Account `default` lets its pods use Secret `open`, and nothing else."""
    patch = {
        "metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
        "secrets": [{"name": "open"}],
        **spec,
    }
    assert (await http("PATCH", "/api/v1/namespaces/demo/serviceaccounts/default", patch, MERGE)).code == 200


async def make(http: Http, name: str, **spec: Any) -> Answered:
    return await http("POST", PODS, {"metadata": {"name": name}, "spec": {"containers": [FINE], **spec}})


@pytest.mark.parametrize("where", ["containers", "initContainers"])
@pytest.mark.parametrize("how", ["env", "envFrom"])
async def test_secrets_that_an_account_does_not_name(http: Http, where: str, how: str) -> None:
    await strict(http)
    kind = "init container d" if where == "initContainers" else "container d"
    containers = [{"name": "d", "image": "i", **SECRET[how]}]
    refused = await make(http, "p", **{where: containers})
    assert (refused.code, refused.message) == (
        403, f'pods "p" is forbidden: {kind} {WORDS[how]} is not allowed because service account default does not '
        "reference that secret",
    )  # fmt: skip
    containers[0] |= {"env": [], "envFrom": [{"secretRef": {"name": "open"}}]}
    assert (await make(http, "p", **{where: containers})).code == 201


@pytest.mark.parametrize("how", ["env", "envFrom"])
async def test_nor_by_an_ephemeral_container(http: Http, how: str) -> None:
    await strict(http)
    assert (await make(http, "p")).code == 201
    added = [{"name": "e", "image": "i", **SECRET[how]}]
    stored = (await http("GET", f"{PODS}/p")).body
    door = f"{PODS}/p/ephemeralcontainers"
    operation = [{"op": "add", "path": "/spec/ephemeralContainers", "value": added}]
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"ephemeralContainers": added}}
    for answer in (
        await http("PUT", door, {**stored, "spec": {**stored["spec"], "ephemeralContainers": added}}),
        await http("PATCH", door, {"spec": {"ephemeralContainers": added}}, MERGE),
        await http("PATCH", door, {"spec": {"ephemeralContainers": added}}, STRATEGIC),
        await http("PATCH", door, operation, JSON_PATCH),
        await http("PATCH", f"{door}?fieldManager=x", applied, APPLY),
    ):
        assert (answer.code, f"ephemeral container e {WORDS[how]}" in answer.message) == (403, True), answer.body
    assert "ephemeralContainers" not in (await http("GET", f"{PODS}/p")).body["spec"]
    fine = {"spec": {"ephemeralContainers": [{**FINE, "name": "e", "envFrom": [{"secretRef": {"name": "open"}}]}]}}
    assert (await http("PATCH", door, fine, STRATEGIC)).code == 200


async def test_nor_by_a_volume_or_to_pull_an_image(http: Http) -> None:
    await strict(http, imagePullSecrets=[{"name": "pull"}])
    volume = {"name": "v", "secret": {"secretName": "hidden"}}
    refused = await make(http, "p", volumes=[volume])
    assert 'volume with secret.secretName="hidden" is not allowed because service account default' in refused.message
    projected = {"name": "v", "projected": {"sources": [{"secret": {"name": "hidden"}}]}}
    assert (await make(http, "p", volumes=[projected])).code == 403
    refused = await make(http, "p", imagePullSecrets=[{"name": "hidden"}])
    assert (refused.code, refused.message) == (
        403, 'pods "p" is forbidden: imagePullSecrets[0].name="hidden" is not allowed because service account default '
        "does not reference that imagePullSecret",
    )  # fmt: skip
    assert (await make(http, "p", imagePullSecrets=[{"name": "pull"}])).code == 201


async def test_a_mirror_pod_uses_no_secret_and_no_token(http: Http) -> None:
    def mirror(**spec: Any) -> dict[str, Any]:
        meta = {"name": "m", "annotations": {"kubernetes.io/config.mirror": "x"}}
        return {"metadata": meta, "spec": {"containers": [FINE], "nodeName": "n", **spec}}

    token = {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
    for spec, word in (
        ({"serviceAccountName": "default"}, "service accounts"),
        ({"containers": [{**FINE, **SECRET["envFrom"]}]}, "secrets"),
        ({"initContainers": [{**FINE, "name": "d", **SECRET["env"]}]}, "secrets"),
        ({"volumes": [token]}, "ServiceAccountToken volume projections"),
    ):
        answer = await http("POST", PODS, mirror(**spec))
        assert (answer.code, "a mirror pod may not" in answer.message, word in answer.message) == (403, True, True)
    assert (await http("POST", PODS, mirror())).code == 201


PRIVILEGED: dict[str, Any] = {"securityContext": {"privileged": True}}


async def test_no_door_leads_past_a_standard(http: Http) -> None:
    """Privileged containers of every sort are refused, and none becomes so by resize, status or binding."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    assert (await http("PATCH", "/api/v1/namespaces/demo", label, MERGE)).code == 200
    assert (await make(http, "p", containers=[{**FINE, **PRIVILEGED}])).code == 403
    assert (await make(http, "p", initContainers=[{**FINE, "name": "d", **PRIVILEGED}])).code == 403
    always = {"restartPolicy": "Always"}
    assert (await make(http, "p", initContainers=[{**FINE, "name": "d", **PRIVILEGED, **always}])).code == 403
    assert (await make(http, "p")).code == 201
    spec = {"spec": {"ephemeralContainers": [{**FINE, "name": "e", **PRIVILEGED}]}}
    assert (await http("PATCH", f"{PODS}/p/ephemeralcontainers", spec, STRATEGIC)).code == 403
    wanted = {"spec": {"containers": [{**FINE, **PRIVILEGED}]}}
    for door in ("", "/resize", "/status"):
        await http("PATCH", f"{PODS}/p{door}", wanted, STRATEGIC)
    await http("POST", f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"name": "n"}, **wanted})
    container = (await http("GET", f"{PODS}/p")).body["spec"]["containers"][0]
    assert "securityContext" not in container


LOCK: dict[str, Any] = {
    "failurePolicy": "Fail",
    "matchConstraints": {"resourceRules": [{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods", "pods/*"],
    }]},
    "validations": [{
        "expression": "!has(oldObject.metadata.labels) || !('locked' in oldObject.metadata.labels)",
        "message": "it is locked",
    }],
}  # fmt: skip


async def test_a_policy_is_asked_at_every_door(http: Http) -> None:
    """A pod that nobody may change any more: not itself, its status, its size, nor its containers."""
    group = "/apis/admissionregistration.k8s.io/v1"
    sized = {**FINE, "resources": {"requests": {"cpu": "1"}}}
    assert (await make(http, "p", containers=[sized])).code == 201
    assert (await http("PATCH", f"{PODS}/p", {"metadata": {"labels": {"locked": "yes"}}}, MERGE)).code == 200
    policy = {"metadata": {"name": "lock"}, "spec": LOCK}
    assert (await http("POST", f"{group}/validatingadmissionpolicies", policy)).code == 201
    bound = {"metadata": {"name": "lock"}, "spec": {"policyName": "lock", "validationActions": ["Deny"]}}
    assert (await http("POST", f"{group}/validatingadmissionpolicybindings", bound)).code == 201
    resources = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}}
    for door, body, content in (
        ("", {"metadata": {"labels": {"x": "y"}}}, MERGE),
        ("/status", {"status": {"phase": "Failed"}}, MERGE),
        ("/resize", resources, STRATEGIC),
        ("/ephemeralcontainers", {"spec": {"ephemeralContainers": [{**FINE, "name": "e"}]}}, STRATEGIC),
    ):
        answer = await http("PATCH", f"{PODS}/p{door}", body, content)
        assert (answer.code, "it is locked" in answer.message) == (422, True), (door, answer.body)

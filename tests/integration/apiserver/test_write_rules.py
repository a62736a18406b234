"""What a write must say, what it may leave out, and what it is warned of; as a stock server answers."""

from typing import Any

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)
MAPS = "/api/v1/namespaces/demo/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/demo/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/demo/leases"
APPLY = "application/apply-patch+yaml"
JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"


def deployment(**more: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    containers = [{"name": "c", "image": "i"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec, **more}


def owners(body: dict[str, Any]) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in body["metadata"]["managedFields"]}


async def test_a_status_in_an_applied_manifest_is_nobodys_conflict(http: Http) -> None:
    await http("POST", f"{DEPLOYMENTS}?fieldManager=maker", deployment())
    await http("PATCH", f"{DEPLOYMENTS}/web/status?fieldManager=controller", {"status": {"replicas": 3}}, MERGE)
    sent = {**deployment(), "status": {"replicas": 7}}
    applied = await http("PATCH", f"{DEPLOYMENTS}/web?fieldManager=git", sent, APPLY)
    assert (applied.code, applied.body["status"]["replicas"]) == (200, 3)
    assert "f:status" not in owners(applied.body)["git"]
    assert owners(applied.body)["controller"] == {"f:status": {"f:replicas": {}}}
    again = await http("PATCH", f"{DEPLOYMENTS}/web?fieldManager=git", sent, APPLY)
    assert again.body == applied.body


async def test_what_a_status_endpoint_resets_is_nobodys_conflict(http: Http) -> None:
    await http("PATCH", f"{DEPLOYMENTS}/web?fieldManager=git", deployment(), APPLY)
    sent = deployment(metadata={"name": "web", "labels": {"a": "b"}}, status={"replicas": 3})
    sent["spec"]["replicas"] = 9
    applied = await http("PATCH", f"{DEPLOYMENTS}/web/status?fieldManager=controller", sent, APPLY)
    assert (applied.code, applied.body["spec"]["replicas"], applied.body["status"]) == (200, 2, {"replicas": 3})
    assert "labels" not in applied.body["metadata"]
    assert owners(applied.body)["controller"] == {"f:status": {"f:replicas": {}}}


async def test_a_scale_can_be_applied(http: Http) -> None:
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 9}}
    path = f"{DEPLOYMENTS}/web/scale?fieldManager=scaler"
    assert (await http("PATCH", path, scale, APPLY)).code == 404
    await http("PATCH", f"{DEPLOYMENTS}/web?fieldManager=git", deployment(), APPLY)
    refused = await http("PATCH", path, scale, APPLY)
    assert (refused.code, refused.message) == (
        409, 'Apply failed with 1 conflict: conflict with "git": .spec.replicas',
    )  # fmt: skip
    forced = await http("PATCH", f"{path}&force=true", scale, APPLY)
    assert (forced.code, forced.body["kind"], forced.body["spec"]) == (200, "Scale", {"replicas": 9})
    body = (await http("GET", f"{DEPLOYMENTS}/web")).body
    assert body["spec"]["replicas"] == 9
    (entry,) = [e for e in body["metadata"]["managedFields"] if e["manager"] == "scaler"]
    assert {**entry, "time": ""} == {
        "manager": "scaler", "operation": "Apply", "apiVersion": "apps/v1", "time": "", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}}}, "subresource": "scale",
    }  # fmt: skip
    for change, message in (
        ({"kind": "Deployment"}, "invalid object type: autoscaling/v1, Kind=Deployment"),
        ({"metadata": {"name": "other"}}, "the name of the object (other) does not match the name on the URL (web)"),
        ({"spec": {"zork": 1}}, "failed to create typed patch object (/web; autoscaling/v1, Kind=Scale): "
                                ".spec.zork: field not declared in schema"),
    ):  # fmt: skip
        bad = await http("PATCH", path, {**scale, **change}, APPLY)
        assert (bad.code, bad.message) == (400, message)
    assert (await http("PATCH", f"{DEPLOYMENTS}/web/scale", scale, APPLY)).code == 422


async def test_a_scale_is_of_the_object_in_the_path(http: Http) -> None:
    await http("POST", DEPLOYMENTS, deployment())
    refused = await http("PUT", f"{DEPLOYMENTS}/web/scale", {"metadata": {"name": "other"}, "spec": {"replicas": 4}})
    assert (refused.code, refused.message) == (
        400, "the name of the object (other) does not match the name on the URL (web)",
    )  # fmt: skip


async def test_a_json_patch_reaches_structs_that_are_not_written(http: Http) -> None:
    await http("POST", DEPLOYMENTS, deployment())
    here = "/spec/template/spec/containers/0/resources"
    for operation, limits in (
        ({"op": "add", "path": f"{here}/limits", "value": {"cpu": "1"}}, {"cpu": "1"}),
        ({"op": "replace", "path": here, "value": {"limits": {"cpu": "2"}}}, {"cpu": "2"}),
        ({"op": "remove", "path": here}, None),
        ({"op": "replace", "path": f"{here}/limits", "value": {"cpu": "3"}}, {"cpu": "3"}),
        ({"op": "replace", "path": "/spec/minReadySeconds", "value": 5}, {"cpu": "3"}),
    ):
        done = await http("PATCH", f"{DEPLOYMENTS}/web", [operation], JSON)
        assert done.code == 200, done.message
        (container,) = done.body["spec"]["template"]["spec"]["containers"]
        assert container.get("resources", {}).get("limits") == limits
    assert (await http("GET", f"{DEPLOYMENTS}/web")).body["spec"]["minReadySeconds"] == 5


async def test_some_kinds_are_replaced_only_with_a_revision(http: Http) -> None:
    body = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "x"}}
    assert (await http("PUT", f"{LEASES}/a", body)).code == 201
    refused = await http("PUT", f"{LEASES}/a", body)
    assert (refused.code, refused.message) == (
        422, 'leases.coordination.k8s.io "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified '
             "for an update",
    )  # fmt: skip
    assert (await http("PUT", f"{LEASES}/a", (await http("GET", f"{LEASES}/a")).body)).code == 200


async def test_a_new_object_has_no_revision(http: Http) -> None:
    refused = await http("POST", MAPS, {"metadata": {"name": "a", "resourceVersion": "5"}})
    assert (refused.code, refused.message) == (400, "resourceVersion should not be set on objects to be created")


async def test_an_owner_is_named_once(http: Http) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1"}
    made = await http("POST", MAPS, {"metadata": {"name": "a", "ownerReferences": [owner, owner]}})
    assert made.body["metadata"]["ownerReferences"] == [owner]
    assert made.headers["Warning"].startswith('299 - ".metadata.ownerReferences contains duplicate entries; API server')
    twice = {"metadata": {"ownerReferences": [owner, owner]}}
    patched = await http("PATCH", f"{MAPS}/a", twice, MERGE)
    assert patched.body["metadata"]["ownerReferences"] == [owner]
    assert "duplicate entries after mutating admission happens; API server" in patched.headers["Warning"]
    refused = await http("PATCH", f"{MAPS}/a", {"metadata": {"ownerReferences": [{}]}}, MERGE)
    assert "metadata.ownerReferences[0].kind: Required value: must not be empty" in refused.message


async def test_a_key_that_yaml_has_twice_is_a_warning(http: Http) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '1'}\ndata: {b: '2'}\n"
    for asked, code, said in (
        ("", 201, 'line 5: key \\"data\\" already set in map'),
        ("&fieldValidation=Ignore", 201, ""),
        ("&fieldValidation=Strict", 400, ""),
    ):
        made = await http("POST", f"{MAPS}?dryRun=All{asked}", text, "application/yaml")
        assert (made.code, made.body.get("data", {"b": "2"})) == (code, {"b": "2"})
        assert made.headers.get("Warning", "") == (f'299 - "{said}"' if said else "")
    refused = await http("POST", f"{MAPS}?fieldValidation=Strict", text, "application/yaml")
    assert refused.message.endswith(
        'strict decoding error: yaml: unmarshal errors:\n  line 5: key "data" already set in map'
    )
    applied = await http("PATCH", f"{MAPS}/a?fieldManager=x", text, APPLY)
    assert (applied.code, applied.body["data"]) == (201, {"b": "2"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("fieldManager=" + "x" * 129, "fieldManager: Too long: may not be more than 128 bytes"),
        ("fieldManager=%01", 'fieldManager: Invalid value: "\\u0001": invalid character U+0001 (at position 0)'),
        ("dryRun=some", 'dryRun: Unsupported value: ["some"]: supported values: "All"'),
        (
            "fieldValidation=x",
            'fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"',
        ),
    ],
)
async def test_options_are_refused_by_the_name_of_their_verb(http: Http, query: str, message: str) -> None:
    await http("POST", MAPS, {"metadata": {"name": "a"}})
    for verb, path, kind in (("POST", MAPS, "Create"), ("PUT", f"{MAPS}/a", "Update"), ("PATCH", f"{MAPS}/a", "Patch")):
        refused = await http(
            verb, f"{path}?{query}", {"metadata": {"name": "a"}}, MERGE if verb == "PATCH" else "application/json"
        )
        assert (refused.code, refused.message) == (422, f'{kind}Options.meta.k8s.io "" is invalid: {message}')
        assert "name" not in refused.body["details"]
    assert (await http("POST", f"{MAPS}?dryRun=All&dryRun=All", {"metadata": {"name": "b"}})).code == 201


async def test_a_status_endpoint_takes_no_metadata_that_is_not_its_own(http: Http) -> None:
    """Kind by kind, as upstream's strategies have it: most old kinds take it, newer ones do not."""
    classes = "/apis/networking.k8s.io/v1/servicecidrs"
    await http("POST", DEPLOYMENTS, deployment())
    await http("POST", classes, {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.200.0.0/24"]}})
    owner = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u"}
    meta = {"labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["a/b"], "ownerReferences": [owner]}
    for path, taken in (
        (f"{DEPLOYMENTS}/web", {"annotations", "finalizers", "ownerReferences"}),
        (f"{classes}/more", set()),
    ):
        done = await http("PATCH", f"{path}/status", {"metadata": meta}, MERGE)
        assert {name for name, value in meta.items() if done.body["metadata"].get(name) == value} == taken


async def test_a_binding_is_of_the_pod_in_the_path(http: Http) -> None:
    pods = "/api/v1/namespaces/demo/pods"
    spec = {"automountServiceAccountToken": False, "containers": [{"name": "c", "image": "i"}]}
    await http("POST", pods, {"metadata": {"name": "p"}, "spec": spec})
    for name, target, code, message in (
        ("other", "n", 400, "name in URL does not match name in Binding object"),
        ("p", "N_", 422, 'Binding "p" is invalid: target.name: Invalid value: "N_": a lowercase RFC 1123 subdomain'),
    ):
        body = {"metadata": {"name": name}, "target": {"kind": "Node", "name": target}}
        refused = await http("POST", f"{pods}/p/binding", body)
        assert (refused.code, refused.message[: len(message)]) == (code, message)
    asked = await http("GET", f"{pods}/p/log?tailLines=-1&limitBytes=0")
    assert (asked.code, asked.message) == (
        422, 'PodLogOptions "p" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, '
             "limitBytes: Invalid value: 0: must be greater than 0]",
    )  # fmt: skip


async def test_what_is_deleted_is_what_was_meant(http: Http) -> None:
    made = await http("POST", MAPS, {"metadata": {"name": "a"}})
    uid = made.body["metadata"]["uid"]
    revision = made.body["metadata"]["resourceVersion"]
    for wanted, message in (
        ({"uid": "1"}, f"the UID in the precondition (1) does not match the UID in record ({uid}). The object might "
                       "have been deleted and then recreated"),
        ({"resourceVersion": "1"}, "the ResourceVersion in the precondition (1) does not match the ResourceVersion in "
                                   f"record ({revision}). The object might have been modified"),
    ):  # fmt: skip
        refused = await http("DELETE", f"{MAPS}/a", {"preconditions": wanted})
        assert (refused.code, refused.message) == (409, f'Operation cannot be fulfilled on ConfigMap "a": {message}')
    assert (await http("DELETE", f"{MAPS}/a", {"gracePeriodSeconds": -1})).code == 200


async def test_old_kinds_warn_and_new_events_say_when(http: Http) -> None:
    for path, text in (
        ("/api/v1/endpoints", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        ("/api/v1/componentstatuses", "v1 ComponentStatus is deprecated in v1.19+"),
    ):
        assert (await http("GET", path)).headers["Warning"] == f'299 - "{text}"'
    events = "/apis/events.k8s.io/v1/namespaces/demo/events"
    refused = await http("POST", events, {"metadata": {"name": "e"}, "regarding": {"kind": "Pod", "namespace": "demo"}})
    assert (refused.code, "eventTime: Required value" in refused.message) == (422, True)


async def test_a_certificate_is_named(http: Http) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = await http("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    (credential,) = told.body["status"]["userInfo"]["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")
    assert len(credential) == len("X509SHA256=") + 64


async def test_definitions_are_listed_as_upstream_lists_them(http: Http) -> None:
    kinds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    names = {"plural": "foos", "kind": "Foo", "shortNames": ["fo", "fu"]}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    await http("POST", kinds, {"metadata": {"name": "foos.example.com"}, "spec": spec})
    table = (await http("GET", f"{kinds}/foos.example.com", Accept="application/json;as=Table;v=v1;g=meta.k8s.io")).body
    names_ = [column["name"] for column in table["columnDefinitions"]]
    assert names_ == ["Name", "Scope", "Versions", "Created At", "Group", "Kind", "ShortNames", "Established"]
    (row,) = table["rows"]
    assert [row["cells"][i] for i in (0, 1, 2, 4, 5, 6)] == [
        "foos.example.com", "Namespaced", "v1(storage)", "example.com", "Foo", "fo,fu",
    ]  # fmt: skip

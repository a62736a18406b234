"""Who may do what: certificates, tokens, roles, impersonation, agents."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest

from tests.integration.apiserver.conftest import Answered, Http

pytestmark = pytest.mark.looptime(False)

PODS = "/api/v1/namespaces/demo/pods"
MAPS = "/api/v1/namespaces/demo/configmaps"
SECRETS = "/api/v1/namespaces/demo/secrets"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE = "application/merge-patch+json"


@asynccontextmanager
async def as_user(http: Http, name: str, *groups: str) -> AsyncIterator[Http]:
    """A client with a certificate; name "" for none."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=http.running.tls(name, groups))) as session:
        yield Http(http.running, session)


async def token_of(http: Http, account: str = "default", **spec: object) -> Answered:
    return await http("POST", f"/api/v1/namespaces/demo/serviceaccounts/{account}/token", {"spec": spec})


async def test_nobody_sees_health_and_nothing_else(http: Http) -> None:
    async with as_user(http, "") as nobody:
        assert (await nobody("GET", "/readyz")).body == b"ok"
        assert (await nobody("GET", "/version")).code == 200
        for path in ("/api", "/api/v1/namespaces", "/metrics", "/openapi/v3", "/"):
            answer = await nobody("GET", path)
            assert (answer.code, answer.message) == (401, "Unauthorized")
        for header in ("Bearer x", "Bearer a.b.c", "Basic eDp5", "Bearer " + "x" * 20_000):
            assert (await nobody("GET", "/api", Authorization=header)).code == 401


async def test_a_certificate_of_another_authority_is_no_certificate(http: Http, tmp_path: object) -> None:
    from pathlib import Path

    from tests.support.apiserver import Authority

    assert isinstance(tmp_path, Path)
    context = http.running.tls("")
    pair = Authority(tmp_path / "other").issue("kubernetes-admin", ("system:masters",))
    context.load_cert_chain(str(pair.certificate), str(pair.key))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(http.running.url + "/api/v1/namespaces")


async def test_a_user_without_roles_is_told_what_is_missing(http: Http) -> None:
    async with as_user(http, "bob", "dev") as bob:
        listed = await bob("GET", PODS)
        assert (listed.code, listed.message) == (
            403,
            'pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "demo"',
        )
        named = await bob("GET", f"{PODS}/x/log")
        assert named.message == (
            'pods "x" is forbidden: User "bob" cannot get resource "pods/log" in API group "" in the namespace "demo"'
        )
        assert (await bob("GET", "/metrics")).message == 'forbidden: User "bob" cannot get path "/metrics"'
        assert (await bob("GET", "/api/v1")).code == 200


async def test_roles_come_into_force_and_go(http: Http) -> None:
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "dev"}],
    }
    async with as_user(http, "bob", "dev") as bob:
        assert (await http("POST", f"{RBAC}/namespaces/demo/rolebindings", binding)).code == 201
        assert (await bob("GET", MAPS)).code == 200
        assert (await bob("GET", SECRETS)).code == 403
        assert (await bob("POST", MAPS, {"metadata": {"name": "a"}})).code == 403
        assert (await bob("GET", "/api/v1/configmaps")).code == 403
        await http("DELETE", f"{RBAC}/namespaces/demo/rolebindings/b")
        assert (await bob("GET", MAPS)).code == 403


async def test_nobody_grants_what_they_do_not_have(http: Http) -> None:
    role = {"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
    manager = {
        "metadata": {"name": "m"},
        "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"],
                   "verbs": ["create", "get"]}],
    }  # fmt: skip
    await http("POST", f"{RBAC}/namespaces/demo/roles", manager)
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "m"}
    await http("POST", f"{RBAC}/namespaces/demo/rolebindings",
               {"metadata": {"name": "m"}, "roleRef": ref, "subjects": [subject]})  # fmt: skip
    async with as_user(http, "eve") as eve:
        refused = await eve("POST", f"{RBAC}/namespaces/demo/roles", role)
        assert refused.code == 403
        assert "is attempting to grant RBAC permissions not currently held:" in refused.message
        assert '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}' in refused.message
        admin = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        body = {"metadata": {"name": "x"}, "roleRef": admin, "subjects": [subject]}
        assert (await eve("POST", f"{RBAC}/namespaces/demo/rolebindings", body)).code == 403


async def test_tokens_of_accounts(http: Http) -> None:
    made = await token_of(http, expirationSeconds=600)
    assert made.code == 201
    token = made.body["status"]["token"]
    async with as_user(http, "") as client:
        who = await client(
            "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, Authorization=f"Bearer {token}"
        )
        info = who.body["status"]["userInfo"]
        assert info["username"] == "system:serviceaccount:demo:default"
        assert "system:serviceaccounts:demo" in info["groups"]
        await http("DELETE", "/api/v1/namespaces/demo/serviceaccounts/default")
        assert (await client("GET", "/api", Authorization=f"Bearer {token}")).code == 401
        head, body, sign = token.split(".")
        assert (await client("GET", "/api", Authorization=f"Bearer {head}.{body}.{sign[:-2]}AA")).code == 401


async def test_a_token_dies_with_its_pod(http: Http) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    made = (await http("POST", PODS, pod)).body
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    token = (await token_of(http, boundObjectRef=ref)).body["status"]["token"]
    async with as_user(http, "") as client:
        assert (await client("GET", "/api", Authorization=f"Bearer {token}")).code == 200
        await http("DELETE", f"{PODS}/p")
        assert (await client("GET", "/api", Authorization=f"Bearer {token}")).code == 401


async def test_a_token_for_others_is_not_for_this_server(http: Http) -> None:
    token = (await token_of(http, audiences=["vault"])).body["status"]["token"]
    async with as_user(http, "") as client:
        assert (await client("GET", "/api", Authorization=f"Bearer {token}")).code == 401
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    fine = await http("POST", reviews, {"spec": {"token": token, "audiences": ["vault"]}})
    assert fine.body["status"]["authenticated"] is True
    assert token not in str(fine.body)
    wrong = await http("POST", reviews, {"spec": {"token": token}})
    assert wrong.body["status"].get("authenticated", False) is False


async def test_impersonation_needs_the_right_to_it(http: Http) -> None:
    acting = await http("GET", PODS, Impersonate_User="bob", Impersonate_Group="dev")
    assert (acting.code, 'User "bob"' in acting.message) == (403, True)
    async with as_user(http, "bob") as bob:
        refused = await bob("GET", PODS, Impersonate_User="kubernetes-admin", Impersonate_Group="system:masters")
        assert refused.code == 403
        assert 'cannot impersonate-on:user-info:list resource "pods"' in refused.message


async def test_an_agent_sees_what_its_pods_need(http: Http) -> None:
    await http("POST", SECRETS, {"metadata": {"name": "mine"}})
    await http("POST", SECRETS, {"metadata": {"name": "other"}})
    volume = {"name": "v", "secret": {"secretName": "mine"}}
    spec = {"containers": [{"name": "c", "image": "x"}], "volumes": [volume]}
    await http("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})
    async with as_user(http, "system:node:n1", "system:nodes") as agent:
        assert (await agent("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})).code == 201
        assert (await agent("POST", "/api/v1/nodes", {"metadata": {"name": "n2"}})).code == 403
        assert (await agent("GET", f"{SECRETS}/mine")).code == 403
        await http("POST", f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"name": "n1"}})
        assert (await agent("GET", f"{SECRETS}/mine")).code == 200
        assert (await agent("GET", f"{SECRETS}/other")).code == 403
        assert (await agent("GET", SECRETS)).code == 403
        assert (await agent("GET", f"{SECRETS}?fieldSelector=metadata.name%3Dmine")).code == 200
        assert (await agent("GET", f"{SECRETS}?fieldSelector=metadata.name%3Dother")).code == 403
        assert (await agent("GET", f"{SECRETS}?fieldSelector=metadata.name!%3Dmine")).code == 403
        running = {"status": {"phase": "Running"}}
        assert (await agent("PATCH", f"{PODS}/p/status", running, MERGE)).code == 200
        owner = {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}]}}
        assert (await agent("PATCH", "/api/v1/nodes/n1", owner, MERGE)).code == 403
    async with as_user(http, "system:node:n2", "system:nodes") as agent:
        assert (await agent("PATCH", f"{PODS}/p/status", running, MERGE)).code == 403
        assert (await agent("PATCH", "/api/v1/nodes/n1/status", {"status": {}}, MERGE)).code == 403


async def test_reviews(http: Http) -> None:
    reviews = "/apis/authorization.k8s.io/v1"
    asked = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "demo"}}
    mine = await http("POST", f"{reviews}/selfsubjectaccessreviews", {"spec": asked})
    assert mine.body["status"]["allowed"] is True
    theirs = await http("POST", f"{reviews}/subjectaccessreviews", {"spec": {**asked, "user": "bob"}})
    assert theirs.body["status"]["allowed"] is False
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subjects = [{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}]
    binding = {"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}
    await http("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/demo/rolebindings", binding)
    now = await http("POST", f"{reviews}/subjectaccessreviews", {"spec": {**asked, "user": "bob"}})
    assert now.body["status"] == {
        "allowed": True, "reason": 'RBAC: allowed by RoleBinding "b/demo" of ClusterRole "view" to User "bob"',
    }  # fmt: skip
    rules = await http("POST", f"{reviews}/selfsubjectrulesreviews", {"spec": {"namespace": "demo"}})
    assert rules.body["status"]["resourceRules"]
    assert (await http("POST", f"{reviews}/selfsubjectaccessreviews", {"spec": {}})).code == 422


async def test_pods_get_their_accounts_token(http: Http) -> None:
    pod: dict[str, dict[str, object]] = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    made = (await http("POST", PODS, pod)).body["spec"]
    volume = made["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    mounts = made["containers"][0]["volumeMounts"]
    assert mounts[0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    other = {"metadata": {"name": "q"}, "spec": {**pod["spec"], "serviceAccountName": "nobody"}}
    assert (await http("POST", PODS, other)).code == 403


async def grant(http: Http, name: str, user: str, *rules: tuple[str, str, str]) -> None:
    """A cluster role of (verb, group, resource) and its binding to a user."""
    listed = [{"verbs": [verb], "apiGroups": [group], "resources": [resource]} for verb, group, resource in rules]
    assert (await http("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": listed})).code == 201
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    }
    assert (await http("POST", f"{RBAC}/clusterrolebindings", body)).code == 201


async def test_constrained_impersonation_is_for_one_action(http: Http) -> None:
    group = "authentication.k8s.io"
    await grant(
        http, "deputy", "bob", ("impersonate:user-info", group, "users"), ("impersonate-on:user-info:list", "", "pods")
    )
    await grant(http, "reader", "ann", ("list", "", "pods"), ("list", "", "configmaps"))
    async with as_user(http, "bob") as bob:
        assert (await bob("GET", PODS)).code == 403
        assert (await bob("GET", PODS, Impersonate_User="ann")).code == 200
        other = await bob("GET", MAPS, Impersonate_User="ann")
        assert 'User "bob" cannot impersonate-on:user-info:list resource "configmaps"' in other.message
        for name in ("system:serviceaccount:demo:default", "system:node:n1"):
            assert (await bob("GET", PODS, Impersonate_User=name)).code == 403
        assert (await bob("GET", PODS, Impersonate_User="ann", Impersonate_Uid="7")).code == 403
        assert (await bob("GET", PODS, Impersonate_Uid="7")).code == 400
        for name in ("system:masters", "dev"):
            assert (await bob("GET", PODS, Impersonate_User="ann", Impersonate_Group=name)).code == 403
        await grant(http, "groups", "bob", ("impersonate:user-info", group, "groups"))
        assert (await bob("GET", PODS, Impersonate_User="ann", Impersonate_Group="dev")).code == 200
        masters = await bob("GET", MAPS, Impersonate_User="ann", Impersonate_Group="system:masters")
        assert masters.code == 403, "not for this action"


async def test_a_constrained_node_has_a_nodes_groups(http: Http) -> None:
    group = "authentication.k8s.io"
    await grant(
        http, "deputy", "bob", ("impersonate:arbitrary-node", group, "nodes"),
        ("impersonate-on:arbitrary-node:create", group, "selfsubjectreviews"),
        ("impersonate:serviceaccount", group, "serviceaccounts"),
        ("impersonate-on:serviceaccount:create", group, "selfsubjectreviews"),
    )  # fmt: skip
    me = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with as_user(http, "bob") as bob:
        node = (await bob("POST", me, {}, Impersonate_User="system:node:n1")).body["status"]["userInfo"]
        assert node["groups"] == ["system:nodes", "system:authenticated"]
        assert (await bob("POST", me, {}, Impersonate_User="system:node:n1", Impersonate_Group="a")).code == 403
        account = (await bob("POST", me, {}, Impersonate_User="system:serviceaccount:demo:x")).body["status"][
            "userInfo"
        ]
        assert account["groups"] == ["system:serviceaccounts", "system:serviceaccounts:demo", "system:authenticated"]


async def test_reviews_refuse_what_makes_no_sense(http: Http) -> None:
    path = "/apis/authorization.k8s.io/v1"
    asked = {"verb": "get", "resource": "pods", "namespace": "demo"}
    local = f"{path}/namespaces/demo/localsubjectaccessreviews"
    for place, spec, field, text in (
        ("subjectaccessreviews", {"user": "a"}, "spec", "exactly one of nonResourceAttributes or resourceAttributes"),
        ("subjectaccessreviews", {"resourceAttributes": asked}, "spec.user", "at least one of user or group"),
        ("subjectaccessreviews", {"user": "a", "resourceAttributes": {**asked, "fieldSelector": {}}},
         "spec.resourceAttributes.fieldSelector.requirements", "requirements or rawSelector is required"),
        (local, {"user": "a", "resourceAttributes": {**asked, "namespace": "x"}},
         "spec.resourceAttributes.namespace", "must match metadata.namespace"),
        (local, {"user": "a", "nonResourceAttributes": {"path": "/", "verb": "get"}},
         "spec.nonResourceAttributes", "disallowed on this kind of request"),
    ):  # fmt: skip
        answer = await http("POST", place if place.startswith("/") else f"{path}/{place}", {"spec": spec})
        assert answer.code == 422
        causes = {c["field"]: c["message"] for c in answer.body["details"]["causes"]}
        assert text in causes[field]


async def test_reading_is_not_enough_to_run_commands(http: Http) -> None:
    rules = [("get", "", f"pods/{sub}") for sub in ("exec", "attach", "portforward")]
    await grant(http, "reader", "eve", *rules, ("get", "", "nodes/proxy"))
    upgrades = ({"Upgrade": "websocket"}, {"Upgrade": "SPDY/3.1"})
    async with as_user(http, "eve") as eve:
        for sub in ("exec", "attach", "portforward"):
            for headers in upgrades:
                answer = await eve("GET", f"{PODS}/p/{sub}?command=id&stdout=1", Connection="Upgrade", **headers)
                assert (answer.code, f'cannot create resource "pods/{sub}"' in answer.message) == (403, True)
        path = "/api/v1/nodes/n/proxy/exec/a/b/c"
        answer = await eve("GET", path, Connection="Upgrade", Upgrade="websocket")
        assert (answer.code, 'cannot create resource "nodes/proxy"' in answer.message) == (403, True)
        assert (await eve("GET", "/api/v1/nodes/n/proxy/pods")).code == 404


async def test_a_secret_may_hold_a_token_without_end(http: Http) -> None:
    body = {
        "metadata": {"name": "old", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "type": "kubernetes.io/service-account-token",
    }
    assert (await http("POST", SECRETS, body)).code == 201
    data: dict[str, str] = {}
    url = f"{http.running.url}{SECRETS}?watch=1&fieldSelector=metadata.name%3Dold"
    async with asyncio.timeout(20), http.session.get(url) as watched:
        while "token" not in data:
            data = msgspec.json.decode(await watched.content.readline())["object"].get("data", {})
    assert base64.b64decode(data["namespace"]) == b"demo"
    assert base64.b64decode(data["ca.crt"]) == http.running.authority.certificate.read_bytes()
    token = {"Authorization": f"Bearer {base64.b64decode(data['token']).decode()}"}
    me = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with as_user(http, "") as client:
        who = await client("POST", me, {}, **token)
        assert who.body["status"]["userInfo"]["username"] == "system:serviceaccount:demo:default"
        mark = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}}}
        await http("PATCH", f"{SECRETS}/old", mark, MERGE)
        assert (await client("POST", me, {}, **token)).code == 401
        unmark = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": None}}}
        await http("PATCH", f"{SECRETS}/old", unmark, MERGE)
        assert (await client("POST", me, {}, **token)).code == 201
        await http("DELETE", f"{SECRETS}/old")
        assert (await client("POST", me, {}, **token)).code == 401

"""The admission plugins that are on by default: each refuses or changes something, and lets something pass."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.apiserver.conftest import Answered, Http
from tests.integration.apiserver.test_access import as_user

pytestmark = pytest.mark.looptime(False)

Json = dict[str, Any]
PODS = "/api/v1/namespaces/demo/pods"
CLAIMS = "/api/v1/namespaces/demo/persistentvolumeclaims"
SERVICES = "/api/v1/namespaces/demo/services"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
BUNDLES = "/apis/certificates.k8s.io/v1/clustertrustbundles"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE = "application/merge-patch+json"


def pod(name: str, **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


async def made(http: Http, path: str, body: Json) -> Json:
    answer = await http("POST", path, body)
    assert answer.code == 201, answer.body
    created: Json = answer.body
    return created


def refused(answer: Answered, why: str) -> None:
    assert (answer.code, why in answer.message) == (403, True), answer.body


# --- RuntimeClass ---


async def test_a_runtime_class_gives_overhead_and_placement(http: Http) -> None:
    await made(http, "/apis/node.k8s.io/v1/runtimeclasses", {
        "metadata": {"name": "vm"}, "handler": "vm", "overhead": {"podFixed": {"cpu": "250m", "memory": "64Mi"}},
        "scheduling": {"nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm", "operator": "Exists"}]},
    })  # fmt: skip
    own = [{"key": "vm", "operator": "Equal", "value": "a"}, {"key": "x", "operator": "Exists"}]
    spec = (await made(http, PODS, pod("a", runtimeClassName="vm", nodeSelector={"a": "b"}, tolerations=own)))["spec"]
    assert spec["overhead"] == {"cpu": "250m", "memory": "64Mi"}
    assert spec["nodeSelector"] == {"a": "b", "vm": "yes"}
    keys = [t["key"] for t in spec["tolerations"]]
    assert sorted(keys) == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "vm", "x"]
    await made(http, PODS, pod("b", runtimeClassName="vm", overhead={"cpu": "0.25", "memory": "64Mi"}))
    refused(await http("POST", PODS, pod("c", runtimeClassName="none")), 'RuntimeClass "none" not found')
    other = pod("c", runtimeClassName="vm", overhead={"cpu": "1"})
    refused(await http("POST", PODS, other), "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    refused(
        await http("POST", PODS, pod("c", overhead={"cpu": "1"})),
        "Pod Overhead set without corresponding RuntimeClass defined Overhead",
    )
    conflict = await http("POST", PODS, pod("c", runtimeClassName="vm", nodeSelector={"vm": "no"}))
    refused(conflict, "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no")


# --- Classes and volumes ---


async def test_an_ingress_gets_the_default_class(http: Http) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/demo/ingresses"
    rules = {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
    classless = await made(http, path, {"metadata": {"name": "a"}, "spec": rules})
    assert "ingressClassName" not in classless["spec"]
    for name, default in (("one", "true"), ("two", "false")):
        marked = {"name": name, "annotations": {"ingressclass.kubernetes.io/is-default-class": default}}
        await made(http, "/apis/networking.k8s.io/v1/ingressclasses", {
            "metadata": marked, "spec": {"controller": "example.com/x"}
        })  # fmt: skip
    assert (await made(http, path, {"metadata": {"name": "b"}, "spec": rules}))["spec"]["ingressClassName"] == "one"
    own = {"metadata": {"name": "c"}, "spec": {**rules, "ingressClassName": "two"}}
    assert (await made(http, path, own))["spec"]["ingressClassName"] == "two"
    old = {"metadata": {"name": "d", "annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": rules}
    assert "ingressClassName" not in (await made(http, path, old))["spec"]


async def test_claims_grow_only_where_their_class_allows_it(http: Http) -> None:
    for name, allowed in (("fixed", False), ("elastic", True)):
        await made(http, "/apis/storage.k8s.io/v1/storageclasses", {
            "metadata": {"name": name}, "provisioner": "example.com/x", "allowVolumeExpansion": allowed
        })  # fmt: skip
        spec = {
            "accessModes": ["ReadWriteOnce"], "storageClassName": name, "volumeName": f"pv-{name}",
            "resources": {"requests": {"storage": "1Gi"}},
        }  # fmt: skip
        await made(http, CLAIMS, {"metadata": {"name": name}, "spec": spec})
    bigger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    unbound = await http("PATCH", f"{CLAIMS}/elastic", bigger, MERGE)
    assert unbound.code in (403, 422)
    for name in ("fixed", "elastic"):
        bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
        assert (await http("PATCH", f"{CLAIMS}/{name}/status", bound, MERGE)).code == 200
    refused(
        await http("PATCH", f"{CLAIMS}/fixed", bigger, MERGE),
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support",
    )
    assert (await http("PATCH", f"{CLAIMS}/elastic", bigger, MERGE)).code == 200
    assert (await http("PATCH", f"{CLAIMS}/fixed", {"metadata": {"labels": {"a": "b"}}}, MERGE)).code == 200


# --- Services ---


async def test_external_addresses_are_denied(http: Http) -> None:
    spec = {"ports": [{"port": 80}], "externalIPs": ["1.2.3.4"]}
    refused(
        await http("POST", SERVICES, {"metadata": {"name": "a"}, "spec": spec}),
        "Use of external IPs is denied by admission control",
    )
    await made(http, SERVICES, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    refused(await http("PATCH", f"{SERVICES}/a", {"spec": {"externalIPs": ["1.2.3.4"]}}, MERGE), "external IPs")


# --- Nodes and pods ---


async def test_pods_learn_where_they_are(http: Http) -> None:
    zone = {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1"}
    await made(http, "/api/v1/nodes", {"metadata": {"name": "n1", "labels": {**zone, "other": "x"}}})
    await made(http, PODS, pod("a"))
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}}
    assert (await http("POST", f"{PODS}/a/binding", binding)).code == 201
    assert (await http("GET", f"{PODS}/a")).body["metadata"]["labels"] == zone
    assert (await made(http, PODS, pod("b", nodeName="n1")))["metadata"]["labels"] == zone
    assert "labels" not in (await made(http, PODS, pod("c", nodeName="elsewhere")))["metadata"]


async def test_a_resize_beyond_the_node_is_refused(http: Http) -> None:
    await made(http, "/api/v1/nodes", {
        "metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}}
    })  # fmt: skip
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    await made(http, PODS, {"metadata": {"name": "a"}, "spec": {"containers": [container], "nodeName": "n1"}})
    strategic = "application/strategic-merge-patch+json"

    async def resize(cpu: str) -> Answered:
        more = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
        return await http("PATCH", f"{PODS}/a/resize", more, strategic)

    over = await resize("2500m")
    refused(over, "node didn't have enough allocatable resources: cpu, requested: 2500, allocatable: 2000")
    assert over.body["details"]["causes"][0]["reason"] == "NodeCapacity"
    assert (await resize("1500m")).code == 200


async def test_limit_ranges_fill_in_say_so_and_refuse(http: Http) -> None:
    limits = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}}
    await made(http, "/api/v1/namespaces/demo/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limits]}})
    await made(http, "/api/v1/nodes", {
        "metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "8", "memory": "1Gi"}}
    })  # fmt: skip
    first = await made(http, PODS, pod("a", nodeName="n1"))
    assert first["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    }
    full = {"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}
    whole = await made(http, PODS, {"metadata": {"name": "b"}, "spec": {"containers": [full]}})
    assert "annotations" not in whole["metadata"]
    over = {"name": "c", "image": "i", "resources": {"limits": {"cpu": "2"}}}
    refused(
        await http("POST", PODS, {"metadata": {"name": "c"}, "spec": {"containers": [over]}}),
        "maximum cpu usage per Container is 1, but limit is 2",
    )
    more = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1500m"}}}]}}
    refused(
        await http("PATCH", f"{PODS}/a/resize", more, "application/strategic-merge-patch+json"),
        "maximum cpu usage per Container is 1, but limit is 1500m",
    )


# --- NodeRestriction ---


async def node_world(http: Http) -> Json:
    """Two nodes, and a pod of its own on each."""
    found: Json = {}
    for name in ("n1", "n2"):
        found[name] = (await made(http, "/api/v1/nodes", {"metadata": {"name": name}}))["metadata"]["uid"]
        found[f"on-{name}"] = (await made(http, PODS, pod(f"on-{name}", nodeName=name)))["metadata"]["uid"]
    return found


async def test_an_agent_changes_only_its_own_node(http: Http) -> None:
    await node_world(http)
    async with as_user(http, "system:node:n1", "system:nodes") as agent:
        other = await agent("PATCH", "/api/v1/nodes/n2/status", {"status": {}}, MERGE)
        assert other.code == 403

        async def change(changes: Json) -> Answered:
            return await agent("PATCH", "/api/v1/nodes/n1", changes, MERGE)

        for key in ("node-restriction.kubernetes.io/x", "a.node-restriction.kubernetes.io/x", "kubernetes.io/role",
                    "node-role.kubernetes.io/control-plane"):  # fmt: skip
            refused(await change({"metadata": {"labels": {key: "y"}}}), f"is not allowed to modify labels: {key}")
        for key in ("example.com/x", "kubelet.kubernetes.io/x", "topology.kubernetes.io/zone", "plain"):
            assert (await change({"metadata": {"labels": {key: "y"}}})).code == 200
        taint = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
        refused(await change(taint), 'node "n1" is not allowed to modify taints')
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
        refused(
            await change({"metadata": {"ownerReferences": [owner]}}),
            'node "n1" is not allowed to modify ownerReferences',
        )


async def test_an_agent_touches_only_pods_on_its_node(http: Http) -> None:
    await node_world(http)
    running = {"status": {"phase": "Running"}}
    async with as_user(http, "system:node:n1", "system:nodes") as agent:
        assert (await agent("PATCH", f"{PODS}/on-n1/status", running, MERGE)).code == 200
        refused(
            await agent("PATCH", f"{PODS}/on-n2/status", running, MERGE),
            'node "n1" can only update pod status for pods with spec.nodeName set to itself',
        )
        label = {"metadata": {"labels": {"a": "b"}}}
        refused(await agent("PATCH", f"{PODS}/on-n1/status", label, MERGE), "cannot update labels through pod status")
        refused(
            await agent("DELETE", f"{PODS}/on-n2"), 'node "n1" can only delete pods with spec.nodeName set to itself'
        )
        refused(
            await agent("POST", f"{PODS}/on-n2/eviction", {"metadata": {"name": "on-n2"}}),
            "node n1 can only evict pods with spec.nodeName set to itself",
        )
        assert (await agent("POST", f"{PODS}/on-n1/eviction", {"metadata": {"name": "on-n1"}})).code == 201


async def test_an_agent_creates_mirror_pods_of_its_own(http: Http) -> None:
    uids = await node_world(http)
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uids["n1"], "controller": True}
    good: Json = {
        "metadata": {
            "name": "mirror", "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner],
        },
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"},
    }  # fmt: skip

    def changed(meta: Json | None = None, **spec: Any) -> Json:
        return {"metadata": {**good["metadata"], **(meta or {})}, "spec": {**good["spec"], **spec}}

    secret = [{"name": "s", "secret": {"secretName": "x"}}]
    bad = [
        (changed({"annotations": {}}), "can only create mirror pods"),
        (changed(nodeName="n2"), "can only create pods with spec.nodeName set to itself"),
        (changed({"ownerReferences": []}), "can only create pods with an owner reference set to itself"),
        (changed({"ownerReferences": [{**owner, "name": "n2"}]}), "with an owner reference set to itself"),
        (changed({"ownerReferences": [{**owner, "uid": "other"}]}), "UID mismatch: expected other got"),
        (changed({"ownerReferences": [{**owner, "controller": False}]}), "with a controller owner reference"),
        (changed({"ownerReferences": [{**owner, "blockOwnerDeletion": True}]}), "must not set blockOwnerDeletion"),
        (changed(volumes=secret), "a mirror pod may not reference secrets"),
        (changed(volumes=[{"name": "p", "persistentVolumeClaim": {"claimName": "x"}}]), "persistentvolumeclaims"),
    ]
    async with as_user(http, "system:node:n1", "system:nodes") as agent:
        for body, why in bad:
            refused(await agent("POST", PODS, body), why)
        assert (await agent("POST", PODS, good)).code == 201


async def test_an_agent_gets_tokens_for_its_pods_and_their_audiences(http: Http) -> None:
    uids = await node_world(http)
    source = {"serviceAccountToken": {"path": "t", "audience": "vault"}}
    volumes = [{"name": "t", "projected": {"sources": [source]}}]
    uids["vault"] = (await made(http, PODS, pod("vault", nodeName="n1", volumes=volumes)))["metadata"]["uid"]
    async with as_user(http, "system:node:n1", "system:nodes") as agent:

        async def token(name: str, uid: str, *audiences: str) -> Answered:
            ref = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
            spec = {"audiences": list(audiences), "boundObjectRef": ref}
            return await agent("POST", "/api/v1/namespaces/demo/serviceaccounts/default/token", {"spec": spec})

        assert (await token("on-n1", uids["on-n1"])).code == 201
        assert (await token("vault", uids["vault"], "vault")).code == 201
        refused(await token("on-n1", uids["on-n1"], "vault"), 'not authorized to request tokens for audience "vault"')
        refused(
            await token("on-n2", uids["on-n2"]), "node requested token bound to a pod scheduled on a different node"
        )
        refused(await token("on-n1", ""), "node requested token with a pod binding without a uid")
        refused(await token("on-n1", "other"), "does not match the UID in record")
        refused(await token("vault", uids["vault"], "vault", "b"), "node may only request 0 or 1 audiences")


# --- Certificates ---


def signing_request(common_name: str, *groups: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def asking(name: str, request: str, signer: str = "kubernetes.io/kube-apiserver-client") -> Json:
    usages = ["client auth"]
    return {"metadata": {"name": name}, "spec": {"request": request, "signerName": signer, "usages": usages}}


async def allow(http: Http, user: str, *rules: Json) -> None:
    await made(http, f"{RBAC}/clusterroles", {"metadata": {"name": user}, "rules": list(rules)})
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
    body = {"metadata": {"name": user}, "roleRef": ref, "subjects": subjects}
    await made(http, f"{RBAC}/clusterrolebindings", body)


async def test_nobody_becomes_an_administrator_by_certificate(http: Http) -> None:
    refused(
        await http("POST", REQUESTS, asking("a", signing_request("boss", "system:masters"))),
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
    )
    await made(http, REQUESTS, asking("b", signing_request("somebody", "dev")))
    await made(http, REQUESTS, asking("c", signing_request("boss", "system:masters"), "example.com/own"))


async def test_who_approves_and_signs_is_allowed_to_for_that_signer(http: Http) -> None:
    for name, signer in (("mine", "example.com/one"), ("other", "example.org/two")):
        await made(http, REQUESTS, asking(name, signing_request("x"), signer))
    group = "certificates.k8s.io"
    await allow(http, "approver",
        {"apiGroups": [group], "resources": ["certificatesigningrequests", "certificatesigningrequests/approval",
         "certificatesigningrequests/status"], "verbs": ["get", "update", "patch"]},
        {"apiGroups": [group], "resources": ["signers"], "resourceNames": ["example.com/*"], "verbs": ["approve",
         "sign"]},
    )  # fmt: skip
    condition = {"type": "Approved", "status": "True", "reason": "r", "message": "m"}
    approved = {"status": {"conditions": [condition]}}
    failed = {"status": {"conditions": [condition, {**condition, "type": "Failed"}]}}
    async with as_user(http, "approver") as approver:
        refused(
            await approver("PATCH", f"{REQUESTS}/other/approval", approved, MERGE),
            'user not permitted to approve requests with signerName "example.org/two"',
        )
        assert (await approver("PATCH", f"{REQUESTS}/mine/approval", approved, MERGE)).code == 200
        assert (await http("PATCH", f"{REQUESTS}/other/approval", approved, MERGE)).code == 200
        refused(
            await approver("PATCH", f"{REQUESTS}/other/status", failed, MERGE),
            'user not permitted to sign requests with signerName "example.org/two"',
        )
        assert (await approver("PATCH", f"{REQUESTS}/mine/status", failed, MERGE)).code == 200


async def test_who_attests_a_bundle_is_allowed_to(http: Http) -> None:
    pem = (http.running.authority.certificate).read_text()
    await allow(http, "attester",
        {"apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"], "verbs": ["*"]},
        {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": ["example.com/one"],
         "verbs": ["attest"]},
    )  # fmt: skip

    def bundle(name: str, signer: str) -> Json:
        return {"metadata": {"name": name}, "spec": {"trustBundle": pem, **({"signerName": signer} if signer else {})}}

    async with as_user(http, "attester") as attester:
        refused(
            await attester("POST", BUNDLES, bundle("example.org:two:x", "example.org/two")),
            'user not permitted to attest for signerName "example.org/two"',
        )
        assert (await attester("POST", BUNDLES, bundle("example.com:one:x", "example.com/one"))).code == 201
        assert (await attester("POST", BUNDLES, bundle("free", ""))).code == 201


async def test_an_agent_asks_only_for_its_own_certificate(http: Http) -> None:
    await node_world(http)
    signer = "kubernetes.io/kube-apiserver-client-kubelet"
    async with as_user(http, "system:node:n1", "system:nodes") as agent:
        wrong = asking("a", signing_request("system:node:n2", "system:nodes"), signer)
        refused(await agent("POST", REQUESTS, wrong), "can only create a node CSR with CN=system:node:n1")
        right = asking("b", signing_request("system:node:n1", "system:nodes"), signer)
        assert (await agent("POST", REQUESTS, right)).code == 201

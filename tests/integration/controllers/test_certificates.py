"""CertificateSigningRequests from request to certificate, as people, agents and upstream's own tests use them."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import running_apiserver
from wherry.aio.clock import SystemClock
from wherry.apiserver.authn.user import known
from wherry.controllers import certificates
from wherry.controllers.settings import Settings
from wherry.host.keys import Authority
from wherry.host.pairs import Pair
from wherry.host.signer import Signer
from wherry.reconcile.runner import run_controllers

pytestmark = pytest.mark.looptime(False)

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE = "application/merge-patch+json"
CLIENT = "kubernetes.io/kube-apiserver-client"
NODE = "kubernetes.io/kube-apiserver-client-kubelet"
APPROVED = {"type": "Approved", "status": "True", "reason": "E2E", "message": "Set from an e2e test"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[Http]:
    """The administrator's client of a server whose CA signs, with the controllers that do it."""
    async with running_apiserver(tmp_path) as running:
        key = tmp_path / "pki" / "ca.key"
        authority = Authority(Pair(running.authority.certificate, key), "test-ca", SystemClock())
        settings = Settings(sign=Signer(authority, SystemClock()).sign)
        some = (certificates.controller(settings), certificates.APPROVING, certificates.CLEANING)
        client = running.client(known("system:kube-controller-manager", "system:masters"))
        connector = aiohttp.TCPConnector(ssl=running.tls())
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            task = group.create_task(run_controllers(client, SystemClock(), some))
            yield Http(running, session)
            task.cancel()


def csr(key: ec.EllipticCurvePrivateKey, name: str, organizations: Sequence[str] = (), dns: str = "") -> bytes:
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def body(name: str, request: bytes, signer: str, usages: Sequence[str], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"request": base64.b64encode(request).decode(), "signerName": signer, "usages": list(usages), **spec},
    }


async def until(http: Http, name: str, *what: str) -> dict[str, Any]:
    """Wait, by watching, until a request has a certificate or a condition: the first of these."""
    url = f"{http.running.url}{REQUESTS}?watch=1&fieldSelector=metadata.name%3D{name}"
    async with asyncio.timeout(20), http.session.get(url) as answer:
        async for line in answer.content:
            status: dict[str, Any] = msgspec.json.decode(line)["object"].get("status", {})
            if not {*status, *(c["type"] for c in status.get("conditions", ()))}.isdisjoint(what):
                return status
    raise AssertionError("the watch ended")


async def approve(http: Http, name: str) -> None:
    present = (await http("GET", f"{REQUESTS}/{name}")).body
    present["status"] = {"conditions": [APPROVED]}
    assert (await http("PUT", f"{REQUESTS}/{name}/approval", present)).code == 200


def grant(role: str, user: str) -> dict[str, Any]:
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    ref = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": role}
    return {"metadata": {"generateName": "b-"}, "roleRef": ref, "subjects": [subject]}


async def test_of_two_machines_that_join_under_one_name_one_gets_a_certificate(http: Http) -> None:
    usages = ("digital signature", "client auth")
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
    requests = {f"r{n}": csr(key, "system:node:n9", ("system:nodes",)) for n, key in enumerate(keys)}
    await asyncio.gather(*(http("POST", REQUESTS, body(n, one, NODE, usages)) for n, one in requests.items()))
    decided = await asyncio.gather(*(until(http, name, "Approved", "Denied") for name in requests))
    kinds = [c["type"] for status in decided for c in status["conditions"]]
    assert sorted(kinds) == ["Approved", "Denied", "Denied", "Denied"]
    why = {c["message"] for status in decided for c in status["conditions"] if c["type"] == "Denied"}
    assert why == {'another machine is joining as node "n9"'}
    (first,) = [n for n, status in zip(requests, decided, strict=True) if status["conditions"][0]["type"] == "Approved"]
    await http("POST", REQUESTS, body("again", requests[first], NODE, usages))
    assert (await until(http, "again", "Approved", "Denied"))["conditions"][0]["type"] == "Approved", "the same machine"


async def test_a_client_from_a_request(http: Http, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    usages = ("digital signature", "key encipherment", "client auth")
    made = await http(
        "POST", REQUESTS, body("a", csr(key, "tester-csr"), CLIENT, usages, expirationSeconds=3600, username="root")
    )
    assert (made.code, made.body["spec"]["username"]) == (201, "kubernetes-admin")
    await approve(http, "a")
    status = await until(http, "a", "certificate")
    assert {"lastUpdateTime", "lastTransitionTime"} <= status["conditions"][0].keys()
    pem = base64.b64decode(status["certificate"])
    certificate = x509.load_pem_x509_certificate(pem)
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() == 3600 + 300
    context = http.running.tls("")
    pair = tmp_path / "new.pem"
    pair.write_bytes(pem + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    context.load_cert_chain(pair)
    assert await who(http, context) == "tester-csr"


async def who(http: Http, context: ssl.SSLContext) -> str:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        answer = await Http(http.running, session)("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
        return str(answer.body["status"]["userInfo"]["username"])


async def test_what_signers_refuse(http: Http) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    masters = csr(key, "x", ("system:masters",))
    refused = await http("POST", REQUESTS, body("m", masters, CLIENT, ("client auth",)))
    assert (refused.code, refused.message) == (
        403,
        'certificatesigningrequests.certificates.k8s.io "m" is forbidden: use of kubernetes.io/kube-apiserver-client '
        "signer with system:masters group is not allowed",
    )
    for name, request, signer, usages, why in (
        ("s", csr(key, "x"), CLIENT, ("server auth",), "invalid usage for client certificate: server auth"),
        ("u", csr(key, "x"), CLIENT, ("digital signature",),
         "missing required usage for client certificate: client auth"),
        ("n", csr(key, "system:node:a", ("system:nodes",), "a"), NODE, ("digital signature", "client auth"),
         "DNS subjectAltNames are not allowed"),
        ("k", csr(key, "system:node:a", ("system:nodes",)), "kubernetes.io/kubelet-serving",
         ("digital signature", "server auth"), "DNS or IP subjectAltName is required"),
        ("o", csr(key, "system:node:a"), "kubernetes.io/kubelet-serving", ("digital signature", "server auth"),
         "subject organization is not system:nodes"),
    ):  # fmt: skip
        assert (await http("POST", REQUESTS, body(name, request, signer, usages))).code == 201
        await approve(http, name)
        failed = [c for c in (await until(http, name, "Failed"))["conditions"] if c["type"] == "Failed"]
        assert (failed[0]["reason"], failed[0]["message"]) == ("SignerValidationFailure", why)


async def test_an_agents_request_is_approved_by_itself(http: Http) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = csr(key, "system:node:n1", ("system:nodes",))
    usages = ("digital signature", "client auth")
    roles = "system:certificates.k8s.io:certificatesigningrequests:"
    await http("POST", f"{RBAC}/clusterrolebindings", grant(f"{roles}nodeclient", "joiner"))
    await http("POST", f"{RBAC}/clusterrolebindings", grant("system:node-bootstrapper", "joiner"))
    connector = aiohttp.TCPConnector(ssl=http.running.tls("joiner", ()))
    async with aiohttp.ClientSession(connector=connector) as session:
        joiner = Http(http.running, session)
        assert (await joiner("POST", REQUESTS, body("n1", request, NODE, usages))).code == 201
        status = await until(http, "n1", "certificate")
        assert [(c["reason"], c["message"]) for c in status["conditions"]] == [
            ("AutoApproved", "Auto approving kubelet client certificate after SubjectAccessReview.")
        ]
        present = (await joiner("GET", f"{REQUESTS}/n1")).body
        denied = await joiner("PUT", f"{REQUESTS}/n1/approval", present)
        assert denied.code == 403


async def test_only_those_who_may_approve_and_sign(http: Http) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    doors = [f"certificatesigningrequests/{door}" for door in ("approval", "status")]
    rules = [{"apiGroups": ["certificates.k8s.io"], "resources": doors, "verbs": ["*"]}]
    await http("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "door"}, "rules": rules})
    await http("POST", f"{RBAC}/clusterrolebindings", grant("door", "eve"))
    await http("POST", REQUESTS, body("e", csr(key, "x"), "example.com/one", ("client auth",)))
    present = (await http("GET", f"{REQUESTS}/e")).body
    connector = aiohttp.TCPConnector(ssl=http.running.tls("eve", ()))
    async with aiohttp.ClientSession(connector=connector) as session:
        eve = Http(http.running, session)
        approved = {**present, "status": {"conditions": [APPROVED]}}
        answer = await eve("PUT", f"{REQUESTS}/e/approval", approved)
        assert answer.message.endswith('user not permitted to approve requests with signerName "example.com/one"')
        pem = base64.b64encode(http.running.authority.certificate.read_bytes()).decode()
        signed = {**present, "status": {"certificate": pem}}
        answer = await eve("PUT", f"{REQUESTS}/e/status", signed)
        assert answer.message.endswith('user not permitted to sign requests with signerName "example.com/one"')


async def test_the_doors_of_a_request(http: Http) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = body("d", csr(key, "e2e.example.com", dns="e2e.example.com"), "example.com/e2e", ("server auth",))
    assert (await http("POST", REQUESTS, request)).code == 201
    patch = {
        "metadata": {"annotations": {"patchedapproval": "true"}},
        "status": {"conditions": [{"type": "ApprovalPatch", "status": "True", "reason": "e2e"}]},
    }
    patched = (await http("PATCH", f"{REQUESTS}/d/approval", patch, MERGE)).body
    assert patched["metadata"]["annotations"] == {"patchedapproval": "true"}
    assert [c["type"] for c in patched["status"]["conditions"]] == ["ApprovalPatch"]
    patched["status"]["conditions"].append(APPROVED)
    updated = (await http("PUT", f"{REQUESTS}/d/approval", patched)).body
    assert [c["type"] for c in updated["status"]["conditions"]] == ["ApprovalPatch", "Approved"]
    pem = base64.b64encode(http.running.authority.certificate.read_bytes()).decode()
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": pem}}
    patched = (await http("PATCH", f"{REQUESTS}/d/status", patch, MERGE)).body
    assert patched["status"]["certificate"] == pem
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    patched["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E"})
    updated = (await http("PUT", f"{REQUESTS}/d/status", patched)).body
    assert updated["status"]["conditions"][-1]["type"] == "StatusUpdate"
    assert (await http("DELETE", f"{REQUESTS}?fieldSelector=spec.signerName%3Dexample.com/e2e")).code == 200
    assert (await http("GET", REQUESTS)).body["items"] == []

"""Each controller acts as its own account: the audit log names it, policies can exempt it, rights are bound to it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from wherry.aio.clock import SystemClock
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.certificates.certificatesigningrequest import CERTIFICATESIGNINGREQUEST
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.core import ConfigMap, Node, NodeAddress, NodeStatus
from wherry.apiserver.audit.file import NAME
from wherry.apiserver.authn.user import MASTERS, known
from wherry.app import assemble
from wherry.app.config import Config
from wherry.client.interface import Client
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, ObjectMeta, OwnerReference, T
from wherry.machinery.resource import Resource

pytestmark = pytest.mark.looptime(False)
ADMIN = known("test", MASTERS)
ACCOUNT = "system:serviceaccount:kube-system:"
POLICIES = "/apis/admissionregistration.k8s.io/v1"
WEB = {"app": "web"}


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[assemble.ControlPlane]:
    """A server process with its controllers."""
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api", "controllers"}))
    try:
        async with asyncio.timeout(40), asyncio.TaskGroup() as group:
            jobs = [group.create_task(job) for job in assemble.supervised(plane, SystemClock())]
            yield plane
            for job in jobs:
                job.cancel()
    finally:
        await plane.stop()


async def seen(client: Client, resource: Resource[T], wanted: Callable[[T], bool]) -> T:
    async for event in client.watch(resource):
        if event.obj is not None and event.type != "DELETED" and wanted(event.obj):
            return event.obj
    raise AssertionError("the watch ended")


def who(config: Config, verb: str, resource: str, namespace: str = "default") -> set[str]:
    """Users that the audit log says did this."""
    lines = (config.audit_logs / NAME).read_bytes().splitlines()
    return {
        record["user"]["username"]
        for record in map(msgspec.json.decode, lines)
        if record["kind"] == "Event" and record["verb"] == verb
        and (record["objectRef"]["resource"], record["objectRef"].get("namespace", "")) == (resource, namespace)
    }  # fmt: skip


async def test_the_audit_log_says_which_controller_it_was(config: Config) -> None:
    async with running(config) as plane:
        client = plane.api.client(ADMIN)
        await seen(client, SERVICEACCOUNT, lambda one: one.metadata.namespace == "default")
        template = {"metadata": {"labels": WEB}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        web = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": WEB}, "template": template}}
        await client.raw("POST", "/apis/apps/v1/namespaces/default/deployments", web)
        pod = await seen(client, POD, lambda one: one.metadata.namespace == "default")
        found = await seen(client, DEPLOYMENT, lambda one: bool(one.status.unavailable_replicas))
        assert {one.manager for one in pod.metadata.managed_fields} == {"kube-controller-manager"}
        assert found.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
    assert who(config, "create", "replicasets") == {f"{ACCOUNT}deployment-controller"}
    assert who(config, "create", "pods") == {f"{ACCOUNT}replicaset-controller"}
    assert who(config, "create", "serviceaccounts") == {f"{ACCOUNT}service-account-controller"}
    assert who(config, "create", "configmaps") == {f"{ACCOUNT}root-ca-cert-publisher"}
    user = next(
        record["user"]
        for record in map(msgspec.json.decode, (config.audit_logs / NAME).read_bytes().splitlines())
        if record["kind"] == "Event" and record["user"]["username"] == f"{ACCOUNT}replicaset-controller"
    )
    assert user["groups"] == ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]


async def test_a_policy_that_lets_only_the_garbage_collector_delete(config: Config) -> None:
    """As operators protect their objects. (Fails when controllers are one user, or the policy lets everybody.)"""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["DELETE"]}]
    allowed = f"request.userInfo.username == '{ACCOUNT}generic-garbage-collector'"
    policy = {
        "metadata": {"name": "kept"},
        "spec": {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": allowed}]},
    }
    binding = {"metadata": {"name": "kept"}, "spec": {"policyName": "kept", "validationActions": ["Deny"]}}
    async with running(config) as plane:
        client = plane.api.client(ADMIN)
        owner = await client.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="owner", namespace="default")))
        await client.raw("POST", f"{POLICIES}/validatingadmissionpolicies", policy)
        await client.raw("POST", f"{POLICIES}/validatingadmissionpolicybindings", binding)
        ref = OwnerReference(
            api_version="v1", kind="ConfigMap", name="gone", uid="00000000-0000-4000-8000-000000000000"
        )
        meta = ObjectMeta(name="owned", namespace="default", owner_references=(ref,))
        with pytest.raises(APIError, match="ValidatingAdmissionPolicy 'kept'"):
            await client.delete(CONFIGMAP, Key("default", "owner"), uid=owner.metadata.uid)
        await client.create(CONFIGMAP, ConfigMap(metadata=meta))
        async for event in client.watch(CONFIGMAP):
            if event.type == "DELETED" and event.obj is not None and event.obj.metadata.name == "owned":
                break
    assert f"{ACCOUNT}generic-garbage-collector" in who(config, "delete", "configmaps")


def request(node: str, address: str) -> str:
    """What an agent asks for to serve with, in base64."""
    name = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ])  # fmt: skip
    alternative = x509.SubjectAlternativeName([x509.DNSName(address)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(alternative, critical=False)
    key = ec.generate_private_key(ec.SECP256R1())
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)).decode()


async def test_a_serving_certificate_is_approved_and_signed_by_whom_it_is_allowed(config: Config) -> None:
    """Both are refused to who has no right to it. (Fails without the bindings to that account.)"""
    usages = ["digital signature", "server auth"]
    body = {
        "metadata": {"name": "serve"},
        "spec": {"request": request("n1", "n1"), "signerName": "kubernetes.io/kubelet-serving", "usages": usages},
    }
    async with running(config) as plane:
        client = plane.api.client(ADMIN)
        status = NodeStatus(addresses=(NodeAddress(type="Hostname", address="n1"),))
        made = await client.create(NODE, Node(metadata=ObjectMeta(name="n1")))
        await client.replace(NODE, msgspec.structs.replace(made, status=status), "status")
        agent = plane.api.client(known("system:node:n1", "system:nodes"))
        await agent.raw("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", body)
        await seen(client, CERTIFICATESIGNINGREQUEST, lambda one: bool(one.status.certificate))
    controller = {f"{ACCOUNT}certificate-controller"}
    assert who(config, "update", "certificatesigningrequests", "") == controller

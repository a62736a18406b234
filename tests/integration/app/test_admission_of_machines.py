"""What a new machine meets before it is a node: cluster-info, its token's rights, certificates by request."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.controllers.test_certificates import csr
from wherry.aio.clock import SystemClock
from wherry.api.core.bootstrap_token import signature
from wherry.app import assemble, cluster_info, tokens
from wherry.app.config import Config
from wherry.app.rest import ApiRefused, Rest, Target
from wherry.app.up import make_folders_and_keys
from wherry.host.keys import pin, pin_of

pytestmark = pytest.mark.looptime(False)
INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT_USAGES = ["digital signature", "client auth"]


@pytest.fixture
async def serving(config: Config) -> AsyncIterator[Config]:
    """A cluster whose API server and controllers run in this process."""
    make_folders_and_keys(config, SystemClock())
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api", "controllers"}))
    jobs = [asyncio.ensure_future(job) for job in assemble.supervised(plane, SystemClock())]
    try:
        yield config
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await plane.stop()


def nobody(config: Config, token: str = "") -> Rest:
    return Rest(Target(config.api_url(), config.pki / "ca.crt", token=token))


async def until(ask: Callable[[], Any]) -> Any:
    """Ask, in a thread, until the answer is true."""
    async with asyncio.timeout(20):
        while True:
            try:
                found = await asyncio.to_thread(ask)
            except ApiRefused:
                found = None
            if found:
                return found
            await asyncio.sleep(0.05)


async def refused(ask: Callable[[], Any]) -> int:
    with pytest.raises(ApiRefused) as caught:
        await asyncio.to_thread(ask)
    return caught.value.status


async def create(config: Config, wanted: tokens.Wanted) -> str:
    return await asyncio.to_thread(tokens.create, config, wanted, SystemClock())


async def test_anybody_reads_where_the_cluster_is_and_tells_it_by_the_token(serving: Config) -> None:
    token = await create(serving, tokens.Wanted())
    name, _, secret = token.partition(".")
    rest = nobody(serving)
    data = await until(lambda: (d := rest.get(INFO)["data"]).get(f"jws-kubeconfig-{name}") and d)
    assert data[f"jws-kubeconfig-{name}"] == signature(data["kubeconfig"], name, secret.encode())
    [entry] = yaml.safe_load(data["kubeconfig"])["clusters"]
    authority = base64.b64decode(entry["cluster"]["certificate-authority-data"])
    assert pin_of(authority) == pin(serving.pki / "ca.crt")
    assert entry["cluster"]["server"].endswith(f":{serving.port}")
    assert pin(serving.pki / "ca.crt") in await asyncio.to_thread(tokens.join_command, serving, token)
    assert await refused(lambda: rest.get("/api/v1/namespaces/kube-public/configmaps")) == 401
    assert await refused(lambda: rest.get("/api/v1/namespaces/kube-public/configmaps/other")) == 401
    assert await refused(lambda: rest.send("DELETE", INFO)) == 403
    assert [one.id for one in await asyncio.to_thread(tokens.listed, serving)] == [name]
    await asyncio.to_thread(tokens.delete, serving, [token])
    await until(lambda: f"jws-kubeconfig-{name}" not in rest.get(INFO)["data"])
    assert await refused(lambda: nobody(serving, token).get("/api/v1/nodes/n9")) == 401


async def test_what_a_token_may(serving: Config) -> None:
    token = await create(serving, tokens.Wanted())
    rest = nobody(serving, token)
    settings = f"/api/v1/namespaces/kube-system/configmaps/{cluster_info.CLUSTER}"
    assert '"pod_cidr":"10.244.0.0/16"' in (await until(lambda: rest.get(settings)))["data"]["settings"]
    assert await refused(lambda: rest.get("/api/v1/nodes/nobody")) == 404
    for path in ("/api/v1/nodes", "/api/v1/namespaces/kube-system/secrets", "/api/v1/pods"):
        assert await refused(partial(rest.get, path)) == 403
    assert await refused(partial(rest.send, "PUT", f"{REQUESTS}/x/approval", {})) == 403


def request(name: str, node: str, signer: str, usages: list[str], dns: str = "") -> dict[str, Any]:
    pem = csr(ec.generate_private_key(ec.SECP256R1()), f"system:node:{node}", ("system:nodes",), dns)
    spec = {"request": base64.b64encode(pem).decode(), "signerName": f"kubernetes.io/{signer}", "usages": usages}
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"name": name}, "spec": spec}  # fmt: skip


async def test_a_token_makes_new_nodes_and_never_an_old_one(serving: Config) -> None:
    rest = nobody(serving, await create(serving, tokens.Wanted()))
    admin = Rest(serving)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "old"}}
    await asyncio.to_thread(admin.send, "POST", "/api/v1/nodes", node)
    kubelet = "kube-apiserver-client-kubelet"
    await until(lambda: rest.send("POST", REQUESTS, request("new", "new", kubelet, CLIENT_USAGES)))
    await asyncio.to_thread(rest.send, "POST", REQUESTS, request("old", "old", kubelet, CLIENT_USAGES))
    made = await until(lambda: rest.get(f"{REQUESTS}/new").get("status", {}).get("certificate"))
    assert base64.b64decode(made).startswith(b"-----BEGIN CERTIFICATE-----")
    [denied] = await until(lambda: rest.get(f"{REQUESTS}/old").get("status", {}).get("conditions"))
    assert (denied["type"], denied["message"]) == ("Denied", 'a node named "old" is already there')

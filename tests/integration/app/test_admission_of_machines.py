"""What a new machine meets before it is a node: cluster-info, its token's rights, certificates by request."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import shutil
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.controllers.test_certificates import csr
from wherry.aio.clock import Clock, SystemClock
from wherry.api.core.bootstrap_token import signature
from wherry.api.core.node import NODE
from wherry.api.types.core import Node, NodeAddress, NodeStatus
from wherry.app import assemble, cluster_info, discovery, removal, tokens
from wherry.app.config import Config
from wherry.app.enrol import enrol
from wherry.app.rest import ApiRefused, Rest, Target
from wherry.app.steps import Failed, Steps
from wherry.app.up import make_folders_and_keys
from wherry.client.http import Access, HTTPClient
from wherry.host import enrolment
from wherry.host.keys import pin, pins_of
from wherry.machinery.meta import ObjectMeta
from wherry.node.rotation import Kept, Rotation

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
    assert pins_of(authority) == (pin(serving.pki / "ca.crt"),)
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


class Later(SystemClock):
    """A clock that is `ahead` seconds ahead."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> float:
        return super().now() + self._ahead


def invited(config: Config, token: str) -> discovery.Invitation:
    return discovery.Invitation(f"127.0.0.1:{config.port}", token, pin(config.pki / "ca.crt"))


def take_papers(config: Config, token: str, folder: Path) -> None:
    """What `wherry join` does about certificates."""
    rest, shared = discovery.find(invited(config, token), folder / "ca.crt")
    assert shared == cluster_info.shared(config)
    joined = msgspec.structs.replace(config, hostname="n2", join=f"127.0.0.1:{config.port}")
    enrol(rest, joined, folder, SystemClock())


def of_folder(config: Config, folder: Path, clock: Clock) -> HTTPClient:
    client = folder / "client.pem"
    return HTTPClient(Access(f"https://127.0.0.1:{config.port}", folder / "ca.crt", client, client), clock)


def as_node(config: Config, folder: Path) -> Rest:
    own = config.node_pair("n2", "client").at(folder)
    own = dataclasses.replace(own, certificate=folder / "client.pem", key=folder / "client.pem")
    return Rest(Target(config.api_url(), folder / "ca.crt", own))


async def test_from_a_token_to_certificates_that_renew_themselves(serving: Config, tmp_path: Path) -> None:
    folder = tmp_path / "n2"
    folder.mkdir()
    token = await create(serving, tokens.Wanted())
    await until(lambda: nobody(serving, token).get("/api/v1/namespaces/kube-system/configmaps/wherry-cluster"))
    await asyncio.to_thread(take_papers, serving, token, folder)
    before = {name: enrolment.held(folder / name) for name in ("client.pem", "server.pem")}
    assert [held.names for held in before.values() if held] == [frozenset(), frozenset({"n2"})]
    client = of_folder(serving, folder, SystemClock())
    try:
        status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address="192.0.2.2"),))
        made = await client.create(NODE, Node(metadata=ObjectMeta(name="n2"), status=status))
        kept = (
            Kept(folder / "client.pem", enrolment.CLIENT),
            Kept(folder / "server.pem", enrolment.SERVING, lambda: ("n2", "192.0.2.2")),
        )
        assert await Rotation(client, SystemClock(), "n2", kept).look()
        after = {name: enrolment.held(folder / name) for name in before}
        assert after["client.pem"] == before["client.pem"], "not due for months"
        assert after["server.pem"] is not None
        assert after["server.pem"].names == {"n2", "192.0.2.2"}
        assert await Rotation(client, Later(0.91 * 365 * 86400), "n2", kept).look()
        assert enrolment.held(folder / "client.pem") != before["client.pem"]
        assert made.metadata.name == "n2"
        assert (await asyncio.to_thread(as_node(serving, folder).get, "/api/v1/nodes/n2"))["kind"] == "Node"
        old = tmp_path / "old"
        shutil.copytree(folder, old)
        await removed_and_back(serving, client, folder, old)
    finally:
        await client.close()


async def removed_and_back(config: Config, client: HTTPClient, folder: Path, old: Path) -> None:
    """The second half: its certificates end with its removal, and a token makes it a node again."""
    told: list[str] = []

    async def follow() -> None:
        async for event in client.watch(NODE):
            told.append(f"{event.type} {event.obj.metadata.name if event.obj else ''}")  # noqa: PERF401 - it never ends

    following = asyncio.create_task(follow())
    await until(lambda: "SYNCED " in told)
    other = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "x"}}
    await asyncio.to_thread(Rest(config).send, "POST", "/api/v1/nodes", other)
    await until(lambda: "ADDED x" in told)
    remove = partial(removal.remove, config, clock=SystemClock(), timeout=5, force=False)
    await asyncio.to_thread(remove, "n2", steps=Steps(SystemClock(), lambda _: None))
    assert await refused(lambda: as_node(config, folder).get("/api/v1/nodes/n2")) == 401
    assert await refused(lambda: Rest(config).get("/api/v1/nodes/n2")) == 404
    await asyncio.to_thread(Rest(config).send, "DELETE", "/api/v1/nodes/x")
    await asyncio.sleep(0.5)
    assert not [one for one in told if one.startswith("DELETED")], "its watch was cut before the Node went"
    following.cancel()
    with pytest.raises(Failed, match="there is no node n2"):
        await asyncio.to_thread(remove, "n2", steps=Steps(SystemClock(), lambda _: None))
    with pytest.raises(Failed, match="node n1 is this machine's own"):
        await asyncio.to_thread(remove, "n1", steps=Steps(SystemClock(), lambda _: None))
    await asyncio.sleep(1.1)  # times on the wire have whole seconds
    await asyncio.to_thread(take_papers, config, await create(config, tokens.Wanted()), folder)
    assert await refused(lambda: as_node(config, folder).get("/api/v1/nodes/n2")) == 404
    assert await refused(lambda: as_node(config, old).get("/api/v1/nodes/n2")) == 401


async def test_expired_and_wrong_tokens_are_told_in_one_sentence(serving: Config, tmp_path: Path) -> None:
    short = await create(serving, tokens.Wanted(seconds=1))
    await asyncio.sleep(1.1)
    for token in (short, "aaaaaa.bbbbbbbbbbbbbbbb"):
        with pytest.raises(Failed, match="the token is wrong or has expired"):
            await asyncio.to_thread(discovery.find, invited(serving, token), tmp_path / "ca.crt")
    only_for_login = await create(serving, tokens.Wanted(usages=("authentication",)))
    with pytest.raises(Failed, match="the token is wrong"):
        await asyncio.to_thread(discovery.find, invited(serving, only_for_login), tmp_path / "ca.crt")
    assert not (tmp_path / "ca.crt").exists()

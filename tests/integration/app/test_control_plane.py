"""The control plane as the server process assembles it: its own Service is published, Secrets are sealed on disk,
and everything is there again after a restart."""

import asyncio
import base64
import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from wherry.aio.clock import SystemClock
from wherry.api.certificates.clustertrustbundle import CLUSTERTRUSTBUNDLE
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.endpoints import ENDPOINTS
from wherry.api.core.secret import SECRET
from wherry.api.core.service import SERVICE
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import INGRESSCLASS
from wherry.api.types.core import ConfigMap, Secret
from wherry.api.types.networking import (
    Ingress,
    IngressBackend,
    IngressServiceBackend,
    IngressSpec,
    IngressTLS,
    ServiceBackendPort,
)
from wherry.apiserver.authn.user import MASTERS, known
from wherry.app import assemble, certificates
from wherry.app.config import Config
from wherry.app.up import make_folders_and_keys
from wherry.client.interface import Client, Select
from wherry.host import keys
from wherry.host.keys import Pki
from wherry.machinery.meta import Key, ObjectMeta, T, key_of
from wherry.machinery.resource import Resource

pytestmark = pytest.mark.looptime(False)
WORD = b"a very secret password"
ADMIN = known("test", MASTERS)


def on_disk(config: Config) -> bytes:
    return b"".join(path.read_bytes() for path in config.server.glob("state.db*"))


async def test_secrets_are_sealed_on_disk_and_come_back(config: Config) -> None:
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    encoded = base64.b64encode(WORD)
    secret = Secret(metadata=ObjectMeta(name="s", namespace="default"), data={"k": WORD})
    open_ = ConfigMap(metadata=ObjectMeta(name="c", namespace="default"), data={"k": "open"})
    try:
        client = plane.api.client(ADMIN)
        await client.create(SECRET, secret)
        await client.create(CONFIGMAP, open_)
        assert encoded not in on_disk(config)
        assert WORD not in on_disk(config)
        assert b'"open"' in on_disk(config)
    finally:
        await plane.stop()
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    try:
        found = await plane.api.client(ADMIN).get(SECRET, Key("default", "s"))
        assert found.data == {"k": WORD}
    finally:
        await plane.stop()


async def test_the_kubernetes_service_leads_to_this_machine(config: Config) -> None:
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    jobs = [asyncio.ensure_future(job) for job in assemble.supervised(plane, SystemClock())]
    client = plane.api.client(ADMIN)
    try:
        async with asyncio.timeout(10):
            endpoints = await _eventually(client, ENDPOINTS, Key("default", "kubernetes"))
        service = await client.get(SERVICE, Key("default", "kubernetes"))
        assert service.spec.cluster_ip == "10.96.0.1"
        assert len(endpoints.subsets[0].addresses) == 1
        dns = await client.get(SERVICE, Key("kube-system", "kube-dns"))
        assert dns.spec.cluster_ip == "10.96.0.10"
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await plane.stop()


async def test_a_new_address_is_in_the_certificate_of_the_running_server(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    pki = Pki(config.pki, SystemClock())
    renewal = None
    try:
        assert "127.9.9.9" not in await _names(config, plane.api.port)
        monkeypatch.setattr("wherry.app.addresses.server_addresses", lambda _: ("127.0.0.1", "127.9.9.9"))
        renewal = asyncio.ensure_future(certificates.renew(config, pki, SystemClock(), plane.api))
        async with asyncio.timeout(10):
            while "127.9.9.9" not in await _names(config, plane.api.port):  # each look is a handshake
                pass
    finally:
        if renewal is not None:
            renewal.cancel()
        await plane.stop()


async def _eventually(client: Client, resource: Resource[T], key: Key) -> T:
    """The object, as soon as it is there."""
    async for event in client.watch(resource, Select(namespace=key.namespace)):
        if event.obj is not None and key_of(event.obj) == key:
            return event.obj
    raise AssertionError("the watch ended")


async def _names(config: Config, port: int) -> set[str]:
    """Addresses in the certificate that the server shows now."""
    context = keys.client_context(config.pki / "ca.crt", None)
    context.check_hostname = False
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    shown = tls.getpeercert() or {}
    writer.close()
    names = shown.get("subjectAltName", ())
    return {str(value) for kind, value in msgspec.convert(names, list[tuple[str, str]]) if kind == "IP Address"}


def test_folders_and_keys_are_made_once(tmp_path: Path) -> None:
    config = Config(root=str(tmp_path / "root"), hostname="n1")
    try:
        assert make_folders_and_keys(config, SystemClock())
        assert not make_folders_and_keys(config, SystemClock())
        assert (config.node_root("n1") / "pki" / "client.crt").stat().st_mode & 0o777 == 0o600
    finally:
        for path in sorted(config.run.rglob("*"), reverse=True):
            path.rmdir()
        config.run.rmdir()


async def test_a_site_has_a_certificate_of_the_authority_that_is_published(config: Config) -> None:
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api", "controllers"}))
    backend = IngressBackend(service=IngressServiceBackend(name="shop", port=ServiceBackendPort(number=80)))
    spec = IngressSpec(default_backend=backend, tls=(IngressTLS(hosts=("shop.test",), secret_name="shop-tls"),))
    try:
        client = plane.api.client(ADMIN)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            jobs = [group.create_task(job) for job in assemble.supervised(plane, SystemClock())]
            await _seen(client, INGRESSCLASS, lambda cls: cls.metadata.name == "wherry")
            await client.create(INGRESS, Ingress(metadata=ObjectMeta(name="shop", namespace="default"), spec=spec))
            secret = await _seen(client, SECRET, lambda one: one.metadata.name == "shop-tls")
            bundle = await _seen(client, CLUSTERTRUSTBUNDLE, lambda one: one.spec.signer_name == "wherry.dev/sites")
            await _seen(
                client, CLUSTERTRUSTBUNDLE, lambda one: one.spec.signer_name == "kubernetes.io/kube-apiserver-serving"
            )
            for job in jobs:
                job.cancel()
    finally:
        await plane.stop()
    authority = x509.load_pem_x509_certificate(bundle.spec.trust_bundle.encode())
    x509.load_pem_x509_certificate(secret.data["tls.crt"]).verify_directly_issued_by(authority)
    assert authority != x509.load_pem_x509_certificate(Pki(config.pki, SystemClock()).ca.certificate_pem())


async def _seen(client: Client, resource: Resource[T], wanted: Callable[[T], bool]) -> T:
    async for event in client.watch(resource):
        if event.obj is not None and event.type != "DELETED" and wanted(event.obj):
            return event.obj
    raise AssertionError("the watch ended")

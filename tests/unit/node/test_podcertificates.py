"""Certificates of pods: request, wait, renew, refusal; trust bundles as files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from tests.support.fakeapi import FakeAPI
from tests.unit.node.pods import pod
from wherry.aio.clock import LoopClock
from wherry.api.certificates.clustertrustbundle import CLUSTERTRUSTBUNDLE
from wherry.api.certificates.podcertificaterequest import PODCERTIFICATEREQUEST
from wherry.api.core.node import NODE
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.certificates import ClusterTrustBundle, PodCertificateRequest
from wherry.api.types.core import Node, ServiceAccount, Volume
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.time import time_at
from wherry.node.config import AgentConfig
from wherry.node.hooks.hook import HookFault, Machine, Scope
from wherry.node.volumes import payload
from wherry.node.volumes.podcertificates import Credentials


class _NoServices:
    def of(self, namespace: str) -> tuple[()]:
        """None."""
        return ()


async def _scope(api: FakeAPI, tmp_path: Path) -> Scope:
    config = AgentConfig("n1", tmp_path, tmp_path, ("192.0.2.1",))
    await api.create(NODE, Node(metadata=ObjectMeta(name="n1")))
    await api.create(SERVICEACCOUNT, ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
    return Scope(pod(), config, api, LoopClock(), Machine(1, 1), _NoServices())


def _volume(**source: object) -> Volume:
    return from_dict(Volume, {"name": "v", "projected": {"sources": [source]}})


async def _answer(api: FakeAPI, clock: LoopClock, condition: str, chain: str = "") -> None:
    (found,) = (await api.list(PODCERTIFICATEREQUEST)).items
    assert isinstance(found, PodCertificateRequest)
    asked = x509.load_der_x509_csr(found.spec.stub_pkcs10_request or b"")
    assert asked.is_signature_valid
    status = from_dict(
        type(found.status),
        {
            "certificateChain": chain,
            "beginRefreshAt": time_at(clock.now() + 100),
            "notAfter": time_at(clock.now() + 200),
            "conditions": [{"type": condition, "status": "True", "reason": "R", "message": "m"}],
        },
    )
    await api.replace(PODCERTIFICATEREQUEST, msgspec.structs.replace(found, status=status))


@pytest.mark.parametrize("kind", ["ED25519", "ECDSAP256", "RSA3072"])
async def test_a_certificate_is_asked_for_and_written_beside_its_key(tmp_path: Path, kind: str) -> None:
    api = FakeAPI()
    scope = await _scope(api, tmp_path)
    held: Credentials = {}
    asks = _volume(podCertificate={"signerName": "a/b", "keyType": kind, "credentialBundlePath": "both.pem"})
    with pytest.raises(HookFault, match="is not issued yet"):
        await payload.files(scope, asks, {}, held)
    await _answer(api, LoopClock(), "Issued", "CHAIN")
    files = await payload.files(scope, asks, {}, held)
    assert files is not None
    text = files["both.pem"].content.decode()
    assert text.startswith("-----BEGIN PRIVATE KEY-----")
    assert text.endswith("CHAIN")
    assert "PRIVATE" not in repr(held)
    assert await payload.files(scope, asks, {}, held) == files
    assert len((await api.list(PODCERTIFICATEREQUEST)).items) == 1


async def test_a_refusal_is_told_and_final(tmp_path: Path) -> None:
    api = FakeAPI()
    scope = await _scope(api, tmp_path)
    held: Credentials = {}
    asks = _volume(podCertificate={"signerName": "a/b", "keyType": "ED25519", "keyPath": "k"})
    with pytest.raises(HookFault, match="not issued"):
        await payload.files(scope, asks, {}, held)
    await _answer(api, LoopClock(), "Denied")
    for _ in range(2):
        with pytest.raises(HookFault, match="was denied: R: m"):
            await payload.files(scope, asks, {}, held)


async def test_bundles_of_a_signer_are_joined_each_certificate_once(tmp_path: Path) -> None:
    api = FakeAPI()
    scope = await _scope(api, tmp_path)

    def block(text: str) -> str:
        return f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"

    for name, text in (("a", block("one") + block("two")), ("b", "comment\n" + block("two"))):
        body = {"metadata": {"name": name, "labels": {"k": "v"}}, "spec": {"trustBundle": text}}
        await api.create(CLUSTERTRUSTBUNDLE, from_dict(ClusterTrustBundle, body))
    one = await payload.files(scope, _volume(clusterTrustBundle={"name": "b", "path": "ca"}), {}, {})
    assert one is not None
    assert one["ca"].content.decode() == block("two")
    with pytest.raises(HookFault, match='clustertrustbundle "none" not found'):
        await payload.files(scope, _volume(clusterTrustBundle={"name": "none", "path": "ca"}), {}, {})
    none = await payload.files(
        scope, _volume(clusterTrustBundle={"name": "none", "path": "ca", "optional": True}), {}, {}
    )
    assert none is not None
    assert none["ca"].content == b""

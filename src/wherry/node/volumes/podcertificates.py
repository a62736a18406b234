"""Certificates of pods (`podCertificate` projections): keys made here, requests to a signer, renewal before they end.

One request at a time per projection; its key never leaves this node. A request that was denied or failed stays so: the
pod waits with the reason. https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from wherry.api.certificates.podcertificaterequest import PODCERTIFICATEREQUEST
from wherry.api.core.node import NODE
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.certificates import PodCertificateRequest, PodCertificateRequestSpec
from wherry.api.types.core import PodCertificateProjection
from wherry.machinery import conditions
from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import Key, ObjectMeta, OwnerReference
from wherry.machinery.time import seconds
from wherry.node.hooks.hook import HookFault, Scope

DEFAULT_SECONDS = 86400
TRIES, PAUSE = 20, 0.25
"""How long a new request is waited for at once; after that the mount is tried again with growing pauses."""

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {
    "ECDSAP256": ec.SECP256R1, "ECDSAP384": ec.SECP384R1, "ECDSAP521": ec.SECP521R1,
}  # fmt: skip


@dataclass(slots=True)
class Credential:
    """What is known of one projection. `request` names the request that is under way, ""."""

    key: bytes = b""
    chain: bytes = b""
    renew_at: float = 0.0
    request: str = ""
    next_key: bytes = b""
    refused: str = ""

    def __repr__(self) -> str:
        return f"Credential(renew_at={self.renew_at}, request={self.request!r})"


Credentials = dict[tuple[str, str, int], Credential]
"""(pod uid, volume, index of the source) -> credential"""


def new_key(kind: str) -> _PrivateKey:
    """A private key of one of the kinds that the API names. Raises HookFault for another."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    if kind == "ED25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in ("RSA3072", "RSA4096"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    raise HookFault(f"unknown key type {kind!r}", event="FailedMount")


def pem(key: _PrivateKey) -> bytes:
    """PKCS #8, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def stub(key: _PrivateKey) -> bytes:
    """A PKCS #10 request that says nothing but which key it is, signed by it: DER."""
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    return request.public_bytes(serialization.Encoding.DER)


async def credential(
    scope: Scope, volume: str, index: int, source: PodCertificateProjection, held: Credentials
) -> Credential:
    """A valid credential, new or renewed when its time has come. Raises HookFault while there is none."""
    now = scope.clock.now()
    own = held.setdefault((scope.pod.metadata.uid, volume, index), Credential())
    if own.chain and now < own.renew_at:
        return own
    if own.refused and not own.chain:
        raise HookFault(own.refused, event="FailedMount")
    try:
        if not own.request and not own.refused:
            await _ask(scope, source, own)
        for left in range(TRIES if not own.chain else 1, 0, -1):
            if await _issued(scope, own):
                return own
            if left > 1:
                await asyncio.sleep(PAUSE)
    except APIError as error:
        if not own.chain:
            raise HookFault(f"podCertificate: {error}", event="FailedMount") from error
    if not own.chain:
        raise HookFault(own.refused or f"PodCertificateRequest {own.request} is not issued yet", event="FailedMount")
    return own


async def _ask(scope: Scope, source: PodCertificateProjection, own: Credential) -> None:
    meta, spec = scope.pod.metadata, scope.pod.spec
    key = await asyncio.to_thread(new_key, source.key_type)
    account = spec.service_account_name or "default"
    node, owner = await asyncio.gather(
        scope.client.get(NODE, Key("", scope.config.name)),
        scope.client.get(SERVICEACCOUNT, Key(meta.namespace, account)),
    )
    reference = OwnerReference(api_version="v1", kind="Pod", name=meta.name, uid=meta.uid)
    request = PodCertificateRequest(
        metadata=ObjectMeta(generate_name=f"req-{meta.name}-", namespace=meta.namespace, owner_references=(reference,)),
        spec=PodCertificateRequestSpec(
            signer_name=source.signer_name, pod_name=meta.name, pod_uid=meta.uid, service_account_name=account,
            service_account_uid=owner.metadata.uid, node_name=scope.config.name, node_uid=node.metadata.uid,
            max_expiration_seconds=source.max_expiration_seconds or DEFAULT_SECONDS, stub_pkcs10_request=stub(key),
            unverified_user_annotations=source.user_annotations,
        ),
    )  # fmt: skip
    own.request = (await scope.client.create(PODCERTIFICATEREQUEST, request)).metadata.name
    own.next_key = pem(key)


async def _issued(scope: Scope, own: Credential) -> bool:
    """Whether the request under way has been answered well; takes the answer over."""
    if not own.request:
        return False
    try:
        found = await scope.client.get(PODCERTIFICATEREQUEST, Key(scope.pod.metadata.namespace, own.request))
    except NotFound:
        own.request = ""
        return False
    status = found.status
    for kind in ("Denied", "Failed"):
        answer = conditions.get(status.conditions, kind)
        if answer is not None and answer.status == "True":
            text = f"PodCertificateRequest {own.request} was {kind.lower()}: {answer.reason}: {answer.message}"
            own.refused, own.request = text, ""
            return False
    issued = conditions.get(status.conditions, "Issued")
    if issued is None or issued.status != "True" or not status.certificate_chain:
        return False
    now = scope.clock.now()
    until = seconds(status.not_after) if status.not_after else now + DEFAULT_SECONDS
    own.renew_at = seconds(status.begin_refresh_at) if status.begin_refresh_at else now + (until - now) * 2 / 3
    own.key, own.chain, own.request, own.next_key = own.next_key, status.certificate_chain.encode(), "", b""
    return True

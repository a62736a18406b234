"""Certificates of pods (`podCertificate` projections): keys made here, requests to a signer, renewal before they end.

One request at a time per projection; its key never leaves this node. A request that was denied or failed stays so: the
pod waits with the reason. https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

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
    from wherry.node.volumes import podkeys  # ten megabytes that few nodes need

    own_key, stub = await asyncio.to_thread(podkeys.make, source.key_type)
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
            max_expiration_seconds=source.max_expiration_seconds or DEFAULT_SECONDS, stub_pkcs10_request=stub,
            unverified_user_annotations=source.user_annotations,
        ),
    )  # fmt: skip
    own.request = (await scope.client.create(PODCERTIFICATEREQUEST, request)).metadata.name
    own.next_key = own_key


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

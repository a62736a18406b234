"""Certificate signing requests carry who asked: filled in from the request, never from what was sent.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.types.certificates import CertificateSigningRequest
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


def _sign(
    api: Api, ctx: Context[CertificateSigningRequest], request: CertificateSigningRequest,
    old: CertificateSigningRequest | None,
) -> CertificateSigningRequest:  # fmt: skip
    if old is not None:
        return replace(request, spec=old.spec)
    user = ctx.user
    spec = replace(request.spec, username=user.name, uid=user.uid, groups=user.groups, extra=dict(user.extra))
    return replace(request, spec=spec)


PLUGINS = (
    Plugin(
        "CertificateRequester",
        mutate=_sign,
        resources=frozenset({"certificatesigningrequests.certificates.k8s.io"}),
        subresources=frozenset({"", "status", "approval"}),
    ),
)

"""Who may say whom to trust: ClusterTrustBundleAttest, and the right to sign for pods.

A bundle of a signer needs the right to `attest` for it; an answer to a PodCertificateRequest the right to `sign`, and a
certificate that begins about now.
https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.certificates.podcertificate_validation import ending
from wherry.api.types.certificates import ClusterTrustBundle, PodCertificateRequest
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.authn.user import User
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.context import Context
from wherry.machinery import validation
from wherry.machinery.time import seconds
from wherry.machinery.validation import FieldError, refuse

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_GROUP = "certificates.k8s.io"
_NEAR = 300
_WHEN = "must be set to within 5 minutes of kube-apiserver's current time"


def may(api: Api, user: User, verb: str, signer: str) -> bool:
    """Whether the user may `verb` for a signer, or for all of its domain."""
    everything = f"{signer.partition('/')[0]}/*"
    return any(
        api.authorizer.allowed(Attributes(user, verb, group=_GROUP, resource="signers", name=name))
        for name in (signer, everything)
    )


def _attest(
    api: Api, ctx: Context[ClusterTrustBundle], bundle: ClusterTrustBundle, old: ClusterTrustBundle | None
) -> None:
    signer = bundle.spec.signer_name
    if not signer or (old is not None and old.spec == bundle.spec and old.metadata.labels == bundle.metadata.labels):
        return
    if not may(api, ctx.user, "attest", signer):
        raise forbidden(ctx, f'user not permitted to attest for signerName "{signer}"')


def _sign(
    api: Api, ctx: Context[PodCertificateRequest], request: PodCertificateRequest, old: PodCertificateRequest | None
) -> None:
    if old is None or old.status == request.status:
        return
    begin = request.status.not_before
    if ending(request) == "Issued" and begin is not None and abs(seconds(begin) - seconds(api.now())) >= _NEAR:
        raise _refused(ctx, validation.invalid("status.notBefore", begin, _WHEN))
    signer = old.spec.signer_name
    if not may(api, ctx.user, "sign", signer):
        why = f'User "{ctx.user.name}" is not permitted to "sign" for signer "{signer}"'
        raise _refused(ctx, validation.forbidden("spec.signerName", why))


def _refused(ctx: Context[PodCertificateRequest], problem: FieldError) -> Exception:
    return refuse(_GROUP, "PodCertificateRequest", ctx.name, [problem])


PLUGINS = (
    Plugin("ClusterTrustBundleAttest", validate=_attest, resources=frozenset({f"clustertrustbundles.{_GROUP}"})),
    Plugin(
        "PodCertificateSigning",
        validate=_sign,
        operations=frozenset({"UPDATE"}),
        resources=frozenset({f"podcertificaterequests.{_GROUP}"}),
        subresources=frozenset({"status"}),
    ),
)

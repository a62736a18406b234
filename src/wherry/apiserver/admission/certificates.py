"""CertificateApproval, CertificateSigning, CertificateSubjectRestriction; and what the server itself fills in.

Who asked is taken from the request, never from what was sent; times of conditions are the server's.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#certificateapproval
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.certificates.signing import CLIENT, asked, parse
from wherry.api.types.certificates import CertificateSigningRequest, CertificateSigningRequestCondition
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.authn.user import MASTERS, User
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.context import Context
from wherry.machinery import conditions
from wherry.machinery.time import Time

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_REQUESTS = frozenset({"certificatesigningrequests.certificates.k8s.io"})
_GROUP = "certificates.k8s.io"


def _fill(
    api: Api, ctx: Context[CertificateSigningRequest], request: CertificateSigningRequest,
    old: CertificateSigningRequest | None,
) -> CertificateSigningRequest:  # fmt: skip
    if old is None:
        user = ctx.user
        spec = replace(request.spec, username=user.name, uid=user.uid, groups=user.groups, extra=dict(user.extra))
        return replace(request, spec=spec)
    timed = tuple(_timed(request, old, api.now()))
    return replace(request, spec=old.spec, status=replace(request.status, conditions=timed))


def _timed(
    new: CertificateSigningRequest, old: CertificateSigningRequest, now: Time
) -> Iterator[CertificateSigningRequestCondition]:  # fmt: skip
    """The conditions, each with the times that it lacks."""
    for condition in new.status.conditions:
        before = conditions.get(old.status.conditions, condition.type)
        moved = condition.last_transition_time
        if moved is None and before is not None and before.status == condition.status:
            moved = before.last_transition_time
        updated = condition.last_update_time or now
        yield replace(condition, last_update_time=updated, last_transition_time=moved or now)


def may(api: Api, user: User, verb: str, signer: str) -> bool:
    """Whether the user may do this for a signer, or for all of its domain."""
    domain = signer.partition("/")[0]
    return any(
        api.authorizer.allowed(Attributes(user, verb, _GROUP, "signers", name=name)) for name in (signer, f"{domain}/*")
    )


def _approve(
    api: Api, ctx: Context[CertificateSigningRequest], request: CertificateSigningRequest,
    old: CertificateSigningRequest | None,
) -> None:  # fmt: skip
    if not may(api, ctx.user, "approve", request.spec.signer_name):
        raise forbidden(ctx, f'user not permitted to approve requests with signerName "{request.spec.signer_name}"')


def _sign(
    api: Api, ctx: Context[CertificateSigningRequest], request: CertificateSigningRequest,
    old: CertificateSigningRequest | None,
) -> None:  # fmt: skip
    if old is None or (request.status.certificate == old.status.certificate and _failed(request) == _failed(old)):
        return
    if not may(api, ctx.user, "sign", old.spec.signer_name):
        raise forbidden(ctx, f'user not permitted to sign requests with signerName "{old.spec.signer_name}"')


def _failed(request: CertificateSigningRequest) -> CertificateSigningRequestCondition | None:
    return conditions.get(request.status.conditions, "Failed")


def _restrict(
    api: Api, ctx: Context[CertificateSigningRequest], request: CertificateSigningRequest,
    old: CertificateSigningRequest | None,
) -> None:  # fmt: skip
    if request.spec.signer_name != CLIENT:
        return
    try:
        wanted = asked(parse(request.spec.request or b""))
    except ValueError as error:
        raise forbidden(ctx, f"failed to parse CSR: {error}") from None
    if MASTERS in wanted.organizations:
        raise forbidden(ctx, f"use of {CLIENT} signer with system:masters group is not allowed")


PLUGINS = (
    Plugin(
        "CertificateRequester", mutate=_fill, resources=_REQUESTS, subresources=frozenset({"", "status", "approval"})
    ),
    Plugin("CertificateApproval", validate=_approve, resources=_REQUESTS, subresources=frozenset({"approval"}),
           operations=frozenset({"UPDATE"})),
    Plugin("CertificateSigning", validate=_sign, resources=_REQUESTS, subresources=frozenset({"status"}),
           operations=frozenset({"UPDATE"})),
    Plugin("CertificateSubjectRestriction", validate=_restrict, resources=_REQUESTS,
           operations=frozenset({"CREATE"})),
)  # fmt: skip

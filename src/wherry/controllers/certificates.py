"""CertificateSigningRequests: agents' own are approved by themselves, approved ones signed, old ones removed.

Wakes on: CertificateSigningRequest.
Reads:    Node.
Writes:   /approval (Approved, by SubjectAccessReview; Denied), /status (certificate or Failed); deletes old requests.
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/

Three controllers, as a request passes them. A request that no rule recognises waits for people. Beyond upstream: a
serving certificate is approved for an agent that asks for its own node's name and addresses, and a client certificate
for a node that is already there is denied to whoever is not that node, so that a bootstrap token makes new nodes only;
so is one for a node as which another machine is joining in these seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from msgspec.structs import replace

from wherry.api.authorization.subjectaccessreview import SUBJECTACCESSREVIEW
from wherry.api.certificates import rivals
from wherry.api.certificates.certificatesigningrequest import CERTIFICATESIGNINGREQUEST
from wherry.api.certificates.signing import (
    KUBELET_SERVING,
    SIGNERS,
    node_asked_for,
    recognised,
    refused,
    selfserving,
)
from wherry.api.core.node import NODE
from wherry.api.types.authorization import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from wherry.api.types.certificates import CertificateSigningRequest, CertificateSigningRequestCondition
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.meta import Key
from wherry.machinery.time import Time, seconds
from wherry.reconcile.actions import Action, Delete, Replace, Requeue
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController, Controller
from wherry.reconcile.view import View

_GROUP = "certificates.k8s.io"
AGAIN = 5.0
"""Seconds until a serving request is looked at again, when its Node did not have the addresses."""
RIVAL_AGAIN = 0.2
"""Seconds until a request for a node's first certificate is looked at again, when another for that name came first."""
_HOUR = 3600.0
_DAY = 24 * _HOUR


def controller(settings: Settings) -> Controller:
    """The controller that signs what is approved; without `settings.sign` it does nothing."""
    sign = settings.sign

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run for one request."""
        request = view.get(CERTIFICATESIGNINGREQUEST, key)
        if sign is None or request is None or request.spec.signer_name not in SIGNERS or request.status.certificate:
            return
        if not conditions.is_true(request.status.conditions, "Approved") or _ended(request):
            return
        spec = request.spec
        try:
            why = refused(request)
            certificate = b"" if why else sign(spec.request or b"", spec.usages, spec.expiration_seconds)
        except ValueError as error:
            why, certificate = str(error), b""
        if why:
            failed = CertificateSigningRequestCondition(
                type="Failed", status="True", reason="SignerValidationFailure", message=why
            )
            status = replace(request.status, conditions=(*request.status.conditions, failed))
        else:
            status = replace(request.status, certificate=certificate)
        yield Replace(CERTIFICATESIGNINGREQUEST, replace(request, status=status), "status")

    return Controller("csrsigning", CERTIFICATESIGNINGREQUEST, plan)


def _ended(request: CertificateSigningRequest) -> bool:
    found = request.status.conditions
    return conditions.is_true(found, "Denied") or conditions.is_true(found, "Failed")


async def _approve(ctx: Context, key: Key) -> float | None:
    """One run for one request."""
    request = ctx.view.get(CERTIFICATESIGNINGREQUEST, key)
    if request is None or request.status.certificate:
        return None
    if conditions.get(request.status.conditions, "Approved") or conditions.get(request.status.conditions, "Denied"):
        return None
    if request.spec.signer_name == KUBELET_SERVING:
        return await _approve_serving(ctx, request)
    for subresource, message in recognised(request):
        if not await _may(ctx, request, subresource):
            continue
        node = node_asked_for(request)
        if node:
            return await _admit(ctx, request, node, message)
        await _decide(ctx, request, "Approved", "AutoApproved", message)
        return None
    return None


async def _admit(ctx: Context, request: CertificateSigningRequest, node: str, message: str) -> float | None:
    """A new node, if nobody has the name."""
    if ctx.view.get(NODE, Key("", node)) is not None:
        await _decide(ctx, request, "Denied", "NodeExists", f'a node named "{node}" is already there')
        return None
    present = (await ctx.api.list(CERTIFICATESIGNINGREQUEST)).items  # as it is now: two may come at once
    standing = rivals.standing(request, present, ctx.view.now)
    if standing == "waits":
        return RIVAL_AGAIN
    if standing == "late":
        await _decide(ctx, request, "Denied", "NodeExists", f'another machine is joining as node "{node}"')
    else:
        await _decide(ctx, request, "Approved", "AutoApproved", message)
    return None


async def _approve_serving(ctx: Context, request: CertificateSigningRequest) -> float | None:
    """Approve it if its requester is the node it is for; look again while the Node does not say its addresses yet."""
    name = request.spec.username.removeprefix("system:node:")
    nodes = ctx.view.list(NODE)
    own = {a.address for node in nodes if node.metadata.name == name for a in node.status.addresses}
    others = {a.address for node in nodes if node.metadata.name != name for a in node.status.addresses}
    if name == request.spec.username:
        return None
    if selfserving(request, own, others):
        return AGAIN
    await _decide(ctx, request, "Approved", "AutoApproved", "Auto approving own serving certificate of the node.")
    return None


async def _may(ctx: Context, request: CertificateSigningRequest, subresource: str) -> bool:
    spec = request.spec
    asked = ResourceAttributes(
        group=_GROUP, resource="certificatesigningrequests", verb="create", subresource=subresource, version="*"
    )
    review = SubjectAccessReview(
        spec=SubjectAccessReviewSpec(
            user=spec.username, uid=spec.uid, groups=spec.groups, extra=spec.extra, resource_attributes=asked
        )
    )
    return (await ctx.api.create(SUBJECTACCESSREVIEW, review)).status.allowed


async def _decide(ctx: Context, request: CertificateSigningRequest, kind: str, reason: str, message: str) -> None:
    decided = CertificateSigningRequestCondition(type=kind, status="True", reason=reason, message=message)
    status = replace(request.status, conditions=(*request.status.conditions, decided))
    await ctx.api.replace(CERTIFICATESIGNINGREQUEST, replace(request, status=status), "approval")


APPROVING = AsyncController("csrapproving", _approve, CERTIFICATESIGNINGREQUEST, reads=(NODE,))


def _clean(view: View, key: Key) -> Iterator[Action]:
    """One run for one request: remove it when its time is over, else look again then."""
    request = view.get(CERTIFICATESIGNINGREQUEST, key)
    if request is None or request.metadata.deletion_timestamp is not None:
        return
    end = ends(request)
    if end <= view.now:
        yield Delete(CERTIFICATESIGNINGREQUEST, key, request.metadata.uid)
    elif end < float("inf"):
        yield Requeue(end - view.now + 1.0, "its time will be over")


CLEANING = Controller("csrcleaner", CERTIFICATESIGNINGREQUEST, _clean)


def ends(request: CertificateSigningRequest) -> float:
    """When a request may go (epoch seconds): an hour after it was decided, a day after it was made or only approved."""
    status = request.status
    if not status.conditions:
        return _after(request.metadata.creation_timestamp, _DAY)
    found = [_after(c.last_update_time, _HOUR) for c in status.conditions if c.type in ("Denied", "Failed")]
    for condition in status.conditions:
        if condition.type == "Approved":
            found.append(_after(condition.last_update_time, _HOUR if status.certificate else _DAY))
            found.append(_expiry(status.certificate))
    return min(found, default=float("inf"))


def _after(moment: Time | None, later: float) -> float:
    return float("inf") if moment is None else seconds(moment) + later


def _expiry(certificate: bytes | None) -> float:
    try:
        return (
            x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp() if certificate else float("inf")
        )
    except ValueError:
        return float("inf")

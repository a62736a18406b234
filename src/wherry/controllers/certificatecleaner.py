"""Certificate requests that nobody needs any more: answered some time ago, or never.

Wakes on: PodCertificateRequest, CertificateSigningRequest; then when the time has come.
Writes:   deletes them.
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#request-signing-process
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.certificates.certificatesigningrequest import CERTIFICATESIGNINGREQUEST
from wherry.api.certificates.podcertificaterequest import PODCERTIFICATEREQUEST
from wherry.api.types.certificates import CertificateSigningRequest
from wherry.machinery.meta import Key
from wherry.machinery.time import seconds
from wherry.reconcile.actions import Action, Delete, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.view import View

FOR_PODS = 900.0
"""Seconds that a request of a pod stays: every agent has its answer by then, or asks again."""
ANSWERED = 3600.0
PENDING = 24 * 3600.0


def plan_pod_request(view: View, key: Key) -> Iterator[Action]:
    """One run for one PodCertificateRequest."""
    found = view.get(PODCERTIFICATEREQUEST, key)
    if found is None or found.metadata.deletion_timestamp is not None or found.metadata.creation_timestamp is None:
        return
    left = seconds(found.metadata.creation_timestamp) + FOR_PODS - view.now
    if left > 0:
        yield Requeue(left, "it is of no use by then")
    else:
        yield Delete(PODCERTIFICATEREQUEST, key, found.metadata.uid)


def plan_signing_request(view: View, key: Key) -> Iterator[Action]:
    """One run for one CertificateSigningRequest."""
    found = view.get(CERTIFICATESIGNINGREQUEST, key)
    if found is None or found.metadata.deletion_timestamp is not None:
        return
    left = _end(found) - view.now
    if left > 0:
        yield Requeue(left, "nobody asks for it by then")
    else:
        yield Delete(CERTIFICATESIGNINGREQUEST, key, found.metadata.uid)


def _end(request: CertificateSigningRequest) -> float:
    """When it is of no use any more: an hour after the answer, a day after it was asked."""
    began = seconds(request.metadata.creation_timestamp or "1970-01-01T00:00:00Z")
    answers = [c for c in request.status.conditions if c.type in ("Approved", "Denied", "Failed")]
    if not answers:
        return began + PENDING
    return min(seconds(c.last_update_time) if c.last_update_time else began for c in answers) + ANSWERED


PODS = Controller("podcertificaterequestcleaner", PODCERTIFICATEREQUEST, plan_pod_request)
SIGNED = Controller("csrcleaner", CERTIFICATESIGNINGREQUEST, plan_signing_request)

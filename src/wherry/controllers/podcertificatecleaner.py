"""Requests for pod certificates that nobody needs any more: every agent has its answer by then, or asks again.

Wakes on: PodCertificateRequest; then when the time has come.
Writes:   PodCertificateRequest (delete).
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#request-signing-process
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.certificates.podcertificaterequest import PODCERTIFICATEREQUEST
from wherry.machinery.meta import Key
from wherry.machinery.time import seconds
from wherry.reconcile.actions import Action, Delete, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.view import View

FOR_PODS = 900.0
"""Seconds that a request stays."""


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one PodCertificateRequest."""
    found = view.get(PODCERTIFICATEREQUEST, key)
    if found is None or found.metadata.deletion_timestamp is not None or found.metadata.creation_timestamp is None:
        return
    left = seconds(found.metadata.creation_timestamp) + FOR_PODS - view.now
    if left > 0:
        yield Requeue(left, "it is of no use by then")
    else:
        yield Delete(PODCERTIFICATEREQUEST, key, found.metadata.uid)


CONTROLLER = Controller("podcertificaterequestcleaner", PODCERTIFICATEREQUEST, plan)

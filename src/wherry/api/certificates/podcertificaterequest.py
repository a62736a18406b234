"""certificates.k8s.io/v1 PodCertificateRequest: what the API adds to its schema (`wherry.api.types.certificates`).

That an issued certificate begins about now is checked where the clock is: `apiserver/admission/certificates.py`.
"""

from __future__ import annotations

from wherry.api.certificates.podcertificate_validation import validate, validate_status
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.certificates import PodCertificateRequest
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_labels


def _state(request: PodCertificateRequest, _: float) -> str:
    ended = [c.type for c in request.status.conditions if c.type in ("Issued", "Denied", "Failed")]
    return ended[-1] if ended else "Pending"


COLUMNS: tuple[Column[PodCertificateRequest], ...] = (
    Column("PodName", lambda r, _: r.spec.pod_name),
    Column("ServiceAccountName", lambda r, _: r.spec.service_account_name),
    Column("NodeName", lambda r, _: r.spec.node_name),
    Column("SignerName", lambda r, _: r.spec.signer_name),
    Column("State", _state),
    Column("UnverifiedUserAnnotations", lambda r, _: format_labels(r.spec.unverified_user_annotations), wide=True),
)

FIELDS = {
    "spec.signerName": lambda r: r.spec.signer_name,
    "spec.podName": lambda r: r.spec.pod_name,
    "spec.nodeName": lambda r: r.spec.node_name,
}


def default(request: PodCertificateRequest) -> PodCertificateRequest:
    """A day."""
    return within(request, spec=lambda spec: fill(spec, max_expiration_seconds=86400))


PODCERTIFICATEREQUEST = declare(
    PodCertificateRequest,
    columns=COLUMNS,
    fields=FIELDS,
    default=default,
    validate=validate,
    validate_status=validate_status,
)

"""certificates.k8s.io/v1 CertificateSigningRequest: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.columns import AGE, or_none
from wherry.api.declare import declare
from wherry.api.types.certificates import CertificateSigningRequest
from wherry.machinery.resource import Column
from wherry.machinery.table import duration


def state(request: CertificateSigningRequest) -> str:
    """Pending, Approved or Denied, and whether it failed or was issued."""
    found = {c.type for c in request.status.conditions}
    words = ["Denied" if "Denied" in found else "Approved" if "Approved" in found else "Pending"]
    if "Failed" in found:
        words.append("Failed")
    if request.status.certificate:
        words.append("Issued")
    return ",".join(words)


COLUMNS: tuple[Column[CertificateSigningRequest], ...] = (
    AGE,
    Column("SignerName", lambda r, _: or_none(r.spec.signer_name)),
    Column("Requestor", lambda r, _: r.spec.username),
    Column(
        "RequestedDuration",
        lambda r, _: duration(r.spec.expiration_seconds) if r.spec.expiration_seconds is not None else "<none>",
    ),
    Column("Condition", lambda r, _: state(r)),
)

CERTIFICATESIGNINGREQUEST = declare(
    CertificateSigningRequest, columns=COLUMNS, fields={"spec.signerName": lambda r: r.spec.signer_name}
)

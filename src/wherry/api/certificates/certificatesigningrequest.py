"""certificates.k8s.io/v1 CertificateSigningRequest: what the API adds to its schema."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.certificates.signer_names import signer_name
from wherry.api.checks import Errors, one_of, unique, unsupported
from wherry.api.columns import AGE, or_none
from wherry.api.declare import declare
from wherry.api.types.certificates import CertificateSigningRequest
from wherry.machinery.resource import Column
from wherry.machinery.table import duration
from wherry.machinery.validation import forbidden, invalid, required


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

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
_TRUE_ONLY = ("Approved", "Denied", "Failed")


def validate(new: CertificateSigningRequest, old: CertificateSigningRequest | None) -> Errors:
    """A request for known usages by a signer with a domain. Its signature is checked where it is signed."""
    spec = new.spec
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in (spec.request or b""):
        yield invalid("spec.request", spec.request, "PEM block type must be CERTIFICATE REQUEST")
    if not spec.usages:
        yield required("spec.usages")
    for index, usage in enumerate(spec.usages):
        if usage not in USAGES:
            yield unsupported(f"spec.usages[{index}]", usage, USAGES)
    yield from unique("spec.usages", spec.usages)
    yield from signer_name("spec.signerName", spec.signer_name)
    if spec.expiration_seconds is not None and spec.expiration_seconds < 600:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", spec.expiration_seconds, why)
    yield from _conditions("status.conditions", new)


def _conditions(path: str, request: CertificateSigningRequest) -> Errors:
    types = [c.type for c in request.status.conditions]
    yield from unique(path, types, ".type")
    for index, own in enumerate(request.status.conditions):
        if not own.type:
            yield required(f"{path}[{index}].type")
        allowed = ("True",) if own.type in _TRUE_ONLY else ("False", "True", "Unknown")
        yield from one_of(f"{path}[{index}].status", own.status, allowed)
    if {"Approved", "Denied"} <= set(types):
        yield invalid(path, types[-1], "Approved and Denied conditions are mutually exclusive")


def _kept(new: CertificateSigningRequest, old: CertificateSigningRequest | None, types: tuple[str, ...]) -> Errors:
    """No condition of `types` taken away, added or changed; ends are never taken away."""
    if old is None:
        return
    at = "status.conditions"
    for kind in ("Approved", "Denied", "Failed"):
        before = [c for c in old.status.conditions if c.type == kind]
        after = [c for c in new.status.conditions if c.type == kind]
        if len(after) < len(before):
            yield forbidden(at, f'updates may not remove a condition of type "{kind}"')
        elif kind in types and len(after) > len(before):
            yield forbidden(at, f'updates may not add a condition of type "{kind}"')
        elif kind in types and after != before:
            yield forbidden(at, f'updates may not modify a condition of type "{kind}"')


def validate_status(new: CertificateSigningRequest, old: CertificateSigningRequest | None) -> Errors:
    """/status: the certificate, once; approval has a door of its own."""
    yield from validate(new, old)
    yield from _kept(new, old, ("Approved", "Denied"))
    if old is not None and old.status.certificate and old.status.certificate != new.status.certificate:
        yield forbidden("status.certificate", "updates may not modify existing certificate content")


def check_approval(new: CertificateSigningRequest, old: CertificateSigningRequest | None) -> Errors:
    """/approval: Approved or Denied, no certificate."""
    yield from validate(new, old)
    yield from _kept(new, old, ())
    if old is not None and old.status.certificate != new.status.certificate:
        yield forbidden("status.certificate", "updates may not set certificate content")


def prepare(new: CertificateSigningRequest, old: CertificateSigningRequest | None) -> CertificateSigningRequest:
    """The request itself never changes."""
    return new if old is None else replace(new, spec=old.spec)


CERTIFICATESIGNINGREQUEST = declare(
    CertificateSigningRequest,
    columns=COLUMNS,
    fields={"spec.signerName": lambda r: r.spec.signer_name},
    validate=validate,
    validate_status=validate_status,
    prepare=prepare,
    checks={"approval": check_approval},
)

"""Requests for the first certificate of one node: who was first, who waits, who is late."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wherry.api.certificates import rivals
from wherry.api.certificates.signing import KUBELET_CLIENT
from wherry.api.types.certificates import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    CertificateSigningRequestSpec,
    CertificateSigningRequestStatus,
)
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.time import time_at

NOW = 1_800_000_000.0
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in "ab"}


def request(revision: int, key: str, node: str = "n1", decided: str = "", at: float = NOW) -> CertificateSigningRequest:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(KEYS[key], hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    stamp = time_at(at)
    conditions = (CertificateSigningRequestCondition(type=decided, status="True", last_update_time=stamp),)
    return CertificateSigningRequest(
        metadata=ObjectMeta(name=f"r{revision}", uid=f"u{revision}", resource_version=str(revision)),
        spec=CertificateSigningRequestSpec(request=pem, signer_name=KUBELET_CLIENT, username="joiner"),
        status=CertificateSigningRequestStatus(conditions=conditions if decided else ()),
    )


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (request(5, "b"), "waits"),
        (request(15, "b"), "first"),
        (request(5, "a"), "first"),
        (request(5, "b", node="n2"), "first"),
        (request(15, "b", decided="Approved"), "late"),
        (request(15, "b", decided="Approved", at=NOW - rivals.JOINING + 1), "late"),
        (request(15, "b", decided="Approved", at=NOW - rivals.JOINING), "first"),
        (request(5, "b", decided="Denied"), "first"),
        (request(5, "a", decided="Approved"), "first"),
    ],
)
def test_standing(other: CertificateSigningRequest, expected: str) -> None:
    mine = request(10, "a")
    assert rivals.standing(mine, (mine, other), NOW) == expected

"""Which serving certificates an agent gets by itself: its own name, its own addresses, asked for by itself."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wherry.api.certificates.signing import KUBELET_SERVING, selfserving
from wherry.api.types.certificates import CertificateSigningRequest, CertificateSigningRequestSpec

KEY = ec.generate_private_key(ec.SECP256R1())
USAGES = ("digital signature", "server auth")


def asked(
    node: str = "n2", dns: tuple[str, ...] = ("n2",), ips: tuple[str, ...] = (), user: str = "system:node:n2",
    groups: tuple[str, ...] = ("system:nodes",), usages: tuple[str, ...] = USAGES,
) -> CertificateSigningRequest:  # fmt: skip
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ])  # fmt: skip
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return CertificateSigningRequest(
        spec=CertificateSigningRequestSpec(
            signer_name=KUBELET_SERVING, request=pem, usages=usages, username=user, groups=groups
        )
    )


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (asked(), ""),
        (asked(ips=("10.0.0.2",)), ""),
        (asked(ips=("10.0.0.9",)), "not names or addresses of this node alone: 10.0.0.9"),
        (asked(ips=("10.0.0.1",)), "not names or addresses of this node alone: 10.0.0.1"),
        (asked(ips=("127.0.0.1",)), "not names or addresses of this node alone: 127.0.0.1"),
        (asked(dns=("n2", "kubernetes.default")), "not names or addresses of this node alone: kubernetes.default"),
        (asked(dns=()), "DNS or IP subjectAltName is required"),
        (asked(user="system:node:n3"), "only the agent itself may ask"),
        (asked(groups=("system:authenticated",)), "only the agent itself may ask"),
        (asked(usages=("client auth",)), "usages did not match [digital signature key encipherment server auth]"),
    ],
)  # fmt: skip
def test_what_is_approved(request_: CertificateSigningRequest, why: str) -> None:
    assert selfserving(request_, {"10.0.0.2", "10.0.0.1"}, {"10.0.0.1"}) == why

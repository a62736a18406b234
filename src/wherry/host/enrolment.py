"""Certificates that a machine asks the cluster for: new keys and requests for them, and what is kept on disk.

A certificate and its key are one PEM file (0600), replaced at once: a crash at any moment leaves a pair that fits. The
key is made here and never leaves the machine.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wherry.host import files

CLIENT, SERVING = "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"
"""Who signs an agent's two certificates."""
USAGES = {CLIENT: ("digital signature", "client auth"), SERVING: ("digital signature", "server auth")}


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that waits for its certificate; all PEM."""

    key: bytes
    request: bytes

    def fits(self, certificate: bytes) -> bool:
        """Whether a certificate (PEM) is for this key."""
        try:
            found = x509.load_pem_x509_certificate(certificate).public_key()
        except ValueError:
            return False
        own = serialization.load_pem_private_key(self.key, None).public_key()
        return _encoded(found) == _encoded(own)

    def keep(self, path: Path, certificate: bytes) -> None:
        """Put the certificate and its key into one file. Raises OSError."""
        files.write(path, certificate + self.key)


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate on disk: valid from `start` to `end` (epoch seconds), for these names and addresses."""

    start: float
    end: float
    serial: int
    names: frozenset[str]


def ask(node: str, names: tuple[str, ...] = ()) -> Pending:
    """A new key and a request for the agent of `node`; `names`: DNS names and addresses, if it is to serve."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pending(private, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def held(path: Path) -> Held | None:
    """What the file holds; None when there is none, or it cannot be read as a certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    found = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return Held(
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        certificate.serial_number,
        frozenset(found),
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _encoded(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

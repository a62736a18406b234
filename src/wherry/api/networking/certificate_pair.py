"""A certificate with its key, as a Secret of type kubernetes.io/tls has them. Pure but for the check of keys.

https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from wherry.api.types.core import Secret


class CertificateError(Exception):
    """The Secret is no certificate with its key; the text says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain and key, as PEM; `until` in epoch seconds."""

    pem: str
    until: float


def read(secret: Secret) -> Pair:
    """The pair in a Secret. Raises CertificateError."""
    certificate, key = _field(secret.data, "tls.crt"), _field(secret.data, "tls.key")
    try:
        chain = x509.load_pem_x509_certificates(certificate)
    except ValueError as error:
        raise CertificateError(f"tls.crt is not a PEM certificate: {error}") from None
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateError("tls.key is not a PEM private key without a password") from None
    encoded = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if encoded != chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise CertificateError("tls.key is not the key of the certificate in tls.crt")
    text = "\n".join(part.decode("ascii", "replace").strip() for part in (certificate, key)) + "\n"
    return Pair(text, chain[0].not_valid_after_utc.timestamp())


def _field(data: Mapping[str, bytes], name: str) -> bytes:
    found = data.get(name, b"")
    if not found.strip():
        raise CertificateError(f"{name} is missing or empty")
    return found

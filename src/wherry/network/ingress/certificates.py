"""Certificates of sites: Secrets of type kubernetes.io/tls, as HAProxy reads them. Pure but for the check of keys.

A Secret that does not parse is refused with its cause, and what was served before goes on being served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from wherry.api.types.core import Secret
from wherry.machinery.meta import Key


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


def file_name(secret: Key) -> str:
    """The file of a Secret's pair: nothing of the name comes into it."""
    return f"{hashlib.sha256(str(secret).encode()).hexdigest()[:32]}.pem"


def listing(default: str, files: Mapping[str, str]) -> str:
    """HAProxy's list of certificates: the one for unknown names first, then file -> host."""
    return f"{default}\n" + "".join(f"{file} {host}\n" for host, file in sorted(files.items()))

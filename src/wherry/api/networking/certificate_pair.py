"""A certificate with its key, as a Secret of type kubernetes.io/tls has them. Pure but for the check of keys.

https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from wherry.api.types.core import Secret

_RSA_LEAST, _CURVE_LEAST = 2048, 224


class CertificateError(Exception):
    """The Secret is no certificate with its key; the text says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain and key, as PEM: nothing else that the Secret may hold."""

    pem: str


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
    if why := next(filter(None, map(_weakness, chain)), ""):
        raise CertificateError(why)
    parts = [one.public_bytes(Encoding.PEM) for one in chain]
    parts.append(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Pair(b"".join(parts).decode())


def _weakness(certificate: x509.Certificate) -> str:
    """What OpenSSL refuses at its security level 2: less than 112 bits. "" where it is well."""
    key, made = certificate.public_key(), certificate.signature_hash_algorithm
    if isinstance(key, (rsa.RSAPublicKey, dsa.DSAPublicKey)) and key.key_size < _RSA_LEAST:
        return f"tls.crt has a key of {key.key_size} bits, which is too weak to be served: {_RSA_LEAST} at least"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < _CURVE_LEAST:
        return f"tls.crt has a key on the curve {key.curve.name}, which is too weak to be served"
    if isinstance(made, (hashes.MD5, hashes.SHA1)) and certificate.issuer != certificate.subject:
        return f"tls.crt is signed with {made.name}, which is too weak to be served"
    return ""


def _field(data: Mapping[str, bytes], name: str) -> bytes:
    found = data.get(name, b"")
    if not found.strip():
        raise CertificateError(f"{name} is missing or empty")
    return found

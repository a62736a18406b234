"""Private keys of pods and the requests that prove we hold them. Loaded only where a pod asks for a certificate."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from wherry.node.hooks.hook import HookFault

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {
    "ECDSAP256": ec.SECP256R1, "ECDSAP384": ec.SECP384R1, "ECDSAP521": ec.SECP521R1,
}  # fmt: skip


def new_key(kind: str) -> _PrivateKey:
    """A private key of one of the kinds that the API names. Raises HookFault for another."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    if kind == "ED25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in ("RSA3072", "RSA4096"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    raise HookFault(f"unknown key type {kind!r}", event="FailedMount")


def pem(key: _PrivateKey) -> bytes:
    """PKCS #8, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def stub(key: _PrivateKey) -> bytes:
    """A PKCS #10 request that says nothing but which key it is, signed by it: DER."""
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    return request.public_bytes(serialization.Encoding.DER)


def make(kind: str) -> tuple[bytes, bytes]:
    """(key as PEM, request as DER). Raises HookFault for a kind there is not."""
    key = new_key(kind)
    return pem(key), stub(key)

"""The authority of sites signs a certificate for host names; the key is made here and kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wherry.host.keys import Authority, Subject

_LONGEST = 64
"""What a common name may hold."""


def issue(authority: Authority, names: Sequence[str]) -> tuple[bytes, bytes]:
    """Certificate and key for these DNS names, PEM; valid for a year."""
    key = ec.generate_private_key(ec.SECP256R1())
    common = names[0] if len(names[0]) <= _LONGEST else "wherry site"
    certificate = authority.sign(key.public_key(), Subject(common, names=tuple(names), client=False))
    return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

"""What of a Secret is a certificate with its key, and no more."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wherry.aio.clock import SystemClock
from wherry.api.networking.certificate_pair import CertificateError, read
from wherry.api.types.core import Secret
from wherry.host.selfsigned import self_signed

JUNK = b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n"
PEM = self_signed("a.test", SystemClock())


def secret(certificate: bytes, key: bytes) -> Secret:
    return Secret(data={"tls.crt": certificate, "tls.key": key})


def test_nothing_else_of_the_secret_is_served() -> None:
    found = read(secret(b"a note\n" + PEM + JUNK, PEM + JUNK))
    assert found.pem.splitlines() == PEM.decode().splitlines()


@pytest.mark.parametrize("format_", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_any_form_of_a_key_is_read(format_: PrivateFormat) -> None:
    private = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, format_, NoEncryption())
    with pytest.raises(CertificateError, match=r"tls\.key is not the key of the certificate"):
        read(secret(PEM, private))


@pytest.mark.parametrize(
    ("certificate", "key", "why"),
    [
        (b"", PEM, "tls.crt is missing or empty"),
        (PEM, b" \n", "tls.key is missing or empty"),
        (b"nonsense", PEM, "tls.crt is not a PEM certificate"),
        (PEM, b"nonsense", "tls.key is not a PEM private key without a password"),
    ],
)
def test_what_is_no_certificate_with_its_key(certificate: bytes, key: bytes, why: str) -> None:
    with pytest.raises(CertificateError) as told:
        read(secret(certificate, key))
    assert str(told.value).startswith(why)

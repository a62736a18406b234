"""Signer: turns approved requests into certificates of the cluster's CA, for the built-in signers of the API.

Names are those asked for; usages are those approved; nothing else of the request is taken over, and nothing may sign
others. https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from wherry.aio.clock import Clock
from wherry.host.keys import YEAR, Authority

SHORTEST = datetime.timedelta(minutes=10)
BACKDATE = datetime.timedelta(minutes=5)
SHORT = datetime.timedelta(hours=8)
"""Certificates for less than this live that long from now, not from their backdated beginning."""
_PURPOSES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
}


class Signer:
    """Signs with one authority; its files are read for every certificate, so that a renewed one is used at once."""

    def __init__(self, authority: Authority, clock: Clock) -> None:
        self._authority = authority
        self._clock = clock

    def sign(self, pem: bytes, usages: Sequence[str], seconds: int | None) -> bytes:
        """A certificate, PEM, for `seconds` (None: a year, which is also the most).

        Raises ValueError for a request that cannot be read, or an authority past its end.
        """
        request = x509.load_pem_x509_csr(pem)
        own = x509.load_pem_x509_certificate(self._authority.files.certificate.read_bytes())
        key = serialization.load_pem_private_key(self._authority.files.key.read_bytes(), None)
        now = datetime.datetime.fromtimestamp(int(self._clock.now()), datetime.UTC)
        life = YEAR if seconds is None else min(YEAR, max(SHORTEST, datetime.timedelta(seconds=seconds)))
        end = min(own.not_valid_after_utc, now + (life if life < SHORT else life - BACKDATE))
        if now >= own.not_valid_after_utc:
            raise ValueError(f"the signer has expired: NotAfter={own.not_valid_after_utc}")
        issuer_key = own.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(own.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(end)
            .add_extension(_usage(frozenset(usages)), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)  # type: ignore[arg-type]  # our own key
        )
        purposes = list(dict.fromkeys(_PURPOSES[usage] for usage in usages if usage in _PURPOSES))
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            builder = builder.add_extension(names.value, critical=names.critical)
        except x509.ExtensionNotFound:
            pass
        signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]  # our own key
        return signed.public_bytes(serialization.Encoding.PEM)


def _usage(usages: frozenset[str]) -> x509.KeyUsage:
    agrees = "key agreement" in usages
    return x509.KeyUsage(
        digital_signature=bool(usages & {"digital signature", "signing"}),
        content_commitment="content commitment" in usages,
        key_encipherment="key encipherment" in usages,
        data_encipherment="data encipherment" in usages,
        key_agreement=agrees,
        key_cert_sign=False,
        crl_sign="crl sign" in usages,
        encipher_only=agrees and "encipher only" in usages,
        decipher_only=agrees and "decipher only" in usages,
    )

"""Keys and certificates on disk: the cluster's own certificate authorities and everything they sign.

Layout under one folder (0700; every file 0600, replaced atomically):
  ca.{crt,key}                  the cluster CA: server, clients, agents
  site-ca.{crt,key}             the CA of sites, which users may trust: it signs nothing else
  front-proxy-ca.{crt,key}      the CA of the aggregation layer; front-proxy-client.{crt,key} is signed by it
  apiserver.{crt,key}           what the API server shows; re-issued when names or addresses change
  apiserver-agent.{crt,key}     the API server towards agents (CN wherry-apiserver)
  admin.{crt,key}               CN kubernetes-admin, O system:masters
  sa.{key,pub}                  signs service account tokens (ES256)
  acme.key                      the account at an ACME authority, once there is one
  seal.key                      seals values at rest (AES-256-GCM), see `sealer`

All keys are P-256. Leaf certificates live a year, authorities ten; each is renewed at two thirds of its life, an
authority with the same key, so what it has signed stays valid. `ensure*` methods are idempotent and say whether they
wrote. `Served` hands a running TLS server its new certificate without a restart.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wherry.aio.clock import Clock
from wherry.aio.tls import CIPHERS
from wherry.host import files
from wherry.host.pairs import Pair, pair
from wherry.host.sealer import ensure_seal_key

YEAR = datetime.timedelta(days=365)
BACKDATE = datetime.timedelta(hours=1)
"""Certificates are valid from a little in the past, for clocks that run behind."""
RENEW_AT = 2 / 3
"""The share of its life after which a certificate is renewed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate is for. `organizations` become the user's groups; names and addresses make it a server's."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    client: bool = True


class Authority:
    """A certificate authority on disk."""

    def __init__(self, files_: Pair, name: str, clock: Clock) -> None:
        self.files = files_
        self._name = name
        self._clock = clock

    def ensure(self) -> bool:
        """Make it if it is missing, renew it when it is due. Returns whether anything was written."""
        if self.files.exists():
            if not _due(_load_certificate(self.files.certificate), self._clock):
                return False
            key = _load_key(self.files.key)
        else:
            key = _new_key(self.files.key)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)])
        builder = (
            _builder(subject, subject, key.public_key(), self._clock, 10 * YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        files.write(self.files.certificate, _pem(builder.sign(key, hashes.SHA256())))
        return True

    def certificate_pem(self) -> bytes:
        """The authority's certificate."""
        return self.files.certificate.read_bytes()

    def ensure_issued(self, target: Pair, subject: Subject) -> bool:
        """Issue `target` unless a certificate for that subject, signed by this authority and not due, is there.

        One that names more than asked for is kept: addresses of links that come and go do not make it anew each time.
        """
        if target.exists() and self._fits(target, subject):
            return False
        key = _new_key(target.key)
        files.write(target.certificate, self.sign(key.public_key(), subject))
        return True

    def sign(self, public_key: ec.EllipticCurvePublicKey, subject: Subject) -> bytes:
        """A certificate for this public key, PEM."""
        own, own_key = _load_certificate(self.files.certificate), _load_key(self.files.key)
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in subject.organizations]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name))
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if subject.client else []
        names = _alternative_names(subject)
        if names:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            _builder(x509.Name(attributes), own.subject, public_key, self._clock, YEAR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(_load_key(self.files.key).public_key()),
                critical=False,
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _pem(builder.sign(own_key, hashes.SHA256()))

    def _fits(self, target: Pair, subject: Subject) -> bool:
        certificate = _load_certificate(target.certificate)
        try:
            certificate.verify_directly_issued_by(_load_certificate(self.files.certificate))
            key = _load_key(target.key)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one is issued
            return False
        if key.public_key().public_numbers() != _public(certificate).public_numbers():
            return False
        name, groups, names = _subject_of(certificate)
        same = (name, groups) == (subject.common_name, frozenset(subject.organizations))
        return same and names >= frozenset(_alternative_names(subject)) and not _due(certificate, self._clock)


class Pki:
    """Every key of one cluster, in one folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.ca = Authority(pair(folder, "ca"), "wherry-ca", clock)
        self.front_proxy_ca = Authority(pair(folder, "front-proxy-ca"), "wherry-front-proxy-ca", clock)
        self.site_ca = Authority(pair(folder, "site-ca"), "wherry-site-ca", clock)
        self.server = pair(folder, "apiserver")
        self.agent_client = pair(folder, "apiserver-agent")
        self.front_proxy = pair(folder, "front-proxy-client")
        self.admin = pair(folder, "admin")
        self.token_key = folder / "sa.key"
        self.token_public_key = folder / "sa.pub"
        self.seal_key = folder / "seal.key"
        self.acme_key = folder / "acme.key"

    def ensure(self, names: Iterable[str], addresses: Iterable[str]) -> bool:
        """Make or renew everything; `names` and `addresses` are where the API server is reached."""
        files.private_folder(self.folder)
        server = Subject(
            "wherry-apiserver", names=tuple(sorted(set(names))), addresses=tuple(sorted(set(addresses))), client=False
        )
        wrote = [
            self.ca.ensure(),
            self.front_proxy_ca.ensure(),
            self.site_ca.ensure(),
            self.ca.ensure_issued(self.server, server),
            self.ca.ensure_issued(self.agent_client, Subject("wherry-apiserver")),
            self.ca.ensure_issued(self.admin, Subject("kubernetes-admin", ("system:masters",))),
            self.front_proxy_ca.ensure_issued(self.front_proxy, Subject("front-proxy-client")),
            self._ensure_token_key(),
            ensure_seal_key(self.seal_key),
        ]
        return any(wrote)

    def ensure_node(self, folder: Path, name: str, addresses: Iterable[str]) -> bool:
        """A node's client certificate and its agent's serving certificate, with the CA, in the node's own folder."""
        files.private_folder(folder)
        client = Subject(f"system:node:{name}", ("system:nodes",))
        serving = Subject(
            f"system:node:{name}",
            ("system:nodes",),
            names=(name,),
            addresses=tuple(sorted(set(addresses))),
            client=False,
        )
        wrote = [
            files.write_if_changed(folder / "ca.crt", self.ca.certificate_pem()),
            self.ca.ensure_issued(pair(folder, "client"), client),
            self.ca.ensure_issued(pair(folder, "server"), serving),
        ]
        return any(wrote)

    def ensure_acme_key(self) -> bool:
        """The key of the account at an ACME authority; returns whether it was made now."""
        if self.acme_key.exists():
            return False
        _new_key(self.acme_key)
        return True

    def _ensure_token_key(self) -> bool:
        if self.token_key.exists() and self.token_public_key.exists():
            return False
        key = _load_key(self.token_key) if self.token_key.exists() else _new_key(self.token_key)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        files.write(self.token_public_key, public)
        return True


class Served:
    """A TLS context whose certificate follows its files: `refresh` loads what is new, connections stay up."""

    def __init__(self, context: ssl.SSLContext, served: Pair) -> None:
        self.context = context
        self._served = served
        self._seen = self._stamp()
        context.load_cert_chain(served.certificate, served.key)

    def refresh(self) -> bool:
        """Load the files again if they have changed; returns whether they had."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self.context.load_cert_chain(self._served.certificate, self._served.key)
        self._seen = stamp
        return True

    def _stamp(self) -> tuple[int, int]:
        return (self._served.certificate.stat().st_mtime_ns, self._served.key.stat().st_mtime_ns)


def server_context(client_authorities: Iterable[Path], *, require_client: bool) -> ssl.SSLContext:
    """A TLS 1.2+ server context that asks for client certificates of these authorities (without `require_client`, a
    client may show none). The certificate to serve is loaded by `Served`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(CIPHERS)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for authority in client_authorities:
        context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
    return context


def client_context(authority: Path, own: Pair | None) -> ssl.SSLContext:
    """A TLS 1.2+ client context that trusts only `authority` and shows `own`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authority)
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


def unverified_context() -> ssl.SSLContext:
    """A TLS client context that trusts anybody: only to read what proves itself otherwise, and to send nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def not_before(certificate: Path) -> float:
    """From when the certificate is valid, seconds since the epoch."""
    return _load_certificate(certificate).not_valid_before_utc.timestamp()


def used(certificate: Path, clock: Clock) -> float:
    """How much of a certificate's life is over: 0.0 at its beginning, more than 1.0 when it has expired."""
    found = _load_certificate(certificate)
    start, end = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
    return (clock.now() - start) / (end - start)


def pin(certificate: Path) -> str:
    """`sha256:<hex>` of a certificate's public key, by which an authority is known before it is trusted."""
    return _pin(_load_certificate(certificate))


def pins_of(pem: bytes) -> tuple[str, ...]:
    """The same, of every certificate in PEM. Raises ValueError."""
    return tuple(_pin(certificate) for certificate in x509.load_pem_x509_certificates(pem))


def _pin(certificate: x509.Certificate) -> str:
    public = certificate.public_key()
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(encoded)
    return f"sha256:{digest.finalize().hex()}"


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files.write(path, encoded)
    return key


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path}: not an elliptic curve key")
    return key


def _load_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _public(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("not an elliptic curve key")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, clock: Clock, life: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(subject: Subject) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in subject.names]
    names.extend(x509.IPAddress(ipaddress.ip_address(address)) for address in subject.addresses)
    return names


def _subject_of(certificate: x509.Certificate) -> tuple[str, frozenset[str], frozenset[x509.GeneralName]]:
    def values(oid: x509.ObjectIdentifier) -> list[str]:
        return [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)]

    try:
        names = frozenset(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = frozenset()
    return values(NameOID.COMMON_NAME)[0], frozenset(values(NameOID.ORGANIZATION_NAME)), names


def _due(certificate: x509.Certificate, clock: Clock) -> bool:
    start, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return clock.now() > start + (end - start) * RENEW_AT

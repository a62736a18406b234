"""Who asks, tried in this order: a proxy in front that says so, a client certificate of the cluster's CA, a bearer
token, or nobody (where the configuration lets nobody in: health, version, cluster-info).

A certificate is parsed once per connection. Failures say no more than "Unauthorized".
https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from wherry.apiserver.authn.bearer import Bearers
from wherry.apiserver.authn.objects import Objects
from wherry.apiserver.authn.removed_nodes import SESSION, removed
from wherry.apiserver.authn.requestheader import RequestHeader, issued_by, user_of
from wherry.apiserver.authn.user import ANONYMOUS, AUTHENTICATED, CREDENTIAL, User
from wherry.apiserver.http import Request
from wherry.machinery.errors import Unauthorized

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
"""What a machine reads before it can trust anybody: the API's address and CA, signed with each bootstrap token."""
_OPEN = frozenset({"/healthz", "/livez", "/readyz", "/version", CLUSTER_INFO})
_PROBES = ("/livez/", "/readyz/", "/healthz/")


@dataclass(frozen=True, slots=True)
class Anonymous:
    """What somebody without credentials may ask for (who may what is still up to the rules). `paths` None: all."""

    enabled: bool = True
    paths: frozenset[str] | None = _OPEN
    below: tuple[str, ...] = _PROBES

    def admits(self, path: str) -> bool:
        """Whether nobody may come in at this path."""
        if not self.enabled:
            return False
        return self.paths is None or path.rstrip("/") in self.paths or path.startswith(self.below)


@dataclass(frozen=True, slots=True)
class CertificateUser:
    """Who a certificate stands for, and until when (epoch seconds). `proxy`: how its holder may speak for others.
    `node` is the node whose agent it is, `since` when that certificate begins."""

    user: User | None
    until: float
    proxy: RequestHeader | None = None
    node: str = ""
    since: float = 0.0


def user_of_certificate(certificate: x509.Certificate) -> CertificateUser:
    """Read CN and O of a certificate that the TLS layer has verified."""
    subject = certificate.subject
    names = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    until = certificate.not_valid_after_utc.timestamp()
    if not names or not names[0]:
        return CertificateUser(None, until)
    credential = f"X509SHA256={certificate.fingerprint(hashes.SHA256()).hex()}"
    user = User(names[0], (*groups, AUTHENTICATED), extra={CREDENTIAL: (credential,)})
    return CertificateUser(user, until, node=user.node, since=certificate.not_valid_before_utc.timestamp())


@dataclass(slots=True)
class Authenticator:
    """`client_ca`, and that of `proxies`, are read anew when their files change."""

    client_ca: Path
    bearers: Bearers
    proxies: tuple[RequestHeader, ...] = ()
    anonymous: Anonymous = field(default_factory=Anonymous)
    _read: dict[Path, tuple[int, tuple[x509.Certificate, ...]]] = field(default_factory=dict)

    async def authenticate(self, objects: Objects, request: Request) -> User:
        """Who asks. Raises Unauthorized."""
        user = self.by_certificate(objects, request)
        if user is not None:
            return user
        header = request.headers.get("Authorization", "")
        if header:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthorized("Unauthorized")
            return (await self.bearers.known(objects, token.strip())).user
        if self.anonymous.admits(request.path):
            return ANONYMOUS
        raise Unauthorized("Unauthorized")

    def by_certificate(self, objects: Objects, request: Request) -> User | None:
        """Who asks, where a client certificate says so, or a proxy that showed one. Raises Unauthorized."""
        found = self._certificate(request)
        if found is not None:
            if found.until <= objects.clock.now():
                raise Unauthorized("Unauthorized")
            if found.proxy is not None:
                spoken_for = user_of(found.proxy, request.headers)
                if spoken_for is not None:
                    return spoken_for
            elif found.user is not None:
                if found.node and removed(objects, found.node, found.since):
                    raise Unauthorized("Unauthorized")
                return found.user
        return None

    def _certificate(self, request: Request) -> CertificateUser | None:
        found: CertificateUser | None = request.session.get(SESSION)
        if found is None:
            der = request.certificate()
            if der is None:
                return None
            found = request.session[SESSION] = self._sorted(x509.load_der_x509_certificate(der))
        return found

    def _sorted(self, certificate: x509.Certificate) -> CertificateUser:
        """Whose certificate it is: the TLS layer takes those of clients' and of proxies' authorities alike."""
        user = user_of_certificate(certificate)
        if not self.proxies:
            return user
        names = {str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
        for proxy in self.proxies:
            named = not proxy.allowed_names or bool(names & set(proxy.allowed_names))
            if named and issued_by(certificate, self._authorities(proxy.ca)):
                return CertificateUser(None, user.until, proxy)
        if issued_by(certificate, self._authorities(self.client_ca)):
            return user
        return CertificateUser(None, user.until)

    def _authorities(self, path: Path) -> tuple[x509.Certificate, ...]:
        stamp = path.stat().st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = (stamp, tuple(x509.load_pem_x509_certificates(path.read_bytes())))
        return known[1]

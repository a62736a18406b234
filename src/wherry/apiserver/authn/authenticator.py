"""Who asks: a client certificate of the cluster's CA, a service account token, or nobody (health and version only).

A certificate is parsed once per connection. Failures say no more than "Unauthorized".
https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import NameOID

from wherry.apiserver.authn.user import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User
from wherry.apiserver.http import Request
from wherry.machinery.errors import BadRequest, Unauthorized

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

ANONYMOUS_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_SESSION = "wherry.certificate"
_IMPERSONATE = "impersonate-"


@dataclass(frozen=True, slots=True)
class CertificateUser:
    """Who a certificate stands for, and until when (epoch seconds)."""

    user: User | None
    until: float


def user_of_certificate(der: bytes) -> CertificateUser:
    """Read CN and O of a certificate that the TLS layer has verified."""
    certificate = x509.load_der_x509_certificate(der)
    subject = certificate.subject
    names = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    until = certificate.not_valid_after_utc.timestamp()
    if not names or not names[0]:
        return CertificateUser(None, until)
    return CertificateUser(User(names[0], (*groups, AUTHENTICATED)), until)


def authenticate(api: Api, request: Request) -> User:
    """Who asks. Raises Unauthorized."""
    header = request.headers.get("Authorization", "")
    if header:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("Unauthorized")
        return api.tokens.user(api, token.strip())[0]
    user = _by_certificate(api, request)
    if user is not None:
        return user
    if request.path.rstrip("/") in ANONYMOUS_PATHS or request.path.startswith(("/livez/", "/readyz/", "/healthz/")):
        return ANONYMOUS
    raise Unauthorized("Unauthorized")


def _by_certificate(api: Api, request: Request) -> User | None:
    found = request.session.get(_SESSION)
    if found is None:
        der = request.certificate()
        found = user_of_certificate(der) if der else CertificateUser(None, 0.0)
        request.session[_SESSION] = found
    if found.user is not None and found.until <= api.clock.now():
        raise Unauthorized("Unauthorized")
    user: User | None = found.user
    return user


def impersonated(request: Request) -> User | None:
    """The user that Impersonate-* headers ask to be; None without them. Raises BadRequest."""
    headers = request.headers
    if not any(name.lower().startswith(_IMPERSONATE) for name in headers):
        return None
    name = headers.get("Impersonate-User", "")
    groups = tuple(headers.getall("Impersonate-Group", []))
    uid = headers.get("Impersonate-Uid", "")
    extra: dict[str, tuple[str, ...]] = {}
    for header in headers:
        low = header.lower()
        if low.startswith("impersonate-extra-"):
            key = unquote(low.removeprefix("impersonate-extra-"))
            extra[key] = tuple(headers.getall(header))
    if not name:
        raise BadRequest("requested [{UID  " + uid + "}] without impersonating a user name")
    user = User(name, groups, uid, extra)
    account = user.service_account
    if account is not None and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if name != ANONYMOUS.name and AUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    elif name == ANONYMOUS.name and UNAUTHENTICATED not in groups:
        groups = (*groups, UNAUTHENTICATED)
    return User(name, groups, uid, extra)

"""Request headers: a proxy in front, known by a certificate of its own authority, says for whom it speaks.

The authority must not be that of ordinary clients, unless the proxy's names are listed: otherwise every client could
speak for everybody (`check` refuses to start). Only headers of exactly the configured names count.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from multidict import MultiMapping

from wherry.apiserver.authn.user import AUTHENTICATED, User


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """`ca`: PEM file of the proxies' authority. `allowed_names`: their common names; empty means any."""

    ca: Path
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)


class SharedAuthority(ValueError):
    """Proxies and clients have one authority, and no names tell them apart."""


def check(config: RequestHeader, client_ca: Path) -> None:
    """Raises SharedAuthority, OSError, ValueError (not a certificate)."""
    shared = _keys(config.ca) & _keys(client_ca)
    if shared and not config.allowed_names:
        raise SharedAuthority(
            f"requestHeader.ca {config.ca} is the clients' own authority ({client_ca}): every client could speak for "
            "everybody; give proxies an authority of their own, or list their names in requestHeader.allowedNames"
        )


def _keys(path: Path) -> set[bytes]:
    return {
        certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for certificate in x509.load_pem_x509_certificates(path.read_bytes())
    }


def issued_by(certificate: x509.Certificate, authorities: tuple[x509.Certificate, ...]) -> bool:
    """Whether one of these authorities itself signed the certificate."""
    for authority in authorities:
        if certificate.issuer != authority.subject:
            continue
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return True
    return False


def user_of(config: RequestHeader, headers: MultiMapping[str]) -> User | None:
    """For whom the proxy speaks; None when it names nobody."""
    name = _first(headers, config.username_headers)
    if not name:
        return None
    groups = [value for header in config.group_headers for value in headers.getall(header, [])]
    extra: dict[str, tuple[str, ...]] = {}
    for prefix in config.extra_prefixes:
        for header in dict.fromkeys(h.lower() for h in headers):
            if header.startswith(prefix.lower()):
                key = unquote(header[len(prefix) :])
                extra[key] = (*extra.get(key, ()), *headers.getall(header))
    return User(name, with_authenticated(tuple(groups)), _first(headers, config.uid_headers), extra)


def with_authenticated(groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups of somebody who was recognised: `system:authenticated` is one of them."""
    return groups if AUTHENTICATED in groups or "system:unauthenticated" in groups else (*groups, AUTHENTICATED)


def _first(headers: MultiMapping[str], names: tuple[str, ...]) -> str:
    return next((headers[name] for name in names if headers.get(name)), "")


def facts(config: RequestHeader) -> Mapping[str, tuple[str, ...]]:
    """What other API servers must know to trust the same proxies, by key of their ConfigMap."""
    return {
        "requestheader-username-headers": config.username_headers,
        "requestheader-uid-headers": config.uid_headers,
        "requestheader-group-headers": config.group_headers,
        "requestheader-extra-headers-prefix": config.extra_prefixes,
        "requestheader-allowed-names": config.allowed_names,
    }

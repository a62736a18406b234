"""Certificates of sites that wherry gets by itself: the marks on their Secrets, and who can vouch for which name. Pure.

A Secret is ours only while it holds exactly what we put into it: `HELD` is the digest of that. Whoever writes another
certificate into it, by whatever tool, has made it theirs, and it is never touched again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from cryptography import x509

from wherry.api.types.core import Secret
from wherry.api.types.networking import Ingress, IngressTLS
from wherry.machinery.meta import Key

TLS = "kubernetes.io/tls"
WISH = "wherry.dev/certificate"
"""On an Ingress: `own` or `acme`, who is to issue; `none`, nobody. Without it the names decide."""
WISHES = ("own", "acme", "none")
ISSUED_BY = "wherry.dev/issued-by"
"""On a Secret of ours: `own` or `acme`."""
HELD = "wherry.dev/holds"
"""On a Secret of ours: the digest of what we put into it."""

ANSWERS = Key("kube-system", "wherry-acme-answers")
"""The ConfigMap with what every entry answers to HTTP-01: token -> key authorization."""

_UNNAMED = "-wherry-tls"
_STEM = 253 - len(_UNNAMED)

Issuer: TypeAlias = Literal["own", "acme"]
RENEW_AT = 2 / 3
"""The share of its life after which a certificate is renewed."""
OTHERS = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")
"""Annotations that ask somebody else for the certificate."""
LOCAL = (
    "localhost", "test", "example", "invalid", "local", "internal", "home.arpa",
    "lan", "home", "corp", "intranet", "private",
)  # fmt: skip
"""Top-level names that no public authority vouches for."""


def public(name: str) -> bool:
    """Whether ACME's HTTP-01 can prove this name: a DNS name below a public top-level one, and no wildcard."""
    labels = name.split(".")
    if len(labels) < 2 or "*" in name or labels[-1].isdigit():
        return False
    return not any(name == one or name.endswith(f".{one}") for one in LOCAL)


def hosts(ingress: Ingress, secret: str) -> frozenset[str]:
    """The names that an Ingress wants in the certificate of this Secret, lower case."""
    found: set[str] = set()
    for entry in ingress.spec.tls:
        if secret_of(ingress, entry) == secret:
            found.update(entry.hosts or (rule.host for rule in ingress.spec.rules if rule.host))
    return frozenset(map(str.lower, found))


def all_hosts(ingress: Ingress) -> frozenset[str]:
    """Every host that an Ingress names, lower case."""
    ruled = (rule.host for rule in ingress.spec.rules)
    secured = (host for entry in ingress.spec.tls for host in entry.hosts)
    return frozenset(host.lower() for host in (*ruled, *secured) if host)


def age(ingress: Ingress) -> tuple[str, str, str]:
    """Sorts Ingresses: who comes first keeps what both claim."""
    meta = ingress.metadata
    return (meta.creation_timestamp or "", meta.namespace, meta.name)


def wish(ingress: Ingress) -> str:
    """Who is to issue, as its annotations say; "" where they say nothing. Nonsense means nobody."""
    notes = ingress.metadata.annotations
    if any(name in notes for name in OTHERS):
        return "none"
    said = notes.get(WISH, "").lower()
    return said if said in ("", *WISHES) else "none"


def secrets_of(ingress: Ingress) -> Iterable[Key]:
    """The Secrets that an Ingress names as certificates."""
    names = dict.fromkeys(secret_of(ingress, entry) for entry in ingress.spec.tls)
    return [Key(ingress.metadata.namespace, name) for name in names if name]


def secret_of(ingress: Ingress, entry: IngressTLS) -> str:
    """The name of the Secret with an entry's certificate: the one it names, or one that wherry makes for the Ingress;
    "" where nobody is to issue one."""
    if entry.secret_name or wish(ingress) == "none":
        return entry.secret_name
    return f"{ingress.metadata.name[:_STEM]}{_UNNAMED}"


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate of ours in its Secret; times in epoch seconds."""

    by: str
    names: frozenset[str]
    begins: float
    ends: float

    @property
    def due(self) -> float:
        """When it is to be renewed."""
        return self.begins + (self.ends - self.begins) * RENEW_AT


def held(secret: Secret) -> Held | None:
    """What of ours the Secret holds; None when it is somebody else's."""
    notes, data = secret.metadata.annotations, secret.data
    if ISSUED_BY not in notes or notes.get(HELD) != digest(data):
        return None
    certificate = x509.load_pem_x509_certificates(data["tls.crt"])[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return Held(
        notes[ISSUED_BY],
        frozenset(names.get_values_for_type(x509.DNSName)),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def digest(data: Mapping[str, bytes]) -> str:
    """Of certificate and key together."""
    return hashlib.sha256(data.get("tls.crt", b"") + b"\0" + data.get("tls.key", b"")).hexdigest()


def marks(by: Issuer, data: Mapping[str, bytes]) -> dict[str, str]:
    """The annotations of a Secret of ours with this data."""
    return {ISSUED_BY: by, HELD: digest(data)}


class Refused(Exception):
    """There is no certificate, and why. `after`: seconds that the authority wants to be left alone."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


Publish: TypeAlias = Callable[[Mapping[str, str]], Awaitable[Sequence[str]]]
"""From now on every entry answers these tokens, and no others; gives the addresses of the entries."""


class Acme(Protocol):
    """An ACME authority."""

    async def obtain(self, names: Sequence[str], publish: Publish) -> tuple[bytes, bytes]:
        """A new key's certificate with its chain, and the key, PEM. Takes up to minutes. Raises Refused."""

"""Service account tokens: signed JWTs bound to an account and, mostly, to a pod, secret or node.

A token is worth what it is bound to: every request checks that the account, pod, secret and node still exist with the
very uid in the token. Tokens of the old kind have no end; they are good while a Secret holds them.
Verified signatures are remembered by hash. Several keys and issuers may verify; the first of each signs.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.secret import SECRET
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.apiserver.authn.objects import Objects
from wherry.apiserver.authn.user import CREDENTIAL, Known, User, service_account_user
from wherry.machinery.errors import Unauthorized
from wherry.machinery.resource import Resource
from wherry.machinery.time import seconds
from wherry.store.entry import Entry

LEGACY_ISSUER = "kubernetes/serviceaccount"
LEGACY_INVALID = "kubernetes.io/legacy-token-invalid-since"
LEGACY_LAST_USED = "kubernetes.io/legacy-token-last-used"
DELETED_LEEWAY = 60.0
"""Seconds for which what is being deleted still counts as there."""
_CACHED = 4096
_CURVES = {256: "ES256", 384: "ES384", 521: "ES512"}


class Ref(msgspec.Struct, frozen=True):
    """Something a token is bound to."""

    name: str = ""
    uid: str = ""


class Bound(msgspec.Struct, frozen=True):
    """The `kubernetes.io` claim."""

    namespace: str = ""
    serviceaccount: Ref = Ref()
    pod: Ref | None = None
    secret: Ref | None = None
    node: Ref | None = None
    warnafter: int = 0


class Claims(msgspec.Struct, frozen=True):
    """What a token says; the last four are of the old kind."""

    iss: str
    sub: str
    exp: int = 0
    aud: tuple[str, ...] | str = ()
    nbf: int = 0
    jti: str = ""
    bound: Bound = msgspec.field(default=Bound(), name="kubernetes.io")
    namespace: str = msgspec.field(default="", name="kubernetes.io/serviceaccount/namespace")
    secret: str = msgspec.field(default="", name="kubernetes.io/serviceaccount/secret.name")
    account: str = msgspec.field(default="", name="kubernetes.io/serviceaccount/service-account.name")
    account_uid: str = msgspec.field(default="", name="kubernetes.io/serviceaccount/service-account.uid")

    @property
    def audiences(self) -> tuple[str, ...]:
        """For whom it is."""
        return (self.aud,) if isinstance(self.aud, str) else self.aud


class _Issuer(msgspec.Struct, frozen=True):
    iss: str = ""


def issuer_of(token: str) -> str:
    """Who says to have issued a JWT, unverified; "" when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(raw, type=_Issuer).iss
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return ""


def import_key(pem: bytes) -> ECKey | RSAKey:
    """A private or public key, PEM, for the algorithm that fits it. Raises ValueError for another kind of key."""
    if b"PRIVATE" in pem:
        private = serialization.load_pem_private_key(pem, None)
        key: object = private.public_key()
    else:
        key = serialization.load_pem_public_key(pem)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size in _CURVES:
        found: ECKey | RSAKey = ECKey.import_key(pem, {"use": "sig", "alg": _CURVES[key.key_size]})
    elif isinstance(key, rsa.RSAPublicKey):
        found = RSAKey.import_key(pem, {"use": "sig", "alg": "RS256"})
    else:
        raise ValueError("not an RSA or elliptic curve key")
    found.ensure_kid()
    return found


class Tokens:
    """Issues and verifies. `keys`: PEM, the first a private key that signs; all verify. `issuers`: the first signs."""

    def __init__(self, keys: Sequence[bytes], issuers: Sequence[str], audiences: Sequence[str] = ()) -> None:
        self._keys = [import_key(pem) for pem in keys]
        self._set = KeySet(list(self._keys))
        self.algorithms = tuple(dict.fromkeys(str(key.alg) for key in self._keys))
        self.issuer = issuers[0]
        self._issuers = frozenset((*issuers, LEGACY_ISSUER))
        self.audiences = tuple(audiences) or tuple(issuers)
        self._verified: dict[bytes, Claims] = {}
        self.used: set[tuple[str, str]] = set()
        """Secrets (namespace, name) whose tokens of the old kind were used, until somebody writes it down."""
        self.stale = 0
        """How often a token was used that its holder should have replaced by now."""

    def jwks(self) -> dict[str, Any]:
        """The public keys, for whoever verifies tokens elsewhere."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def issue(
        self, account: tuple[str, str, str], audiences: Sequence[str], seconds: int, now: float,
        bound: Mapping[str, Any],
    ) -> str:  # fmt: skip
        """Sign a token of (namespace, name, uid) for `seconds`; `bound`: {"pod": {"name":..., "uid":...}, ...}."""
        namespace, name, uid = account
        issued = int(now)
        claims = {
            "aud": list(audiences),
            "exp": issued + seconds,
            "iat": issued,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, **bound, "serviceaccount": {"name": name, "uid": uid}},
            "nbf": issued,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        return self._sign(claims)

    def issue_legacy(self, account: tuple[str, str, str], secret: str) -> str:
        """Sign a token of (namespace, name, uid) that is good as long as `secret` holds it."""
        namespace, name, uid = account
        prefix = "kubernetes.io/serviceaccount/"
        return self._sign({
            "iss": LEGACY_ISSUER,
            f"{prefix}namespace": namespace,
            f"{prefix}secret.name": secret,
            f"{prefix}service-account.name": name,
            f"{prefix}service-account.uid": uid,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        })  # fmt: skip

    def _sign(self, claims: dict[str, Any]) -> str:
        key = self._keys[0]
        return jwt.encode({"alg": str(key.alg), "kid": key.kid}, claims, key, algorithms=[str(key.alg)])

    def known(self, objects: Objects, token: str, audiences: Sequence[str]) -> Known | None:
        """Who a token stands for, and for which of `audiences`; None: nobody here issued it. Raises Unauthorized."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            if issuer_of(token) not in self._issuers:
                return None
            claims = self._verify(token)
            if len(self._verified) >= _CACHED:
                self._verified.pop(next(iter(self._verified)))
            self._verified[digest] = claims
        now = objects.clock.now()
        if claims.nbf > now + 5 or (claims.exp and claims.exp <= now):
            raise Unauthorized("Unauthorized")
        if claims.iss == LEGACY_ISSUER:
            shared = tuple(a for a in audiences if a in self.audiences)
            user = self._legacy(objects, claims, token)
        else:
            shared = tuple(a for a in audiences if a in claims.audiences)
            user = self._alive(objects, claims)
        if not shared:
            raise Unauthorized("Unauthorized")
        return Known(user, shared)

    def _verify(self, token: str) -> Claims:
        try:
            read = jwt.decode(token, self._set, algorithms=list(self.algorithms)).claims
            claims = msgspec.convert(read, Claims, strict=False)
        except (JoseError, msgspec.ValidationError, ValueError, KeyError, TypeError):
            raise Unauthorized("Unauthorized") from None
        if claims.iss not in self._issuers or (claims.iss != LEGACY_ISSUER and not claims.exp):
            raise Unauthorized("Unauthorized")
        return claims

    def _alive(self, objects: Objects, claims: Claims) -> User:
        """The user, if everything the token is bound to still exists."""
        bound = claims.bound
        namespace, name = bound.namespace, bound.serviceaccount.name
        if not _stands(objects, objects.find(SERVICEACCOUNT, namespace, name), bound.serviceaccount.uid):
            raise Unauthorized("Unauthorized")
        extra: dict[str, tuple[str, ...]] = {}
        if claims.jti:
            extra[CREDENTIAL] = (f"JTI={claims.jti}",)
        bindings: tuple[tuple[Resource[Any], Ref | None, str], ...] = (
            (POD, bound.pod, "pod"),
            (NODE, bound.node, "node"),
            (SECRET, bound.secret, ""),
        )
        for resource, ref, word in bindings:
            if ref is None:
                continue
            # a node that is gone invalidates only tokens bound to it alone
            matters = resource is not NODE or bound.pod is None
            if matters and not _stands(objects, objects.find(resource, namespace, ref.name), ref.uid):
                raise Unauthorized("Unauthorized")
            if word:
                extra[f"authentication.kubernetes.io/{word}-name"] = (ref.name,)
                extra[f"authentication.kubernetes.io/{word}-uid"] = (ref.uid,)
        if bound.warnafter and bound.warnafter < objects.clock.now():
            self.stale += 1
        return service_account_user(namespace, name, bound.serviceaccount.uid, extra)

    def _legacy(self, objects: Objects, claims: Claims, token: str) -> User:
        """The user of a token of the old kind, if its Secret still holds it."""
        secret = objects.find(SECRET, claims.namespace, claims.secret)
        account = objects.find(SERVICEACCOUNT, claims.namespace, claims.account)
        if secret is None or not _stands(objects, account, claims.account_uid):
            raise Unauthorized("Unauthorized")
        meta = secret.obj.metadata
        if meta.deletion_timestamp is not None or LEGACY_INVALID in meta.labels:
            raise Unauthorized("Unauthorized")
        if not hmac.compare_digest(secret.obj.data.get("token", b""), token.encode()):
            raise Unauthorized("Unauthorized")
        self.used.add((claims.namespace, claims.secret))
        return service_account_user(claims.namespace, claims.account, claims.account_uid, {})


def _stands(objects: Objects, found: Entry[Any] | None, uid: str) -> bool:
    """Whether this very object is there, and not long since being deleted."""
    if found is None or (uid and found.uid != uid):
        return False
    if b'"deletionTimestamp"' not in found.data:
        return True
    deleted = found.obj.metadata.deletion_timestamp
    return deleted is None or objects.clock.now() < seconds(deleted) + DELETED_LEEWAY

"""Service account tokens: signed ES256 JWTs bound to an account and, mostly, to a pod, secret or node.

A token is worth what it is bound to: every request checks that the account, pod, secret and node still exist with the
very uid in the token. Verified signatures are remembered by hash. Keys are P-256; several may verify, one signs.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.secret import SECRET
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.apiserver.authn.user import User, service_account_user
from wherry.machinery.errors import Unauthorized
from wherry.machinery.resource import Resource

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_CACHED = 4096
_LONGEST = 16 * 1024


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


class Claims(msgspec.Struct, frozen=True):
    """What a token says."""

    iss: str
    sub: str
    exp: int
    aud: tuple[str, ...] = ()
    nbf: int = 0
    jti: str = ""
    bound: Bound = msgspec.field(default=Bound(), name="kubernetes.io")


class Tokens:
    """Issues and verifies. `keys`: PEM, the first a private P-256 key that signs; all verify."""

    def __init__(self, keys: Sequence[bytes], issuer: str, audiences: Sequence[str]) -> None:
        self._keys = [ECKey.import_key(pem, {"use": "sig", "alg": "ES256"}) for pem in keys]
        for key in self._keys:
            key.ensure_kid()
        self._set = KeySet(list(self._keys))
        self.issuer = issuer
        self.audiences = tuple(audiences)
        self._verified: dict[bytes, Claims] = {}

    def jwks(self) -> dict[str, Any]:
        """The public keys, for whoever verifies tokens elsewhere."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def issue(
        self, account: tuple[str, str, str], audiences: Sequence[str], seconds: int, now: float,
        bound: Mapping[str, Mapping[str, str]],
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
        key = self._keys[0]
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)

    def user(self, api: Api, token: str, audiences: Sequence[str] = ()) -> tuple[User, tuple[str, ...]]:
        """Who a token stands for, and for which of `audiences` (default: this server's). Raises Unauthorized."""
        claims = self._verify(token, api.clock.now())
        wanted = audiences or self.audiences
        shared = tuple(a for a in wanted if a in claims.aud)
        if not shared:
            raise Unauthorized("Unauthorized")
        return self._alive(api, claims), shared

    def _verify(self, token: str, now: float) -> Claims:
        if len(token) > _LONGEST:
            raise Unauthorized("Unauthorized")
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            try:
                read = jwt.decode(token, self._set, algorithms=["ES256"]).claims
                claims = msgspec.convert(read, Claims, strict=False)
            except (JoseError, msgspec.ValidationError, ValueError, KeyError, TypeError):
                raise Unauthorized("Unauthorized") from None
            if len(self._verified) >= _CACHED:
                self._verified.pop(next(iter(self._verified)))
            self._verified[digest] = claims
        if claims.iss != self.issuer or claims.exp <= now or claims.nbf > now + 5:
            raise Unauthorized("Unauthorized")
        return claims

    def _alive(self, api: Api, claims: Claims) -> User:
        """The user, if everything the token is bound to still exists."""
        bound = claims.bound
        namespace, name = bound.namespace, bound.serviceaccount.name
        account = api.find(SERVICEACCOUNT, namespace, name)
        if account is None or account.uid != bound.serviceaccount.uid:
            raise Unauthorized("Unauthorized")
        extra: dict[str, tuple[str, ...]] = {"authentication.kubernetes.io/credential-id": (f"JTI={claims.jti}",)}
        bindings: tuple[tuple[Resource[Any], Ref | None, str], ...] = (
            (POD, bound.pod, "pod"),
            (NODE, bound.node, "node"),
            (SECRET, bound.secret, ""),
        )
        for resource, ref, word in bindings:
            if ref is None:
                continue
            found = api.find(resource, namespace, ref.name)
            # a node that is gone invalidates only tokens bound to it alone
            lost = found is None or (bool(ref.uid) and found.uid != ref.uid)
            if lost and (resource is not NODE or bound.pod is None):
                raise Unauthorized("Unauthorized")
            if word:
                extra[f"authentication.kubernetes.io/{word}-name"] = (ref.name,)
                extra[f"authentication.kubernetes.io/{word}-uid"] = (ref.uid,)
        return service_account_user(namespace, name, bound.serviceaccount.uid, extra)

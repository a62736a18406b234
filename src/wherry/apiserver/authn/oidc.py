"""OIDC: tokens of an issuer outside, checked against the keys that it publishes, turned into users as configured.

Keys are fetched when first needed and again when a token names one that is not known, at most every REFRESH seconds.
TLS is verified by the configured authority or the system's; redirects are not followed. A token that was good is
remembered until its end. https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from wherry.apiserver.authn.configuration import JWT, Expressions, Mapped
from wherry.apiserver.authn.objects import Objects
from wherry.apiserver.authn.requestheader import with_authenticated
from wherry.apiserver.authn.tokens import issuer_of
from wherry.apiserver.authn.user import Known, User
from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.errors import CelError
from wherry.machinery.errors import Unauthorized

if TYPE_CHECKING:
    from wherry.machinery.cel.program import Program

log = logging.getLogger(__name__)
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
REFRESH = 10.0
SECONDS = 10.0
LIMIT = 1024 * 1024
_REMEMBERED = 1024
_SPARE = 10.0


class Refused(Exception):
    """A token that the configuration does not let in; the text is for the server's log."""


class Oidc:
    """A `bearer.Source` for one issuer. `at`: its place in the configuration. Raises ValueError."""

    def __init__(self, at: str, config: JWT) -> None:
        self._config = config
        self._expressions = Expressions(at, config)
        self._context = ssl.create_default_context()
        if config.issuer.certificate_authority:
            try:
                self._context = ssl.create_default_context(cadata=config.issuer.certificate_authority)
            except ssl.SSLError as error:
                raise ValueError(f"{at}.issuer.certificateAuthority: not PEM: {error}; paste the certificate") from None
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._remembered: dict[bytes, tuple[float, User]] = {}

    async def known(self, objects: Objects, token: str, audiences: Sequence[str], own: Sequence[str]) -> Known | None:
        """Who it is; None: of another issuer. Raises Unauthorized."""
        if issuer_of(token) != self._config.issuer.url:
            return None
        shared = tuple(a for a in audiences if a in own)
        if not shared:
            raise Unauthorized("Unauthorized")
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        now = objects.clock.now()
        before = self._remembered.get(digest)
        if before is not None and before[0] > now:
            return Known(before[1], shared)
        try:
            claims = await self._verified(objects, token)
            end = self._in_time(claims, now)
            user = self.user_of(claims)
        except (Refused, CelError) as error:
            log.info("a token of %s is refused: %s", self._config.issuer.url, error)
            raise Unauthorized("Unauthorized") from None
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[digest] = end, user
        return Known(user, shared)

    async def close(self) -> None:
        """Close connections to the issuer."""
        if self._session is not None:
            await self._session.close()

    # --- What a token says ---

    def _in_time(self, claims: Mapping[str, Any], now: float) -> float:
        """When it ends. Raises Refused."""
        end, begin = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(end, (int, float)) or not isinstance(begin, (int, float)):
            raise Refused("exp or nbf is missing or no number")
        if end <= now or begin > now + _SPARE:
            raise Refused("it is not valid now")
        found = claims.get("aud", ())
        named = {found} if isinstance(found, str) else {a for a in found if isinstance(a, str)}
        if not named & set(self._config.issuer.audiences):
            raise Refused(f"it is for {sorted(named)}")
        return float(end)

    def user_of(self, claims: Mapping[str, Any]) -> User:
        """The user that claims stand for. Raises Refused, CelError."""
        mappings, programs = self._config.claim_mappings, self._expressions
        for rule in self._config.claim_validation_rules:
            if rule.claim and claims.get(rule.claim) != rule.required_value:
                raise Refused(f"claim {rule.claim} is not {rule.required_value!r}")
        for program, message in programs.claims:
            if _run(program, {"claims": claims}) is not True:
                raise Refused(message or "a claim validation rule is not met")
        name = self._name(claims)
        groups = _texts(_mapped(mappings.groups, programs.groups, claims), mappings.groups.prefix or "")
        uid = _mapped(mappings.uid, programs.uid, claims)
        if uid is not None and not isinstance(uid, str):
            raise Refused("uid is no string")
        extra = {key: _texts(_run(program, {"claims": claims}), "") for key, program in programs.extra}
        user = User(name, with_authenticated(groups), uid or "", {k: v for k, v in extra.items() if v})
        self._check_user(user)
        return user

    def _name(self, claims: Mapping[str, Any]) -> str:
        mapped = self._config.claim_mappings.username
        name = _mapped(mapped, self._expressions.username, claims)
        if not isinstance(name, str) or not name:
            raise Refused("there is no username in it")
        if mapped.claim == "email" and claims.get("email_verified", True) is not True:
            raise Refused("the email address is not verified")
        return (mapped.prefix or "") + name

    def _check_user(self, user: User) -> None:
        shown = {
            "username": user.name, "uid": user.uid, "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        }  # fmt: skip
        for program, message in self._expressions.users:
            if _run(program, {"user": shown}) is not True:
                raise Refused(message or "a user validation rule is not met")

    # --- Keys ---

    async def _verified(self, objects: Objects, token: str) -> Mapping[str, Any]:
        """The claims of a token whose signature is good. Raises Refused."""
        for fresh in (False, True):
            keys = await self._key_set(objects, fresh=fresh)
            if keys is None:
                continue
            try:
                return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
            except (JoseError, ValueError, KeyError, TypeError):
                continue
        raise Refused("no published key has signed it")

    async def _key_set(self, objects: Objects, *, fresh: bool) -> KeySet | None:
        async with self._fetching:
            now = objects.clock.monotonic()
            if (self._keys is None or fresh) and now - self._fetched >= REFRESH:
                self._fetched = now
                try:
                    self._keys = await self._fetch()
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError, JoseError) as error:
                    log.warning("keys of %s cannot be read: %s", self._config.issuer.url, error)
            return self._keys

    async def _fetch(self) -> KeySet:
        issuer = self._config.issuer
        url = issuer.discovery_url or issuer.url.rstrip("/") + "/.well-known/openid-configuration"
        found = await self._document(url)
        if found.get("issuer") != issuer.url:
            raise ValueError(f"{url} speaks for issuer {found.get('issuer')!r}")
        where = found.get("jwks_uri", "")
        if not isinstance(where, str) or not where.startswith("https://"):
            raise ValueError(f"{url} has no https jwks_uri")
        keys = await self._document(where)
        return KeySet.import_key_set({"keys": [k for k in keys.get("keys", ()) if _signs(k)]})

    async def _document(self, url: str) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context), timeout=aiohttp.ClientTimeout(total=SECONDS)
            )
        async with self._session.get(url, allow_redirects=False) as response:
            raw = await response.content.read(LIMIT)
            if response.status != 200:
                raise ValueError(f"{url} answers {response.status}")
            found = msgspec.json.decode(raw)
            if not isinstance(found, dict):
                raise ValueError(f"{url} is no object")  # noqa: TRY004 - it is the issuer's fault
            return found


def _signs(key: Any) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"


def _run(program: Program, bindings: Mapping[str, object]) -> object:
    return program.evaluate(bindings, Budget())


def _mapped(mapped: Mapped, program: Program | None, claims: Mapping[str, Any]) -> object:
    if program is not None:
        return _run(program, {"claims": claims})
    return claims.get(mapped.claim) if mapped.claim else None


def _texts(value: object, prefix: str) -> tuple[str, ...]:
    """A string or list of strings. Raises Refused."""
    if value is None or value == "":
        return ()
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, str) for v in values):
        raise Refused("a claim is neither a string nor a list of strings")
    return tuple(prefix + v for v in values)

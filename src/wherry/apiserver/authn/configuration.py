"""The file format of structured authentication (apiserver.config.k8s.io AuthenticationConfiguration), and what is wrong
with one. Pure: reading files and connecting is others' work.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from wherry.apiserver.authn.authenticator import Anonymous
from wherry.apiserver.configuration import Format, decoded, unknown_version
from wherry.machinery.cel.errors import CompileError
from wherry.machinery.cel.program import Program, compile_expression
from wherry.machinery.cel.types import BOOL, DYN, STRING, ListOf, MapOf, Type

_CLAIMS: Mapping[str, Type] = {"claims": MapOf(STRING, DYN)}
_USER: Mapping[str, Type] = {"user": DYN}
_TEXTS = (STRING, ListOf(STRING), DYN, ListOf(DYN))


class Issuer(Format, frozen=True):
    """Who signs. `certificate_authority`: PEM."""

    url: str = ""
    discovery_url: str | None = msgspec.field(default=None, name="discoveryURL")
    certificate_authority: str = ""
    audiences: tuple[str, ...] = ()
    audience_match_policy: str = ""
    egress_selector_type: str = ""


class ClaimRule(Format, frozen=True):
    """A claim with its value, or an expression that must be true."""

    claim: str = ""
    required_value: str = ""
    expression: str = ""
    message: str = ""


class Mapped(Format, frozen=True):
    """Where a name or groups come from."""

    claim: str = ""
    prefix: str | None = None
    expression: str = ""


class Extra(Format, frozen=True):
    """One more thing to know about a user."""

    key: str = ""
    value_expression: str = ""


class Mappings(Format, frozen=True):
    """From claims to a user."""

    username: Mapped = Mapped()
    groups: Mapped = Mapped()
    uid: Mapped = Mapped()
    extra: tuple[Extra, ...] = ()


class UserRule(Format, frozen=True):
    """What must be true of the user."""

    expression: str = ""
    message: str = ""


class JWT(Format, frozen=True):
    """One issuer of tokens."""

    issuer: Issuer = Issuer()
    claim_validation_rules: tuple[ClaimRule, ...] = ()
    claim_mappings: Mappings = Mappings()
    user_validation_rules: tuple[UserRule, ...] = ()


class AnonymousPath(Format, frozen=True):
    """Where nobody may come in."""

    path: str = ""


class AnonymousAccess(Format, frozen=True):
    """Whether somebody without credentials is let in, and where."""

    enabled: bool = False
    conditions: tuple[AnonymousPath, ...] = ()

    def as_rule(self) -> Anonymous:
        """For the authenticator."""
        paths = frozenset(c.path.rstrip("/") for c in self.conditions) if self.conditions else None
        return Anonymous(enabled=self.enabled, paths=paths, below=())


class AuthenticationConfiguration(Format, frozen=True):
    """The whole file."""

    api_version: str = ""
    kind: str = "AuthenticationConfiguration"
    jwt: tuple[JWT, ...] = ()
    anonymous: AnonymousAccess | None = None


def read(raw: Mapping[str, Any]) -> AuthenticationConfiguration:
    """The configuration in a YAML document. Raises ValueError: `key: what is wrong; what to do`."""
    return decoded(raw, AuthenticationConfiguration, _problems)


def _problems(config: AuthenticationConfiguration) -> Iterator[str]:
    yield from unknown_version(config.api_version)
    urls = [jwt.issuer.url for jwt in config.jwt]
    for index, jwt in enumerate(config.jwt):
        at = f"jwt[{index}]"
        yield from _issuer(f"{at}.issuer", jwt.issuer)
        if urls.count(jwt.issuer.url) > 1:
            yield f"{at}.issuer.url: {jwt.issuer.url} is there twice; each issuer has one entry"
        yield from _mappings(
            f"{at}.claimMappings", jwt.claim_mappings, [rule.expression for rule in jwt.claim_validation_rules]
        )
        for number, rule in enumerate(jwt.claim_validation_rules):
            if bool(rule.claim) == bool(rule.expression):
                yield f"{at}.claimValidationRules[{number}]: give a claim or an expression, one of the two"
    for index, condition in enumerate(config.anonymous.conditions if config.anonymous else ()):
        if not condition.path.startswith("/"):
            yield f"anonymous.conditions[{index}].path: {condition.path!r} does not start with /; write a whole path"


def _issuer(at: str, issuer: Issuer) -> Iterator[str]:
    for name, url in (("url", issuer.url), ("discoveryURL", issuer.discovery_url)):
        if url is None:
            continue
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
            yield f"{at}.{name}: {url!r} is not a plain https URL; write it like https://issuer.example.com"
    if not issuer.audiences:
        yield f"{at}.audiences: there is none; list whom tokens must be for"
    if len(issuer.audiences) > 1 and issuer.audience_match_policy != "MatchAny":
        yield f"{at}.audienceMatchPolicy: must be MatchAny when there are several audiences; write it"


def _mappings(at: str, mappings: Mappings, rules: Sequence[str]) -> Iterator[str]:
    name = mappings.username
    if bool(name.claim) == bool(name.expression):
        yield f"{at}.username: give a claim or an expression, one of the two"
    for word, mapped in (("username", name), ("groups", mappings.groups)):
        if mapped.claim and mapped.prefix is None:
            yield f'{at}.{word}.prefix: must be given with a claim; write "" for none'
        if mapped.expression and (mapped.claim or mapped.prefix is not None):
            yield f"{at}.{word}: an expression stands alone; take claim and prefix away"
    if "claims.email" in name.expression.replace("claims.email_verified", ""):
        texts = (name.expression, *(e.value_expression for e in mappings.extra), *rules)
        if not any("email_verified" in text for text in texts):
            yield f"{at}.username.expression: uses claims.email; use claims.email_verified in it or in a rule as well"
    for index, extra in enumerate(mappings.extra):
        if "/" not in extra.key or extra.key != extra.key.lower():
            yield f"{at}.extra[{index}].key: {extra.key!r} is no lower-case key with a domain; write example.com/name"


class Expressions:
    """The compiled expressions of one issuer. Raises ValueError: `key: what is wrong`."""

    def __init__(self, at: str, jwt: JWT) -> None:
        mappings = jwt.claim_mappings
        self.username = _compile(f"{at}.claimMappings.username", mappings.username.expression, _CLAIMS, (STRING, DYN))
        self.groups = _compile(f"{at}.claimMappings.groups", mappings.groups.expression, _CLAIMS, _TEXTS)
        self.uid = _compile(f"{at}.claimMappings.uid", mappings.uid.expression, _CLAIMS, (STRING, DYN))
        self.extra = [
            (e.key, _must(f"{at}.claimMappings.extra[{i}]", e.value_expression, _CLAIMS, _TEXTS))
            for i, e in enumerate(mappings.extra)
        ]
        self.claims = [
            (_must(f"{at}.claimValidationRules[{i}]", rule.expression, _CLAIMS, (BOOL,)), rule.message)
            for i, rule in enumerate(jwt.claim_validation_rules)
            if rule.expression
        ]
        self.users = [
            (_must(f"{at}.userValidationRules[{i}]", rule.expression, _USER, (BOOL,)), rule.message)
            for i, rule in enumerate(jwt.user_validation_rules)
        ]


def _compile(at: str, text: str, variables: Mapping[str, Type], result: Sequence[Type]) -> Program | None:
    return _must(at, text, variables, result) if text else None


def _must(at: str, text: str, variables: Mapping[str, Type], result: Sequence[Type]) -> Program:
    try:
        return compile_expression(text, variables, result=tuple(result))
    except CompileError as error:
        raise ValueError(f"{at}.expression: {error}; correct the expression") from None

"""The file that says who may come in beside the cluster's own users, and who decides what they may do.

YAML documents, told apart by kind: upstream's AuthenticationConfiguration and AuthorizationConfiguration, and
AccessConfiguration (wherry/v1) for what upstream has as flags: a token webhook, signing keys and issuers of service
account tokens, the proxies in front. Given by `wherry server --config FILE` or `access` in cluster.json. Imported only
when there is such a file. https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wherry.aio.clock import Clock
from wherry.apiserver.authn import configuration as authentication
from wherry.apiserver.authn.authenticator import Anonymous
from wherry.apiserver.authn.bearer import Source
from wherry.apiserver.authn.oidc import Oidc
from wherry.apiserver.authn.requestheader import RequestHeader
from wherry.apiserver.authn.webhook import WebhookTokens
from wherry.apiserver.authz import configuration as authorization
from wherry.apiserver.authz.webhook import WebhookAuthorizer
from wherry.apiserver.configuration import Format
from wherry.apiserver.reviewers import Reviewer
from wherry.app.config import ConfigError
from wherry.machinery.durations import duration_seconds

OWN_VERSION = "wherry/v1"


class TokenWebhook(Format, frozen=True):
    """Who is asked about tokens that nobody else knows."""

    kubeconfig: str
    cache_ttl: str = msgspec.field(default="2m", name="cacheTTL")
    timeout: str = "10s"


class AccountTokens(Format, frozen=True):
    """Service account tokens. `keys`: PEM files; the first signs, all verify; the cluster's own key always verifies."""

    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class Proxies(Format, frozen=True):
    """Authenticating proxies in front of the API server, beside the cluster's own front proxy."""

    ca_file: str
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_header_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)


class AccessConfiguration(Format, frozen=True):
    """wherry's own document."""

    api_version: str = ""
    kind: str = "AccessConfiguration"
    token_webhook: TokenWebhook | None = None
    service_account_tokens: AccountTokens = AccountTokens()
    request_header: Proxies | None = None


@dataclass(slots=True)
class Access:
    """What the file comes to."""

    bearers: tuple[Source, ...] = ()
    anonymous: Anonymous | None = None
    before: tuple[WebhookAuthorizer, ...] = ()
    after: tuple[WebhookAuthorizer, ...] = ()
    proxies: RequestHeader | None = None
    tokens: AccountTokens = field(default_factory=AccountTokens)


def load(path: Path, clock: Clock) -> Access:
    """Read the file. Raises ConfigError, which names the file, the key and the remedy."""
    access = Access()
    for document in _documents(path):
        kind = document.get("kind")
        try:
            if kind == "AuthenticationConfiguration":
                _authentication(access, document)
            elif kind == "AuthorizationConfiguration":
                access.before, access.after = authorization.webhooks(authorization.read(document), clock)
            elif kind == "AccessConfiguration":
                _own(access, document)
            else:
                raise ValueError(
                    f"kind: {kind!r} is not known; it is AuthenticationConfiguration, AuthorizationConfiguration or "
                    "AccessConfiguration"
                )
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from None
    return access


def _documents(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        found = [document for document in yaml.safe_load_all(path.read_text()) if document is not None]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; name a file that is there") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}; correct it") from None
    for document in found:
        if not isinstance(document, dict):
            raise ConfigError(f"{path}: a document is no map; start with apiVersion and kind")
        yield document


def _authentication(access: Access, document: Mapping[str, Any]) -> None:
    config = authentication.read(document)
    access.bearers = (*(Oidc(f"jwt[{i}]", jwt) for i, jwt in enumerate(config.jwt)), *access.bearers)
    if config.anonymous is not None:
        access.anonymous = config.anonymous.as_rule()


def _own(access: Access, document: Mapping[str, Any]) -> None:
    try:
        config = msgspec.convert(document, AccessConfiguration)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; see docs/access.md") from None
    if config.api_version != OWN_VERSION:
        raise ValueError(f"apiVersion: {config.api_version!r} is not known; write {OWN_VERSION}")
    if config.token_webhook is not None:
        hook = config.token_webhook
        reviewer = Reviewer(Path(hook.kubeconfig), _length("tokenWebhook.timeout", hook.timeout))
        lifetime = _length("tokenWebhook.cacheTTL", hook.cache_ttl)
        access.bearers = (*access.bearers, WebhookTokens(reviewer, lifetime))
    access.tokens = config.service_account_tokens
    for index, name in enumerate(access.tokens.keys):
        if not Path(name).is_file():
            raise ValueError(f"serviceAccountTokens.keys[{index}]: {name} is no file; name a PEM file with a key")
    if config.request_header is not None:
        proxies = config.request_header
        if not Path(proxies.ca_file).is_file():
            raise ValueError(
                f"requestHeader.caFile: {proxies.ca_file} is no file; name the PEM file of the proxies' CA"
            )
        access.proxies = RequestHeader(
            Path(proxies.ca_file), proxies.allowed_names, proxies.username_headers, proxies.uid_headers,
            proxies.group_headers, proxies.extra_header_prefixes,
        )  # fmt: skip


def _length(key: str, text: str) -> float:
    try:
        seconds = duration_seconds(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}; write it like 30s or 5m") from None
    if seconds < 0:
        raise ValueError(f"{key}: {text} is negative; write it like 30s or 5m")
    return seconds

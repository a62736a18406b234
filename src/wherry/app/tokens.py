"""`wherry token`: bootstrap tokens, with which other machines join. Each is a Secret of kube-system.

A token is shown once, when it is made; lists show its id, which says nothing. Expired ones are removed by the token
cleaner.
https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.aio.clock import Clock
from wherry.api.core.bootstrap_token import (
    EXTRA_GROUP,
    INFO,
    INFO_NAMESPACE,
    NAMESPACE,
    PREFIX,
    SIGNATURE,
    TYPE,
    end_of,
)
from wherry.app import addresses
from wherry.app.config import Config, ConfigError
from wherry.app.grants import NODE_BOOTSTRAPPERS
from wherry.app.rest import ApiRefused, Rest
from wherry.app.steps import Failed
from wherry.app.up import pause
from wherry.host import keys
from wherry.machinery.durations import duration_seconds
from wherry.machinery.time import time_at

PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets"
SIGNED_SECONDS, POLL = 5.0, 0.05
USAGES = ("authentication", "signing")
_USAGE = "usage-bootstrap-"
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token to be made. `seconds` 0: it never expires."""

    seconds: float = 86400.0
    description: str = ""
    usages: tuple[str, ...] = USAGES
    groups: tuple[str, ...] = (NODE_BOOTSTRAPPERS,)


@dataclass(frozen=True, slots=True)
class Known:
    """A token as lists show it, without its secret. `end`: epoch seconds, infinity for never."""

    id: str
    end: float
    usages: tuple[str, ...]
    description: str
    groups: tuple[str, ...]


def lifetime(text: str) -> float:
    """Seconds of a `--ttl`. Raises ConfigError."""
    try:
        found = duration_seconds(text)
    except ValueError as error:
        raise ConfigError(f"--ttl {text!r} is no duration; write it like 24h, 90m or 0 for ever") from error
    if found < 0:
        raise ConfigError(f"--ttl {text} is negative; write it like 24h, 90m or 0 for ever")
    return found


def create(config: Config, wanted: Wanted, clock: Clock) -> str:
    """Make it; the token, once cluster-info is signed with it (or nobody signs in time).

    Raises Failed, ConfigError, ApiRefused, ApiUnreachable.
    """
    if config.nodes > 1:
        raise Failed(
            f"the {config.nodes} nodes of this machine share a network inside it, which others do not reach",
            "make the cluster that others join with one node: `wherry delete`, then `wherry up --nodes 1`",
        )
    for group in wanted.groups:
        if EXTRA_GROUP.fullmatch(group) is None:
            raise ConfigError(f"--group {group!r} is no group of tokens; it must begin with system:bootstrappers:")
    token = f"{_random(6)}.{_random(16)}"
    rest, until = Rest(config), clock.monotonic() + SIGNED_SECONDS
    rest.send("POST", PATH, secret(token, wanted, clock.now()))
    while "signing" in wanted.usages and not _signs(rest, token) and clock.monotonic() < until:
        pause(POLL)
    return token


def _signs(rest: Rest, token: str) -> bool:
    try:
        info = rest.get(f"/api/v1/namespaces/{INFO_NAMESPACE}/configmaps/{INFO}")
    except ApiRefused:
        return False
    return SIGNATURE + token.partition(".")[0] in info.get("data", {})


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def secret(token: str, wanted: Wanted, now: float) -> dict[str, Any]:
    """The token as a Secret, JSON."""
    name, _, own = token.partition(".")
    data = {"token-id": name, "token-secret": own}
    data |= {f"{_USAGE}{usage}": "true" for usage in wanted.usages}
    if wanted.seconds:
        data["expiration"] = str(time_at(now + wanted.seconds))
    if wanted.description:
        data["description"] = wanted.description
    if wanted.groups and "authentication" in wanted.usages:
        data["auth-extra-groups"] = ",".join(wanted.groups)
    meta = {"name": PREFIX + name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": TYPE, "stringData": data}


def listed(config: Config) -> tuple[Known, ...]:
    """Every token, by id. Raises ApiRefused, ApiUnreachable."""
    items = Rest(config).items(f"{PATH}?fieldSelector=type%3D{TYPE.replace('/', '%2F')}")
    return tuple(sorted((_known(item.get("data") or {}) for item in items), key=lambda one: one.id))


def _known(encoded: Mapping[str, str]) -> Known:
    data = {name: base64.b64decode(value) for name, value in encoded.items()}

    def text(name: str) -> str:
        return data.get(name, b"").decode(errors="replace")

    usages = tuple(
        sorted(
            name.removeprefix(_USAGE) for name, value in data.items() if name.startswith(_USAGE) and value == b"true"
        )
    )
    groups = tuple(part for part in text("auth-extra-groups").split(",") if part)
    return Known(text("token-id"), end_of(data), usages, text("description"), groups)


def delete(config: Config, tokens: Sequence[str]) -> tuple[str, ...]:
    """Delete tokens, given whole or by id; the ids. Raises Failed for one that is not there."""
    names = tuple(token.partition(".")[0] for token in tokens)
    for name in names:
        if not (len(name) == 6 and set(name) <= set(_ALPHABET)):
            raise ConfigError(f"{name!r} is not the id of a token; see `wherry token list`")
        try:
            Rest(config).text(f"{PATH}/{PREFIX}{name}", "DELETE")
        except ApiRefused as error:
            if error.status != 404:
                raise
            raise Failed(f"there is no token {name}", "see `wherry token list`") from error
    return names


def join_command(config: Config, token: str) -> str:
    """What to run on the machine that is to join."""
    address = addresses.primary() or "ADDRESS"
    return f"wherry join {address}:{config.port} --token {token} --ca-hash {keys.pin(config.pki / 'ca.crt')}"

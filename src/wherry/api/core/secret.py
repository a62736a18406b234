"""v1 Secret: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from wherry.api.checks import Errors, immutable
from wherry.api.columns import AGE
from wherry.api.core.data_validation import MAX_BYTES, frozen, keys, size
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.core import Secret
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required, too_long

COLUMNS: tuple[Column[Secret], ...] = (
    Column("Type", lambda s, _: s.type),
    Column("Data", lambda s, _: len(s.data)),
    AGE,
)


def default(secret: Secret) -> Secret:
    """Opaque; stringData goes into data, and wins there."""
    secret = fill(secret, type="Opaque")
    if not secret.string_data:
        return secret
    text = {key: value.encode() for key, value in secret.string_data.items()}
    return replace(secret, data={**secret.data, **text}, string_data={})


_JSON_TYPES = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
_NEEDED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"


def validate(new: Secret, old: Secret | None) -> Errors:
    """Keys that can be files, at most 1 MiB, what its type needs, nothing changed in an immutable one."""
    if old is not None:
        yield from immutable("type", new.type, old.type)
        yield from frozen(new, old, (("data", "data"),))
    yield from keys("data", new.data)
    if size(new.data) > MAX_BYTES:
        yield too_long("data", MAX_BYTES)
    yield from _typed(new)


def _typed(secret: Secret) -> Errors:
    data = secret.data
    if secret.type == "kubernetes.io/service-account-token":
        if not secret.metadata.annotations.get(ACCOUNT_ANNOTATION):
            yield required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]")
    elif secret.type in _JSON_TYPES:
        yield from _json(_JSON_TYPES[secret.type], data)
    elif secret.type == "kubernetes.io/basic-auth":
        if not data.keys() & {"username", "password"}:
            yield required("data[username]")
            yield required("data[password]")
    elif secret.type == "kubernetes.io/ssh-auth":
        if not data.get("ssh-privatekey"):
            yield required("data[ssh-privatekey]")
    else:
        for key in _NEEDED.get(secret.type, ()):
            if key not in data:
                yield required(f"data[{key}]")


def _json(key: str, data: Mapping[str, bytes]) -> Errors:
    if key not in data:
        yield required(f"data[{key}]")
        return
    try:
        msgspec.json.decode(data[key], type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        yield invalid(f"data[{key}]", "<secret contents redacted>", str(problem))


def prepare(new: Secret, old: Secret | None) -> Secret:
    """An update that leaves the type out keeps it."""
    return replace(new, type=old.type) if old is not None and not new.type else new


SECRET = declare(
    Secret, columns=COLUMNS, fields={"type": lambda s: s.type}, default=default, validate=validate, prepare=prepare
)

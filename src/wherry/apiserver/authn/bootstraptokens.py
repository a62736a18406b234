"""Bootstrap tokens: `id.secret`, kept in Secrets of kube-system, good until they expire: a new node's first.

https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from wherry.api.core.bootstrap_token import EXTRA_GROUP, GROUP, NAMESPACE, PREFIX, TOKEN, TYPE, end_of
from wherry.api.core.secret import SECRET
from wherry.apiserver.authn.objects import Objects
from wherry.apiserver.authn.user import AUTHENTICATED, Known, User
from wherry.machinery.errors import Unauthorized


class BootstrapTokens:
    """A `bearer.Source`."""

    async def known(self, objects: Objects, token: str, audiences: Sequence[str], own: Sequence[str]) -> Known | None:
        """Who it is; None: it does not look like one. Raises Unauthorized."""
        found = TOKEN.fullmatch(token)
        if found is None:
            return None
        entry = objects.find(SECRET, NAMESPACE, PREFIX + found[1])
        shared = tuple(a for a in audiences if a in own)
        if entry is None or not shared or entry.obj.metadata.deletion_timestamp is not None:
            raise Unauthorized("Unauthorized")
        secret = entry.obj
        if secret.type != TYPE:
            raise Unauthorized("Unauthorized")
        user = user_of(secret.data, found[1], found[2], objects.clock.now())
        if user is None:
            raise Unauthorized("Unauthorized")
        return Known(user, shared)

    async def close(self) -> None:
        """Nothing is held."""


def user_of(data: Mapping[str, bytes], identifier: str, secret: str, now: float) -> User | None:
    """Who a token stands for, by the data of its Secret; None when it is no good. Pure."""
    if not hmac.compare_digest(data.get("token-secret", b""), secret.encode()):
        return None
    if data.get("token-id") != identifier.encode() or data.get("usage-bootstrap-authentication") != b"true":
        return None
    if end_of(data) <= now:
        return None
    groups = groups_of(data.get("auth-extra-groups", b"").decode("utf-8", "replace"))
    if groups is None:
        return None
    return User(f"system:bootstrap:{identifier}", (*groups, GROUP, AUTHENTICATED))


def groups_of(text: str) -> tuple[str, ...] | None:
    """The extra groups; None when one of them is not a bootstrap group."""
    groups = tuple(sorted({part.strip() for part in text.split(",") if part.strip()}))
    return groups if all(EXTRA_GROUP.fullmatch(group) for group in groups) else None

"""Webhook tokens: a server outside is asked who a token stands for; answers are remembered for a while.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wherry.api.types.authentication import TokenReviewStatus
from wherry.apiserver.authn.objects import Objects
from wherry.apiserver.authn.requestheader import with_authenticated
from wherry.apiserver.authn.user import Known, User
from wherry.apiserver.reviewers import Reviewer, Unreachable
from wherry.machinery.errors import Unauthorized

log = logging.getLogger(__name__)
_REMEMBERED = 1024


@dataclass(slots=True)
class WebhookTokens:
    """A `bearer.Source`. `seconds`: for how long a good answer is remembered; refusals are not."""

    reviewer: Reviewer
    seconds: float = 120.0
    _remembered: dict[bytes, tuple[float, Known]] = field(default_factory=dict)

    async def known(self, objects: Objects, token: str, audiences: Sequence[str], own: Sequence[str]) -> Known | None:
        """Who it is. Raises Unauthorized."""
        digest = hashlib.sha256("\0".join((token, *audiences)).encode("utf-8", "surrogateescape")).digest()
        now = objects.clock.monotonic()
        before = self._remembered.get(digest)
        if before is not None and before[0] > now:
            return before[1]
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": {"token": token, "audiences": list(audiences)},
        }
        try:
            found = known_of(await self.reviewer.ask(review), own, audiences)
        except Unreachable as error:
            log.warning("no token could be reviewed: %s", error)
            raise Unauthorized("Unauthorized") from None
        if found is None:
            raise Unauthorized("Unauthorized")
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[digest] = now + self.seconds, found
        return found

    async def close(self) -> None:
        """Close connections."""
        await self.reviewer.close()


def known_of(raw: Mapping[str, Any], own: Sequence[str], wanted: Sequence[str]) -> Known | None:
    """Who an answered review names; None when it names nobody. Pure.

    A reviewer that says nothing of audiences speaks for this server's `own` ones only.
    """
    try:
        status = msgspec.convert(raw, TokenReviewStatus)
    except msgspec.ValidationError:
        return None
    shared = tuple(a for a in wanted if a in (status.audiences or own))
    if not status.authenticated or not status.user.username or not shared:
        return None
    user = status.user
    return Known(User(user.username, with_authenticated(user.groups), user.uid, dict(user.extra)), shared)

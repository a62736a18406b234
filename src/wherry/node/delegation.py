"""Who else may use the agent's server: bearers of tokens, decided by the API server as upstream's agent does it.

A TokenReview says who a token belongs to, a SubjectAccessReview whether that user may use this node's part
(`nodes/metrics`, `nodes/stats`, `nodes/proxy` ...). Answers are remembered for a while, by the token's hash; the token
itself is never kept or shown.
https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from wherry.aio.clock import Clock
from wherry.api.authentication.tokenreview import TOKENREVIEW
from wherry.api.authorization.subjectaccessreview import SUBJECTACCESSREVIEW
from wherry.api.types.authentication import TokenReview, TokenReviewSpec, UserInfo
from wherry.api.types.authorization import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from wherry.client.interface import Client

REMEMBER = 60.0
REMEMBER_NO = 10.0
MOST = 1000
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PARTS = {
    "pods": ("pods", "proxy"), "runningpods": ("pods", "proxy"), "healthz": ("healthz", "proxy"),
    "configz": ("configz", "proxy"), "stats": ("stats",), "metrics": ("metrics",), "logs": ("log",),
}  # fmt: skip
_RUNS = frozenset({"exec", "attach", "portForward", "run", "cri"})
"""What does something in a container is `create`, whatever the method: a WebSocket begins with GET."""


def parts(path: str) -> tuple[str, ...]:
    """The subresources of nodes of which any lets a path be used."""
    return _PARTS.get(path.strip("/").partition("/")[0], ("proxy",))


@dataclass(slots=True)
class Delegation:
    """See the module."""

    client: Client
    clock: Clock
    node: str
    _users: dict[bytes, tuple[float, UserInfo | None]] = field(default_factory=dict)
    _rights: dict[tuple[bytes, str, str], tuple[float, bool]] = field(default_factory=dict)

    async def status(self, token: str, method: str, path: str) -> int:
        """200, 401 for an unknown token, 403 for a user who may not. Raises APIError or OSError: the API is away."""
        digest = hashlib.sha256(token.encode()).digest()
        user = await self._user(digest, token)
        if user is None:
            return 401
        verb = "create" if path.strip("/").partition("/")[0] in _RUNS else _VERBS.get(method, "get")
        for part in parts(path):
            if await self._may(digest, user, verb, part):
                return 200
        return 403

    async def _user(self, digest: bytes, token: str) -> UserInfo | None:
        now = self.clock.monotonic()
        held = self._users.get(digest)
        if held is not None and held[0] > now:
            return held[1]
        review = await self.client.create(TOKENREVIEW, TokenReview(spec=TokenReviewSpec(token=token)))
        user = review.status.user if review.status.authenticated else None
        if len(self._users) >= MOST:
            self._users.clear()
        self._users[digest] = (now + (REMEMBER if user else REMEMBER_NO), user)
        return user

    async def _may(self, digest: bytes, user: UserInfo, verb: str, part: str) -> bool:
        now, key = self.clock.monotonic(), (digest, verb, part)
        held = self._rights.get(key)
        if held is not None and held[0] > now:
            return held[1]
        what = ResourceAttributes(verb=verb, resource="nodes", subresource=part, name=self.node, version="v1")
        spec = SubjectAccessReviewSpec(
            user=user.username, groups=user.groups, uid=user.uid, extra=user.extra, resource_attributes=what
        )
        review = await self.client.create(SUBJECTACCESSREVIEW, SubjectAccessReview(spec=spec))
        if len(self._rights) >= MOST:
            self._rights.clear()
        self._rights[key] = (now + (REMEMBER if review.status.allowed else REMEMBER_NO), review.status.allowed)
        return review.status.allowed

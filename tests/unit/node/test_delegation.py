"""Bearers of tokens at the agent's server: who they are and what of the node they may use."""

from __future__ import annotations

import msgspec

from tests.support.fakeapi import FakeAPI
from wherry.aio.clock import LoopClock
from wherry.api.types.authentication import TokenReview, TokenReviewStatus, UserInfo
from wherry.api.types.authorization import SubjectAccessReview, SubjectAccessReviewStatus
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource
from wherry.node.delegation import Delegation, parts


class Reviews(FakeAPI):
    """An API that knows one token, whose user may get metrics."""

    async def create(self, resource: Resource[T], obj: T) -> T:
        """Answer a review."""
        self.writes.append(("create", resource.kind, ""))
        if isinstance(obj, TokenReview):
            known = obj.spec.token == "prometheus"
            status = TokenReviewStatus(authenticated=known, user=UserInfo(username="scraper" if known else ""))
            return msgspec.structs.replace(obj, status=status)
        assert isinstance(obj, SubjectAccessReview)
        asked = obj.spec.resource_attributes
        assert asked is not None
        assert (obj.spec.user, asked.resource, asked.name) == ("scraper", "nodes", "n1")
        allowed = asked.verb == "get" and asked.subresource in ("metrics", "proxy")
        return msgspec.structs.replace(obj, status=SubjectAccessReviewStatus(allowed=allowed))


def test_paths_are_parts_of_the_node() -> None:
    assert parts("/metrics/cadvisor") == ("metrics",)
    assert parts("/pods") == ("pods", "proxy")
    assert parts("/exec/ns/p/u/c") == ("proxy",)


async def test_what_a_token_may_is_asked_once() -> None:
    api = Reviews()
    own = Delegation(api, LoopClock(), "n1")
    assert await own.status("stranger", "GET", "/metrics") == 401
    assert await own.status("prometheus", "GET", "/metrics/resource") == 200
    assert await own.status("prometheus", "GET", "/stats/summary") == 403
    assert await own.status("prometheus", "POST", "/exec/a/b/c") == 403
    for path in ("/exec/a/b/c", "/attach/a/b/c", "/portForward/a/b", "/run/a/b/c", "/cri/exec/x"):
        assert await own.status("prometheus", "GET", path) == 403
    assert await own.status("prometheus", "GET", "/pods") == 200
    before = len(api.writes)
    assert await own.status("prometheus", "GET", "/metrics") == 200
    assert len(api.writes) == before
    assert "prometheus" not in repr(own)

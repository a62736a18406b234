"""Bearer tokens: each way of knowing one is asked in turn, by what the token looks like, the slow ones last.

Service account tokens are checked here and now. Whatever else there is (bootstrap tokens, OIDC, webhooks) is in
`others`. https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wherry.apiserver.authn.objects import Objects
from wherry.apiserver.authn.tokens import Tokens
from wherry.apiserver.authn.user import Known
from wherry.machinery.errors import Unauthorized

LONGEST = 16 * 1024


class Source(Protocol):
    """A way of knowing tokens."""

    async def known(self, objects: Objects, token: str, audiences: Sequence[str], own: Sequence[str]) -> Known | None:
        """Who it is, and for which of `audiences`; `own`: this server's. None: this source knows nothing of it.

        Raises Unauthorized: it is no good.
        """

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(slots=True)
class Bearers:
    """All sources."""

    tokens: Tokens
    others: tuple[Source, ...] = ()

    async def known(self, objects: Objects, token: str, audiences: Sequence[str] = ()) -> Known:
        """Who a token stands for; `audiences` () means this server's own. Raises Unauthorized."""
        if len(token) > LONGEST:
            raise Unauthorized("Unauthorized")
        wanted = audiences or self.tokens.audiences
        found = self.tokens.known(objects, token, wanted)
        if found is not None:
            return found
        for source in self.others:
            try:
                found = await source.known(objects, token, wanted, self.tokens.audiences)
            except Unauthorized:
                continue
            if found is not None:
                return found
        raise Unauthorized("Unauthorized")

    async def close(self) -> None:
        """Let go of what the sources hold."""
        for source in self.others:
            await source.close()

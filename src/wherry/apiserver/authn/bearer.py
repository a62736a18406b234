"""Bearer tokens: each way of knowing one is asked in turn, by what the token looks like, the slow ones last.

Service account tokens are checked here and now. Whatever else there is (bootstrap tokens, OIDC, webhooks) is in
`others`. https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wherry.apiserver.authn.user import Known
from wherry.machinery.errors import Unauthorized

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

LONGEST = 16 * 1024


class Source(Protocol):
    """A way of knowing tokens."""

    async def known(self, api: Api, token: str, audiences: Sequence[str]) -> Known | None:
        """Who it is; None: this source has nothing to say about such a token. Raises Unauthorized: it is no good."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(slots=True)
class Bearers:
    """All sources."""

    others: tuple[Source, ...] = ()

    async def known(self, api: Api, token: str, audiences: Sequence[str] = ()) -> Known:
        """Who a token stands for; `audiences` () means this server's own. Raises Unauthorized."""
        if len(token) > LONGEST:
            raise Unauthorized("Unauthorized")
        wanted = audiences or api.tokens.audiences
        found = api.tokens.known(api, token, wanted)
        if found is not None:
            return found
        for source in self.others:
            try:
                found = await source.known(api, token, wanted)
            except Unauthorized:
                continue
            if found is not None:
                return found
        raise Unauthorized("Unauthorized")

    async def close(self) -> None:
        """Let go of what the sources hold."""
        for source in self.others:
            await source.close()

"""Acme: certificates of public names from an ACME authority, proven by HTTP-01 at every node's entry.

An order: the authority names a token for each host; every entry is told the answers; when the nodes do answer, the
authority may look; then it signs. What stands in the way is raised as Refused, before the authority counts a failure
where that can be.
https://www.rfc-editor.org/rfc/rfc8555#section-8.3
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from wherry.aio.clock import Clock
from wherry.api.networking.site_certificates import Publish, Refused
from wherry.network.acme_budget import Budget

if TYPE_CHECKING:
    from wherry.network.acme_client import Pending, Proof, Session

log = logging.getLogger(__name__)

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_ANSWERED_WITHIN = 15.0
_DECIDED_WITHIN = 90.0
"""Seconds for the authority to look, and to sign."""
_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to ask, and as whom. `authorities`: file of those who vouch for the server itself, "" for the usual ones.
    `key`: file of the account's key. `port`: where entries answer."""

    directory: str
    email: str
    key: Path
    authorities: str = ""
    port: int = 80


class Acme:
    """One account at an authority. One order at a time."""

    def __init__(self, account: Account, ensure_key: Callable[[], object], clock: Clock) -> None:
        """`ensure_key()` makes the file of the account's key, when it is first needed."""
        self._account, self._ensure_key, self._clock = account, ensure_key, clock
        self._budget = Budget(clock)
        self._session: Session | None = None

    async def obtain(self, names: Sequence[str], publish: Publish) -> tuple[bytes, bytes]:
        """A certificate with its chain and its key, PEM. Raises Refused."""
        self._budget.order(names)
        try:
            session = self._session
            if session is None:
                session = self._session = await asyncio.to_thread(self._connect)
            pending = await asyncio.to_thread(session.begin, names)
            try:
                await self._prove(session, pending, publish)
            finally:
                await publish({})
            chain = await self._signed(session, pending)
        except Refused as error:
            self._session = None  # the next order starts afresh
            self._budget.refused(names, error.after)
            raise
        self._budget.issued(names)
        return chain, pending.key

    def _connect(self) -> Session:
        """In a thread: the library takes a while to import."""
        from wherry.network.acme_client import Session

        self._ensure_key()
        account = self._account
        return Session(account.directory, account.email, account.authorities, account.key, self._clock)

    async def _prove(self, session: Session, pending: Pending, publish: Publish) -> None:
        if not pending.proofs:
            return
        addresses = await publish({proof.token: proof.answer for proof in pending.proofs})
        await self._wait_answered(addresses, pending.proofs)
        await asyncio.to_thread(session.accept, pending)
        until = self._clock.monotonic() + _DECIDED_WITHIN
        while not await asyncio.to_thread(session.proven, pending):
            if self._clock.monotonic() > until:
                raise Refused(f"the authority has not looked within {_DECIDED_WITHIN:.0f} s")
            await asyncio.sleep(1)

    async def _wait_answered(self, addresses: Sequence[str], proofs: Sequence[Proof]) -> None:
        """Until every node gives every answer. One that does not is left behind, if another does."""
        missing = {(address, proof.token): proof for address in addresses for proof in proofs}
        until = self._clock.monotonic() + _ANSWERED_WITHIN
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
            while True:
                for (address, token), proof in tuple(missing.items()):
                    if await self._answers(http, address, proof):
                        del missing[address, token]
                if not missing and addresses:
                    return
                if self._clock.monotonic() > until:
                    break
                await asyncio.sleep(_EVERY)
        silent = sorted({address for address, _ in missing})
        if len(silent) >= len(addresses):
            raise Refused(f"no node answers on port {self._account.port} with what the authority would look for")
        log.warning("ACME: %s do not answer on port %d; going on without them", ", ".join(silent), self._account.port)

    async def _answers(self, http: aiohttp.ClientSession, address: str, proof: Proof) -> bool:
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._account.port}/.well-known/acme-challenge/{proof.token}"
        try:
            async with http.get(url, headers={"Host": proof.host}, allow_redirects=False) as answer:
                return answer.status == 200 and await answer.content.read(1024) == proof.answer.encode()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def _signed(self, session: Session, pending: Pending) -> bytes:
        await asyncio.to_thread(session.request, pending)
        until = self._clock.monotonic() + _DECIDED_WITHIN
        while True:
            chain = await asyncio.to_thread(session.fetch, pending)
            if chain is not None:
                return chain
            if self._clock.monotonic() > until:
                raise Refused(f"the authority has not signed within {_DECIDED_WITHIN:.0f} s")

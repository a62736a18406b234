"""Peers: asking other nodes' agents whether they, too, are without an API.

Over TLS, both sides with the cluster's certificates; `GET /away` of `api.py`. Certificates are read for every round, as
rounds are rare. An agent that cannot be asked has not said that it is away.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that a round takes at most."""
AWAY = "away"
"""The whole answer of a node that has no API."""

Place = tuple[str, int]
"""Address and port of an agent."""


class Asks(Protocol):
    """Who asks."""

    async def __call__(self, places: Mapping[str, Place], /) -> frozenset[str]:
        """The names of the nodes that say that they are away."""


async def nobody(_places: Mapping[str, Place]) -> frozenset[str]:
    """Without certificates nobody can be asked."""
    return frozenset()


@dataclass(frozen=True, slots=True)
class Peers:
    """See the module. The node's client certificate, its key, and the cluster's CA."""

    certificate: Path
    key: Path
    ca: Path

    async def __call__(self, places: Mapping[str, Place], /) -> frozenset[str]:
        """See Asks."""
        try:
            trust = ssl.create_default_context(cafile=str(self.ca))
            trust.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            log.warning("the other nodes cannot be asked: %s", error)
            return frozenset()
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        connector = aiohttp.TCPConnector(force_close=True, ssl=trust)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            said = await asyncio.gather(*(_ask(session, name, *place) for name, place in places.items()))
        return frozenset(name for name, away in zip(places, said, strict=True) if away)


async def _ask(session: aiohttp.ClientSession, name: str, address: str, port: int) -> bool:
    host = f"[{address}]" if ":" in address else address
    try:
        async with session.get(f"https://{host}:{port}/away", server_hostname=name, allow_redirects=False) as answer:
            return answer.status == 200 and await answer.text() == AWAY
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.info("node %s cannot be asked: %s", name, str(error) or type(error).__name__)
        return False

"""Doors: which ports that Gateways ask for this node can have. What others have is left out, and told.

A port that cannot be bound would make HAProxy refuse the whole configuration; so each new one is tried first. The
node's annotation `wherry.dev/ports-taken` tells the controller, which says so in the Gateway's status.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable

from wherry.api.core.node import NODE
from wherry.api.gateway.ports import TAKEN, listed, text
from wherry.client.interface import Client
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key

AGAIN = 10.0
"""Seconds after which a port that was taken is tried again."""


class Doors:
    """The ports of one node's entry beside 80 and 443."""

    def __init__(self, client: Client, node: str, again: Callable[[], None]) -> None:
        self._client, self._node, self._again = client, node, again
        self._ours: frozenset[int] = frozenset()
        self._told: str | None = None

    async def usable(self, ports: Iterable[int]) -> frozenset[int]:
        """Those of the ports that can be had. The others are told to the API."""
        wanted = frozenset(ports)
        fresh = wanted - self._ours
        refused = await asyncio.to_thread(_refused, fresh) if fresh else frozenset[int]()
        if refused:
            asyncio.get_running_loop().call_later(AGAIN, self._again)
        await self._tell(refused)
        return wanted - refused

    def taken(self, ports: Iterable[int]) -> None:
        """HAProxy listens on these now."""
        self._ours = frozenset(ports)

    async def _tell(self, refused: frozenset[int]) -> None:
        said = text(refused)
        if self._told is None and not said:
            self._told = await self._before()
        if said == self._told:
            return
        try:
            await self._client.patch(NODE, Key("", self._node), {"metadata": {"annotations": {TAKEN: said or None}}})
            self._told = said
        except (APIError, OSError):
            asyncio.get_running_loop().call_later(AGAIN, self._again)

    async def _before(self) -> str:
        """What an agent before us has told."""
        try:
            return text(listed(await self._client.get(NODE, Key("", self._node))))
        except (APIError, OSError):
            return ""


def _refused(ports: frozenset[int]) -> frozenset[int]:
    return frozenset(port for port in ports if not _free(port))


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                return False
            raise
    return True

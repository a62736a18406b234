"""Neighbours: which other nodes give no sign, known within a few seconds, long before the control plane knows it.

Each node's network agent asks every other's `/livez` (`health.py`) again and again over a kept connection. A node that
leaves two requests in a row without any answer is silent until it answers. To be refused is an answer: then a kernel is
there, and an agent that starts anew.

Silence is a suspicion: an agent may be stuck, or we may be. So it never takes the last place from anybody: new
connections merely prefer pods of other nodes (`proxy.py`, `ingress/entry.py`). What makes a pod lose what it is doing
takes more (`ingress/doubts.py`).

Woken by: time; Nodes. Writes nothing.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable

import aiohttp

from wherry.api.core.node import NODE
from wherry.api.core.node_state import address
from wherry.api.types.core import Node
from wherry.machinery.meta import Object
from wherry.network import services
from wherry.network.health import PORT
from wherry.reconcile.cache import Caches

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two requests to a node."""
MOST = 25.0
"""Requests a second at most: beyond as many nodes, each is asked less often."""
_SIGNS = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE)
"""What a kernel does for an agent that has ended."""
FIRST, SECOND = 2.0, 1.0
"""Seconds that the first and the second request may take."""


class Neighbours:
    """See the module. `node`: this one. Nodes are taken from `caches`."""

    def __init__(self, caches: Caches, node: str, *, port: int = PORT) -> None:
        self._caches, self._node, self._port = caches, node, port
        self._listeners: list[Callable[[frozenset[str]], None]] = []
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self.silent: frozenset[str] = frozenset()
        """The nodes without a sign of life."""
        caches.of(NODE).listen(self._on_node)

    def listen(self, listener: Callable[[frozenset[str]], None]) -> None:
        """Call `listener(the nodes that are silent now)` whenever they are others."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Ask until cancelled."""
        await self._caches.synced((NODE,))
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            try:
                async with asyncio.TaskGroup() as group:
                    while True:
                        self._moved.clear()
                        self._match(group, session)
                        await self._moved.wait()
            finally:
                self._tasks.clear()

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        places = [address(one, "InternalIP") if isinstance(one, Node) else "" for one in (old, new)]
        if places[0] != places[1]:
            self._moved.set()

    def _match(self, group: asyncio.TaskGroup, session: aiohttp.ClientSession) -> None:
        """One task for each node there is."""
        found = {
            (node.metadata.name, place)
            for node in self._caches.of(NODE).list()
            if node.metadata.name != self._node and (place := services.address(address(node, "InternalIP")))
        }
        for one in [known for known in self._tasks if known not in found]:
            self._tasks.pop(one).cancel()
        for one in found - set(self._tasks):
            self._tasks[one] = group.create_task(self._follow(session, *one))
        self._say(self.silent & {name for name, _ in found})

    async def _follow(self, session: aiohttp.ClientSession, name: str, place: str) -> None:
        while True:
            heard = await self._hears(session, place, FIRST) or await self._hears(session, place, SECOND)
            self._say(self.silent - {name} if heard else self.silent | {name})
            await asyncio.sleep(max(EVERY, len(self._tasks) / MOST))

    async def _hears(self, session: aiohttp.ClientSession, place: str, patience: float) -> bool:
        """Whether there is anybody."""
        try:
            async with asyncio.timeout(patience):
                async with session.head(f"http://{place}:{self._port}/livez", allow_redirects=False):
                    return True
        except OSError as error:  # TimeoutError is one, and so is what aiohttp says of a connection
            return error.errno in _SIGNS
        except aiohttp.ClientError:
            return True

    def _say(self, silent: frozenset[str]) -> None:
        if silent != self.silent:
            self.silent = silent
            log.info("nodes that give no sign: %s", ", ".join(sorted(silent)) or "none")
            for listener in self._listeners:
                listener(silent)

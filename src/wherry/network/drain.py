"""Drain: endpoints before SIGTERM. The node agent awaits `drained(pod)` before it signals a terminating pod.

1. wait until no EndpointSlice lists the pod as ready (the EndpointSlice controller acts on the deletion timestamp);
2. wait until every Ready node's proxy shows that revision: this node's is in the process, the others are asked over
   HTTP (`health.py`, long poll), all at once.

Both together are bounded by `limit`: a node that is silent costs at most that, a dead API server too. A pod in no
slice costs nothing. Slices of services that publish not-ready addresses keep a pod on purpose; they are not waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

import aiohttp

from wherry.api.core.node import NODE
from wherry.api.core.node_state import address, is_ready
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Pod
from wherry.api.types.discovery import Endpoint, EndpointSlice
from wherry.network import services
from wherry.network.health import PORT
from wherry.network.proxy import Proxy, service_of
from wherry.reconcile.cache import Caches
from wherry.reconcile.view import Index

log = logging.getLogger(__name__)

AGAIN = 0.1
"""Seconds after which a node is asked again that did not answer."""


def _pods(piece: EndpointSlice) -> Iterable[str]:
    return {e.target_ref.uid for e in piece.endpoints if e.target_ref is not None}


SLICES_WITH = Index(ENDPOINTSLICE, _pods)
"""EndpointSlices by the uid of the pods they list."""


def _ready(piece: EndpointSlice, uid: str) -> bool:
    return any(_is(endpoint, uid) and services.ready(endpoint) for endpoint in piece.endpoints)


def _is(endpoint: Endpoint, uid: str) -> bool:
    return endpoint.target_ref is not None and endpoint.target_ref.uid == uid


class Drain:
    """Knows when no proxy sends a pod new connections any more."""

    def __init__(self, caches: Caches, proxy: Proxy, node: str, *, limit: float = 5.0, port: int = PORT) -> None:
        self._caches = caches
        self._proxy = proxy
        self._node = node
        self._limit = limit
        self._port = port
        self._also: list[Callable[[int], Coroutine[Any, Any, None]]] = []

    def also(self, applied: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        """Wait for this, too: who else on this node sends pods connections."""
        self._also.append(applied)

    async def drained(self, pod: Pod) -> None:
        """Return when no Ready node sends the pod new connections, or when `limit` seconds have passed."""
        uid = pod.metadata.uid
        if not any(self._pieces(uid)):
            return
        try:
            async with asyncio.timeout(self._limit):
                await self._caches.of(ENDPOINTSLICE).wait_until(lambda: not self._ready(uid))
                revision = self._revision(uid)
                async with asyncio.TaskGroup() as group:
                    for applied in (self._proxy.wait_applied, *self._also):
                        group.create_task(applied(revision))
                    others = list(self._others())
                    if others:
                        group.create_task(self._ask_all(others, revision))
        except TimeoutError:
            log.warning(
                "pod %s/%s: still in service somewhere after %.1f s; going on",
                pod.metadata.namespace, pod.metadata.name, self._limit,
            )  # fmt: skip

    def _pieces(self, uid: str) -> Iterator[EndpointSlice]:
        found = self._caches.of(SERVICE).objects
        for piece in self._caches.of(ENDPOINTSLICE).indexed(SLICES_WITH, uid):
            service = found.get(service_of(piece))
            if service is None or not service.spec.publish_not_ready_addresses:
                yield piece

    def _ready(self, uid: str) -> bool:
        return any(_ready(piece, uid) for piece in self._pieces(uid))

    def _revision(self, uid: str) -> int:
        """What the proxies must show. When a slice was deleted with the pod in it, that of the cache covers it."""
        pieces = list(self._pieces(uid))
        versions = [int(piece.metadata.resource_version or 0) for piece in pieces]
        return max(versions) if pieces else self._caches.of(ENDPOINTSLICE).revision

    def _others(self) -> Iterator[str]:
        for node in self._caches.of(NODE).list():
            place = services.address(address(node, "InternalIP"))
            if node.metadata.name != self._node and place and is_ready(node):
                yield place

    async def _ask_all(self, nodes: list[str], revision: int) -> None:
        """Ask every node."""
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            await asyncio.gather(*(self._ask(session, node, revision) for node in nodes))

    async def _ask(self, session: aiohttp.ClientSession, node: str, revision: int) -> None:
        """Ask until there is an answer: a node's rules outlive its agent, which may be starting anew just now."""
        url = f"http://{node}:{self._port}/applied?revision={revision}"
        while True:
            try:
                async with session.get(url, allow_redirects=False) as answer:
                    if answer.status != 200:
                        log.warning("node at %s cannot say whether its rules are current: HTTP %d", node, answer.status)
                    return
            except aiohttp.ClientError as error:
                log.debug("the proxy of the node at %s does not answer: %s", node, error)
            await asyncio.sleep(AGAIN)

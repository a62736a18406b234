"""Drain: endpoints before SIGTERM. The node agent awaits `drained(pod)` before it signals a terminating pod.

1. wait until no EndpointSlice lists the pod as ready (the EndpointSlice controller acts on the deletion timestamp);
2. wait until the proxy of every node that is not lost shows that revision: this node's is in the process, the others
   are asked over HTTP (`health.py`, long poll), all at once; one that says that it is not Ready still has its rules;
3. let what is on its way arrive for `SETTLE` seconds: connections that were sent to the pod a moment before and have
   not been accepted, requests that follow on them, a first packet that was lost and is sent again, to the same pod,
   after a second (RFC 6298), and clients that read EndpointSlices or DNS themselves: nobody can ask those. A program
   that gets SIGTERM closes its listener, and the kernel resets what waits there.

The first two together are bounded by `limit`, since a node may be silent and the API server dead; both may just be
starting anew, so it is no short one. A pod in no slice costs nothing. One that is not Ready settles, too: pods that
have just ceased to be are the first that controllers delete. Slices of services that publish not-ready addresses keep a
pod on purpose; they are not waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any

import aiohttp

from wherry.api.core.node import NODE
from wherry.api.core.node_state import address, is_lost
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Pod
from wherry.api.types.discovery import Endpoint, EndpointSlice
from wherry.machinery.meta import Key
from wherry.network import services
from wherry.network.health import PORT
from wherry.network.proxy import Proxy, service_of
from wherry.reconcile.cache import Caches
from wherry.reconcile.view import Index

log = logging.getLogger(__name__)

AGAIN = 0.1
"""Seconds after which a node is asked again that did not answer."""
LIMIT = 12.0
SETTLE = 2.0


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

    def __init__(
        self, caches: Caches, proxy: Proxy, node: str, *, limit: float = LIMIT, settle: float = SETTLE,
        port: int = PORT,
    ) -> None:  # fmt: skip
        self._caches = caches
        self._proxy = proxy
        self._node = node
        self._limit = limit
        self._settle = settle
        self._port = port
        self._also: list[Callable[[int], Coroutine[Any, Any, None]]] = []

    def also(self, applied: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        """Wait for this, too: who else on this node sends pods connections."""
        self._also.append(applied)

    async def drained(self, pod: Pod) -> None:
        """Return when no node sends the pod new connections and those under way have come, or when `limit`
        seconds have passed and nobody knows."""
        try:
            async with asyncio.timeout(self._limit):
                await self._caches.synced((ENDPOINTSLICE, SERVICE, NODE))  # this agent may just have started
                listed = await self._withdrawn(pod.metadata.uid)
        except TimeoutError:
            log.warning(
                "pod %s/%s: still in service somewhere after %.1f s; going on",
                pod.metadata.namespace, pod.metadata.name, self._limit,
            )  # fmt: skip
            return
        if listed:
            await asyncio.sleep(self._settle)

    async def _withdrawn(self, uid: str) -> bool:
        """Wait for steps one and two; whether the pod is in any slice, so that somebody may be on the way to it."""
        if not any(self._pieces(uid)):
            return False
        await self._caches.of(ENDPOINTSLICE).wait_until(lambda: not self._ready(uid))
        revision = self._revision(uid)
        async with asyncio.TaskGroup() as group:
            for applied in (self._proxy.wait_applied, *self._also):
                group.create_task(applied(revision))
            others = dict(self._others())
            if others:
                group.create_task(self._ask_all(others, revision))
        return True

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

    def _others(self) -> Iterator[tuple[str, str]]:
        """The other nodes that are not lost, each with its address."""
        for name in [node.metadata.name for node in self._caches.of(NODE).list()]:
            if place := self._place(name):
                yield name, place

    def _place(self, name: str) -> str:
        """Where another node is asked; "" when it need not be, since it is lost."""
        node = self._caches.of(NODE).objects.get(Key("", name))
        if node is None or name == self._node or is_lost(node):
            return ""
        return services.address(address(node, "InternalIP"))

    async def _ask_all(self, nodes: Mapping[str, str], revision: int) -> None:
        """Ask every node, until it answers or is lost."""
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            await asyncio.gather(*(self._ask_unless_lost(session, *node, revision) for node in nodes.items()))

    async def _ask_unless_lost(self, session: aiohttp.ClientSession, name: str, place: str, revision: int) -> None:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._ask(session, place, revision))
            lost = group.create_task(self._caches.of(NODE).wait_until(lambda: self._place(name) != place))
            asking.add_done_callback(lambda _: lost.cancel())
            lost.add_done_callback(lambda _: asking.cancel())

    async def _ask(self, session: aiohttp.ClientSession, place: str, revision: int) -> None:
        """Ask until there is an answer: a node's rules outlive its agent, which may be starting anew just now."""
        url = f"http://{place}:{self._port}/applied?revision={revision}"
        while True:
            try:
                async with session.get(url, allow_redirects=False) as answer:
                    if answer.status == 200:
                        return
                    log.warning("node at %s does not say that its rules are current: HTTP %d", place, answer.status)
            except aiohttp.ClientError as error:
                log.debug("the proxy of the node at %s does not answer: %s", place, error)
            await asyncio.sleep(AGAIN)

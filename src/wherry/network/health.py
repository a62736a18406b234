"""Health: what the proxy tells others over plain HTTP.

- port 10256, as upstream's proxy: `GET /healthz` and `/livez` (JSON, 200, or 503 while rules were never applied), and
  `GET /applied?revision=N`, which answers 200 with a revision once the rules show EndpointSlices as of N (`drain.py`
  asks it); it waits at most ten seconds, then answers 504;
- a health check node port for each load balancer service with externalTrafficPolicy Local: 200 while this node has
  ready endpoints, else 503, so that load balancers leave the node out.

Nothing here is secret and nothing changes by asking; at most 256 requests wait at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from aiohttp import web

from wherry.aio.clock import Clock
from wherry.api.core.service import SERVICE
from wherry.api.types.core import Service
from wherry.machinery.meta import Key, Object, key_of
from wherry.machinery.time import time_at
from wherry.network.proxy import SLICES_OF, Proxy
from wherry.network.services import Place, handled, local_endpoints, port_number
from wherry.reconcile.cache import Caches

log = logging.getLogger(__name__)

PORT = 10256
_WAIT = 10.0
_MOST_WAITING = 256
_PATIENCE = 0.1
"""Seconds that an answer may still take when its server ends."""


def _json(status: int, body: object) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers={"X-Content-Type-Options": "nosniff"},
    )


class _Serving(NamedTuple):
    """A server that is at work."""

    listening: asyncio.Server
    answering: web.Server

    async def end(self) -> None:
        """Close it and whoever is connected, also who was accepted in the loop's last turns: once the server is closed,
        Python 3.11 makes no transport of an accepted connection any more and forgets it."""
        loop = asyncio.get_running_loop()
        for one in self.listening.sockets:
            loop.remove_reader(one.fileno())
        for _ in range(3):  # accepted, a transport, a handler
            await asyncio.sleep(0)
        self.listening.close()
        await self.answering.shutdown(_PATIENCE)


class Health:
    """The two kinds of servers above, for one node."""

    def __init__(self, caches: Caches, proxy: Proxy, clock: Clock, node: str, address: str = "0.0.0.0") -> None:
        self._caches = caches
        self._proxy = proxy
        self._clock = clock
        self._place = Place(node)
        self._address = address
        self._waiting = 0
        self._others: list[Callable[[int], Awaitable[None]]] = []
        self._servers: dict[int, tuple[Key, _Serving]] = {}
        self._dirty = asyncio.Event()
        self._dirty.set()
        caches.of(SERVICE).listen(self._on_service)

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        for service in (old, new):
            if isinstance(service, Service) and service.spec.health_check_node_port:
                self._dirty.set()

    def also(self, applied: Callable[[int], Awaitable[None]]) -> None:
        """Count a revision as applied only when this has returned for it, too."""
        self._others.append(applied)

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when port 10256 is taken."""
        own = await self._listen(PORT, self._answer)
        try:
            await self._caches.synced((SERVICE,))
            while True:
                await self._dirty.wait()
                self._dirty.clear()
                await self._match()
        finally:
            servers = (own, *(server for _, server in self._servers.values()))
            self._servers.clear()
            await asyncio.gather(*(server.end() for server in servers))

    async def _listen(self, port: int, handler: Callable[[web.BaseRequest], object]) -> _Serving:
        server = web.Server(handler, access_log=None)  # type: ignore[arg-type]  # handlers are coroutine functions
        loop = asyncio.get_running_loop()
        return _Serving(await loop.create_server(server, self._address, port, reuse_address=True), server)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        now = str(time_at(self._clock.now()))
        if request.path in ("/healthz", "/livez"):
            healthy = self._proxy.applied > 0
            return _json(200 if healthy else 503, {"lastUpdated": now, "currentTime": now, "nodeEligible": True})
        revision = request.query.get("revision", "")
        if request.path != "/applied" or not (revision.isascii() and revision.isdigit() and len(revision) < 20):
            return web.Response(status=404)
        return await self._applied(int(revision))

    async def _applied(self, revision: int) -> web.Response:
        if self._waiting >= _MOST_WAITING:
            return web.Response(status=429)
        self._waiting += 1
        try:
            async with asyncio.timeout(_WAIT):
                await self._proxy.wait_applied(revision)
                for applied in self._others:
                    await applied(revision)
        except TimeoutError:
            return web.Response(status=504)
        finally:
            self._waiting -= 1
        return _json(200, {"revision": self._proxy.applied})

    async def _match(self) -> None:
        """Open and close health check node ports so that they are what the services say."""
        wanted: dict[int, Key] = {}
        for service in self._caches.of(SERVICE).list():
            port = port_number(service.spec.health_check_node_port)
            if port and handled(service):
                wanted.setdefault(port, key_of(service))
        for port, (key, server) in list(self._servers.items()):
            if wanted.get(port) != key:
                del self._servers[port]
                await server.end()
        for port, key in wanted.items():
            if port not in self._servers:
                try:
                    self._servers[port] = key, await self._listen(port, self._check(key))
                except OSError as error:
                    log.warning("health check node port %d of service %s: %s", port, key, error)

    def _check(self, key: Key) -> Callable[[web.BaseRequest], object]:
        async def answer(request: web.BaseRequest) -> web.Response:
            slices = self._caches.of(SLICES_OF.resource).indexed(SLICES_OF, str(key))
            count = local_endpoints(slices, self._place)
            service = {"namespace": key.namespace, "name": key.name}
            body = {"service": service, "localEndpoints": count, "serviceProxyHealthy": self._proxy.applied > 0}
            return _json(200 if count else 503, body)

        return answer

"""A proxy at work in a node's namespace, on what a test feeds it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.host.network.world import (
    RESOURCES,
    Feed,
    node,
)
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.host import links
from wherry.network import routes
from wherry.network.loopback import Loopback
from wherry.network.proxy import Proxy
from wherry.network.rules.nft import PODS, SERVICES, Networks
from wherry.reconcile.cache import Caches, Informer, Pace


@dataclass
class Running:
    """A proxy at work in the node's namespace."""

    feed: Feed
    proxy: Proxy
    caches: Caches

    def _seen(self, informer: Informer[Any]) -> bool:
        return informer.revision >= self.feed.revision

    async def settle(self) -> None:
        for informer in self.caches:
            await informer.wait_until(partial(self._seen, informer))
        await self.proxy.wait_applied(self.feed.revision)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Running]:
    links.switch("ipv4/ip_forward", "1")
    routes.apply(routes.Wanted({}), routes.Networks(PODS, SERVICES))
    feed = Feed()
    feed.put(NODE, node())
    caches, clock = Caches(RESOURCES), SystemClock()
    proxy, loopback = Proxy(caches, clock, "n1", Networks(reserved=(22022,)), look=0.1), Loopback()
    proxy.listen(loopback.take)
    tasks = [
        asyncio.ensure_future(work)
        for work in (caches.follow(feed, clock, Pace(clock)), proxy.run(), loopback.run())  # type: ignore[arg-type]  # watches only
    ]
    try:
        yield Running(feed, proxy, caches)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

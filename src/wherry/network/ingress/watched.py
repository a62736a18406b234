"""Watched: the objects of the Gateway API as one node follows them.

Gateways are followed always, the rest from when there is one. The definitions may be absent: then there is nothing.
`ready` is set when all that is there at the start has been seen, so that an agent that starts anew takes nothing away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from wherry.aio.clock import Clock
from wherry.api.core.namespace import NAMESPACE
from wherry.api.gateway.kinds import GATEWAY, GATEWAYCLASS, HTTPROUTE, REFERENCEGRANT
from wherry.api.gateway.ports import taken
from wherry.api.gateway.world import World, by_namespace
from wherry.api.types.core import Service
from wherry.client.interface import Client
from wherry.machinery.errors import APIError, Forbidden, NotFound
from wherry.machinery.meta import Key, Object
from wherry.machinery.resource import Resource
from wherry.reconcile.cache import Caches, Pace

_MORE: tuple[Resource[Any], ...] = (GATEWAYCLASS, HTTPROUTE, REFERENCEGRANT, NAMESPACE)
_AGAIN = 0.5


class Watched:
    """`changed()` is called whenever something is another."""

    def __init__(self, client: Client, clock: Clock, changed: Callable[[], None]) -> None:
        self._client, self._clock, self._changed = client, clock, changed
        self._caches = Caches((GATEWAY,))
        self._caches.of(GATEWAY).listen(self._gateway)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._caches.follow(self._client, self._clock, Pace(self._clock)))
            await self._seen(GATEWAY)
            if GATEWAYCLASS in self._caches:
                for resource in _MORE:
                    await self._seen(resource)
            self.ready.set()
            self._changed()

    async def _seen(self, resource: Resource[Any]) -> None:
        """Wait until all objects of a kind are known, or that there is no such kind."""
        while True:
            try:
                await self._client.list(resource)
            except (NotFound, Forbidden):  # a server older than this agent has neither kind nor consent
                return
            except (APIError, OSError):
                await asyncio.sleep(_AGAIN)
            else:
                break
        await self._caches.of(resource).synced.wait()

    def _gateway(self, old: Object | None, new: Object | None) -> None:
        if new is not None and GATEWAYCLASS not in self._caches:
            for resource in _MORE:
                self._caches.add(resource).listen(self._other)
        self._other(old, new)

    def _other(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _asks_otherwise(old, new):
            self._changed()

    def world(self, services: Mapping[Key, Service]) -> World:
        """Everything as it is now."""
        if GATEWAYCLASS not in self._caches:
            return World()
        return World(
            classes={one.metadata.name: one for one in self._caches.of(GATEWAYCLASS).list()},
            gateways=self._caches.of(GATEWAY).objects,
            routes=self._caches.of(HTTPROUTE).objects,
            grants=by_namespace(self._caches.of(REFERENCEGRANT).list()),
            namespaces={one.metadata.name: one.metadata.labels for one in self._caches.of(NAMESPACE).list()},
            services=services,
            taken=taken((), services.values()),
        )


def _asks_otherwise(old: Object, new: Object) -> bool:
    """Whether more is another than what controllers say of it."""
    before, after = old.metadata, new.metadata
    asked = (before.uid, before.generation, before.deletion_timestamp, before.labels, before.annotations)
    return asked != (after.uid, after.generation, after.deletion_timestamp, after.labels, after.annotations)

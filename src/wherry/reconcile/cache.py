"""Informer and Caches: the objects of a resource as last watched, shared by all controllers of the process.

Invariants: an index always agrees with `objects`; `revision` never goes back; listeners are called once per change,
with the object before and after it, after the indexes have moved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.client.interface import Client, Event
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, Object, T, controller_of, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.view import Index

log = logging.getLogger(__name__)

SLICE = 0.004
"""Seconds of work on the loop before others get their turn."""


class Pace:
    """Shares the loop: `await breathe()` gives way when a slice is used up. One for all work that belongs together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = float("-inf")

    async def breathe(self) -> None:
        """Yield to the loop if the present slice is used up."""
        if self._clock.monotonic() - self._since >= SLICE:
            await asyncio.sleep(0)
            self._since = self._clock.monotonic()


class _Table(Generic[T]):
    """value -> objects, for one way of looking them up."""

    def __init__(self, values: Callable[[T], Iterable[str]]) -> None:
        self._values = values
        self._found: dict[str, dict[Key, T]] = {}

    def move(self, key: Key, old: T | None, new: T | None) -> None:
        """Take `old` out and put `new` in, keeping its place where a value stays."""
        after = set(self._values(new)) if new is not None else set()
        if old is not None:
            for value in self._values(old):
                if value not in after:
                    self._remove(value, key)
        if new is not None:
            for value in after:
                self._found.setdefault(value, {})[key] = new

    def _remove(self, value: str, key: Key) -> None:
        row = self._found.get(value)
        if row is not None:
            row.pop(key, None)
            if not row:
                del self._found[value]

    def find(self, value: str) -> tuple[T, ...]:
        """Objects under this value."""
        return tuple(self._found.get(value, {}).values())


def _controllers(obj: Object) -> Iterator[str]:
    ref = controller_of(obj)
    yield f"orphan/{obj.metadata.namespace}" if ref is None else ref.uid


def _namespaces(obj: Object) -> Iterator[str]:
    yield obj.metadata.namespace


Listener = Callable[[Object | None, Object | None], None]


class Informer(Generic[T]):
    """All objects of one resource."""

    def __init__(self, resource: Resource[T]) -> None:
        self.resource = resource
        self.objects: dict[Key, T] = {}
        self.revision = 0
        self.synced = asyncio.Event()
        self._by_controller: _Table[T] = _Table(_controllers)
        self._by_namespace: _Table[T] = _Table(_namespaces)
        self._tables: dict[Index[T], _Table[T]] = {}
        self._listeners: list[Listener] = []
        self._moved = asyncio.Condition()
        self._fresh: set[Key] | None = None

    def listen(self, listener: Listener) -> None:
        """Call `listener(old, new)` for every change from now on; None stands for absent."""
        self._listeners.append(listener)

    def list(self, namespace: str = "") -> tuple[T, ...]:
        """Objects of a namespace, or all."""
        return self._by_namespace.find(namespace) if namespace else tuple(self.objects.values())

    def owned(self, uid: str) -> tuple[T, ...]:
        """Objects controlled by this uid."""
        return self._by_controller.find(uid)

    def orphans(self, namespace: str) -> tuple[T, ...]:
        """Objects of the namespace without controller."""
        return self._by_controller.find(f"orphan/{namespace}")

    def indexed(self, index: Index[T], value: str) -> tuple[T, ...]:
        """Objects under `value`; the index is built when first used."""
        table = self._tables.get(index)
        if table is None:
            table = self._tables[index] = _Table(index.values)
            for key, obj in self.objects.items():
                table.move(key, None, obj)
        return table.find(value)

    async def wait_until(self, done: Callable[[], bool]) -> None:
        """Wait until a predicate over this informer holds."""
        if done():
            return
        async with self._moved:
            await self._moved.wait_for(done)

    async def follow(self, client: Client, pace: Pace) -> None:
        """Watch for ever."""
        self._fresh = set()
        async for event in client.watch(self.resource):
            self._take(event)
            async with self._moved:
                self._moved.notify_all()
            await pace.breathe()
        raise APIError(f"the watch of {self.resource} ended")

    def _take(self, event: Event[T]) -> None:
        if event.obj is not None:
            key = key_of(event.obj)
            if self._fresh is not None:
                self._fresh.add(key)
            self._put(key, None if event.type == "DELETED" else event.obj)
        if event.type == "SYNCED":
            self._forget_vanished()
            self.synced.set()
        if self.synced.is_set():
            self.revision = max(self.revision, event.revision)

    def _forget_vanished(self) -> None:
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            for key in [key for key in self.objects if key not in fresh]:
                self._put(key, None)

    def _put(self, key: Key, new: T | None) -> None:
        old = self.objects.get(key)
        if new is None:
            if old is None:
                return
            del self.objects[key]
        else:
            self.objects[key] = new
        for table in (self._by_controller, self._by_namespace, *self._tables.values()):
            table.move(key, old, new)
        for listener in self._listeners:
            try:
                listener(old, new)
            except Exception:
                log.exception("%s: a listener failed on %s", self.resource, key)


class Caches:
    """One informer per resource, started when `follow` runs."""

    def __init__(self, resources: Iterable[Resource[Any]] = ()) -> None:
        self._informers: dict[Resource[Any], Informer[Any]] = {resource: Informer(resource) for resource in resources}
        self._start: Callable[[Informer[Any]], asyncio.Task[None]] | None = None
        self._running: dict[Resource[Any], asyncio.Task[None]] = {}

    def of(self, resource: Resource[T]) -> Informer[T]:
        """The informer of a resource. Raises KeyError for one that nobody declared."""
        return self._informers[resource]

    def add(self, resource: Resource[T]) -> Informer[T]:
        """Watch one more resource."""
        informer: Informer[T] = Informer(resource)
        self._informers[resource] = informer
        if self._start is not None:
            self._running[resource] = self._start(informer)
        return informer

    def drop(self, resource: Resource[Any]) -> None:
        """Watch it no longer, and forget its objects."""
        self._informers.pop(resource, None)
        running = self._running.pop(resource, None)
        if running is not None:
            running.cancel()

    def __contains__(self, resource: Resource[Any]) -> bool:
        return resource in self._informers

    def __iter__(self) -> Iterator[Informer[Any]]:
        return iter(self._informers.values())

    async def synced(self, resources: Iterable[Resource[Any]]) -> None:
        """Wait until the initial state of these has been seen."""
        for resource in resources:
            await self._informers[resource].synced.wait()

    async def follow(self, client: Client, clock: Clock, pace: Pace) -> None:
        """Watch everything until cancelled."""
        async with asyncio.TaskGroup() as group:

            def start(informer: Informer[Any]) -> asyncio.Task[None]:
                name = f"informer/{informer.resource}"
                watch = partial(informer.follow, client, pace)
                return group.create_task(keep_running(name, watch, clock), name=name)

            self._start = start
            for informer in tuple(self._informers.values()):
                self._running[informer.resource] = start(informer)
            await asyncio.Event().wait()  # others may be added


@dataclass(frozen=True, slots=True)
class CacheView:
    """The View of a plan, straight on the caches."""

    caches: Caches
    now: float
    last_error: APIError | None = None

    def get(self, resource: Resource[T], key: Key) -> T | None:
        """One object, or None."""
        return self.caches.of(resource).objects.get(key)

    def list(self, resource: Resource[T], namespace: str = "") -> tuple[T, ...]:
        """All objects of a namespace, or of all."""
        return self.caches.of(resource).list(namespace)

    def owned(self, resource: Resource[T], owner: Object) -> tuple[T, ...]:
        """Objects controlled by `owner`."""
        return self.caches.of(resource).owned(owner.metadata.uid)

    def orphans(self, resource: Resource[T], namespace: str) -> tuple[T, ...]:
        """Objects without controller."""
        return self.caches.of(resource).orphans(namespace)

    def indexed(self, index: Index[T], value: str) -> tuple[T, ...]:
        """Objects found under `value`."""
        return self.caches.of(index.resource).indexed(index, value)

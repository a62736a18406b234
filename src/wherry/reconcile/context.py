"""Context: what an async controller works with; and Tracked, the client that remembers its own writes.

Whoever writes through `Tracked` can afterwards wait until the caches have seen it all (`settled`): that is the gate
behind "read your own writes".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from wherry.client.interface import ALL, Client, Event, Listing, Operations, Select
from wherry.machinery.errors import APIError, Conflict, NotFound
from wherry.machinery.meta import Key, Object, T, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.cache import Caches
from wherry.reconcile.view import View

TOGETHER = 64
"""Most requests that one run has in flight."""

Wait: TypeAlias = tuple[Resource[Any], Callable[[], bool]]


@dataclass(slots=True)
class Tracked:
    """A Client that notes what it wrote."""

    client: Client
    revisions: dict[Resource[Any], int] = field(default_factory=dict)
    deleted: list[tuple[Resource[Any], Key, str]] = field(default_factory=list)

    def wrote(self, resource: Resource[Any], revision: int) -> None:
        """Note a revision of this resource that must be seen before planning again."""
        self.revisions[resource] = max(revision, self.revisions.get(resource, 0))

    async def get(self, resource: Resource[T], key: Key) -> T:
        """One object, from the API."""
        return await self.client.get(resource, key)

    async def list(self, resource: Resource[T], select: Select = ALL) -> Listing[T]:
        """Objects, from the API."""
        return await self.client.list(resource, select)

    def watch(self, resource: Resource[T], select: Select = ALL, since: int | None = None) -> AsyncIterator[Event[T]]:
        """Changes, from the API."""
        return self.client.watch(resource, select, since)

    async def create(self, resource: Resource[T], obj: T) -> T:
        """Create, and note it."""
        try:
            return self._note(resource, await self.client.create(resource, obj))
        except APIError as error:
            if error.code >= 500:  # it may have happened: look again only once the caches are past this moment
                await self._catch_up(resource, obj.metadata.namespace)
            raise
        except OSError:
            await self._catch_up(resource, obj.metadata.namespace)
            raise

    async def replace(self, resource: Resource[T], obj: T, subresource: str = "") -> T:
        """Replace, and note it."""
        return self._note(resource, await self.client.replace(resource, obj, subresource))

    async def patch(
        self, resource: Resource[T], key: Key, patch: Mapping[str, Any] | Operations, *,
        kind: Literal["merge", "json", "strategic", "apply"] = "merge", subresource: str = "",
    ) -> T:  # fmt: skip
        """Patch, and note it."""
        return self._note(resource, await self.client.patch(resource, key, patch, kind=kind, subresource=subresource))

    async def delete(
        self, resource: Resource[T], key: Key, *, uid: str = "", revision: str = "", grace: int | None = None,
        propagation: str = "",
    ) -> None:  # fmt: skip
        """Delete, and note it. What is gone already, or a namesake by now, is no error; with `revision` a change is."""
        try:
            await self.client.delete(resource, key, uid=uid, revision=revision, grace=grace, propagation=propagation)
        except NotFound:
            pass
        except Conflict:
            if not uid or revision:
                raise
        self.deleted.append((resource, key, uid))

    async def listed(self, resource: Resource[T], namespace: str = "") -> tuple[T, ...]:
        """Objects of a namespace, or of all, from the API rather than a cache."""
        return (await self.client.list(resource, Select(namespace=namespace))).items

    async def delete_all(self, resource: Resource[T], objects: Iterable[T], propagation: str = "") -> None:
        """Delete these very objects, several at a time. Raises the first error after trying all."""
        pending = list(objects)
        for start in range(0, len(pending), TOGETHER):
            some = pending[start : start + TOGETHER]
            results = await asyncio.gather(
                *(self.delete(resource, key_of(o), uid=o.metadata.uid, propagation=propagation) for o in some),
                return_exceptions=True,
            )
            for error in filter(None, results):
                raise error

    async def call(
        self, resource: Resource[Any], key: Key, subresource: str, body: Object | Mapping[str, Any]
    ) -> dict[str, Any]:
        """POST to a subresource."""
        return await self.client.call(resource, key, subresource, body)

    async def raw(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any request by its path, JSON in and out; what it writes is not noted."""
        return await self.client.raw(method, path, body)

    def _note(self, resource: Resource[Any], stored: T) -> T:
        if stored.metadata.resource_version.isdigit():
            self.wrote(resource, int(stored.metadata.resource_version))
        return stored

    async def _catch_up(self, resource: Resource[Any], namespace: str) -> None:
        listing = await self.client.list(resource, Select(namespace=namespace))
        self.wrote(resource, listing.revision)

    def conditions(self, caches: Caches) -> Sequence[Wait]:
        """What the caches have yet to show, as predicates."""
        written = [(resource, _past(caches, resource, rev)) for resource, rev in self.revisions.items()]
        gone = [(resource, _without(caches, resource, key, uid)) for resource, key, uid in self.deleted]
        return [(resource, holds) for resource, holds in (*written, *gone) if resource in caches and not holds()]


def _past(caches: Caches, resource: Resource[Any], revision: int) -> Callable[[], bool]:
    return lambda: caches.of(resource).revision >= revision


def _without(caches: Caches, resource: Resource[Any], key: Key, uid: str) -> Callable[[], bool]:
    def holds() -> bool:
        obj = caches.of(resource).objects.get(key)
        return obj is None or obj.metadata.uid != uid or obj.metadata.deletion_timestamp is not None

    return holds


@dataclass(frozen=True, slots=True)
class Context:
    """What `AsyncController.reconcile` gets: the caches, the API, and a way to tell users."""

    view: View
    api: Tracked
    emit: Callable[[Object, Literal["Normal", "Warning"], str, str], None]

"""InProcessClient: the Client of controllers and scheduler in this process. Same pipeline, no HTTP, no second decode.

Objects handed out are the windows' own. What runs in this process is trusted: its identity is recorded (managedFields,
admission), but not asked for rights. https is `wherry.client.http`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Generic, Literal

import msgspec

from wherry.apiserver.api import Api
from wherry.apiserver.authn.user import User
from wherry.apiserver.context import Context
from wherry.apiserver.inside import ask
from wherry.apiserver.reviews import REVIEWS
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.select import select as selection_of
from wherry.apiserver.subresources.doors import DOORS
from wherry.apiserver.subresources.table import CALLS
from wherry.apiserver.verbs import patch as patching
from wherry.apiserver.verbs.create import create
from wherry.apiserver.verbs.delete import delete
from wherry.apiserver.verbs.update import put
from wherry.client.interface import ALL, Event, Listing, Select
from wherry.machinery import codec
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import DeleteOptions, Key, Object, Preconditions, T
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry
from wherry.store.entry import Event as Change
from wherry.store.log import Compacted

_QUEUED = 50_000
_SLICE = 50
BOOKMARK_SECONDS = 10.0
_PATCHES = {
    "merge": patching.MERGE_PATCH,
    "json": patching.JSON_PATCH,
    "strategic": patching.STRATEGIC_PATCH,
    "apply": patching.APPLY_PATCH,
}


Items = list[Any]  # `list` is a method below


class InProcessClient:
    """See `wherry.client.interface.Client`."""

    def __init__(self, api: Api, user: User, manager: str = "") -> None:
        self._api = api
        self._user = user
        self._manager = manager or user.name.rpartition(":")[2]

    def _live(self, resource: Resource[T]) -> Resource[T]:
        """The resource itself; for a handle on a custom kind, what its definition says at present."""
        if (resource.type is not Object and not resource.defined) or resource.custom is not None:
            return resource
        return self._api.served.find(resource.group, resource.version, resource.plural) or resource

    def _context(self, resource: Resource[T], key: Key, subresource: str = "") -> Context[T]:
        resource = self._live(resource)
        if resource.defined:  # nobody defines it at present, or not in this version
            raise NotFound("the server could not find the requested resource")
        return Context(
            self._user, resource, key.namespace, key.name, subresource=subresource, manager=self._manager, inside=True
        )

    async def get(self, resource: Resource[T], key: Key) -> T:
        """One object. Raises NotFound."""
        return (await self._api.current(self._live(resource), key.namespace, key.name)).obj

    async def list(self, resource: Resource[T], select: Select = ALL) -> Listing[T]:
        """All matching objects, most recent state."""
        resource = self._live(resource)
        chosen = selection_of(resource, select.labels, select.fields)
        page = self._api.window(resource).list(select.namespace, chosen.predicate)
        items: list[T] = []
        for index, entry in enumerate(page.items):
            items.append(entry.obj)
            if index % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        return Listing(tuple(items), page.revision)

    async def watch(
        self, resource: Resource[T], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[T]]:
        """Changes, for ever; see the interface."""
        window = self._api.window(self._live(resource))
        predicate = selection_of(resource, select.labels, select.fields).predicate
        seen: dict[str, Entry[T]] = {}
        while True:
            if since is None:
                page = window.list(select.namespace, predicate)
                for index, event in enumerate(_difference(resource, seen, page.items)):
                    yield event
                    if index % _SLICE == _SLICE - 1:
                        await asyncio.sleep(0)
                seen = {entry.key: entry for entry in page.items}
                since = page.revision
                yield Event("SYNCED", resource, None, since)
            feed: _Feed[T] = _Feed()
            try:
                running = window.watch(since, feed.put, namespace=select.namespace, predicate=predicate, ended=feed.end)
            except Compacted:
                since = None
                continue
            try:
                while (change := await feed.next()) is not _OVER:
                    if change is None:
                        since = running.revision
                        yield Event("BOOKMARK", resource, None, since)
                        continue
                    since = change.revision
                    _remember(seen, change)
                    yield Event(change.type, resource, change.entry.obj, since)
            finally:
                running.stop()

    async def create(self, resource: Resource[T], obj: T) -> T:
        """Create. Raises AlreadyExists, Invalid, Forbidden."""
        ctx = self._context(resource, Key(obj.metadata.namespace, obj.metadata.name))
        if resource.defined:
            head = {"kind": resource.kind, "apiVersion": resource.api_version}
            obj = ctx.resource.custom.typed({**codec.to_dict(obj), **head})
        review = REVIEWS.get(str(resource))
        if review is not None:
            answered: T = await review(self._api, ctx, obj)
            return answered
        made = await create(self._api, ctx, obj)
        self._tell("create", resource, Key(made.namespace, made.name))
        return made.obj

    async def replace(self, resource: Resource[T], obj: T, subresource: str = "") -> T:
        """Write the whole object. Raises Conflict, NotFound, Invalid."""
        ctx = self._context(resource, Key(obj.metadata.namespace, obj.metadata.name), subresource)
        door = DOORS.get((str(resource), subresource))
        entry, _ = await put(self._api, ctx, obj, isolate=door)
        self._tell("update", resource, Key(entry.namespace, entry.name), subresource)
        return entry.obj

    async def patch(
        self, resource: Resource[T], key: Key, patch: Mapping[str, Any] | Items, *,
        kind: Literal["merge", "json", "strategic", "apply"] = "merge", subresource: str = "",
    ) -> T:  # fmt: skip
        """Change part of an object. `apply` uses this client's name as field manager and forces."""
        ctx = self._context(resource, key, subresource)
        asked = patching.PatchRequest(_PATCHES[kind], codec.encode(patch), force=kind == "apply")
        done = await patching.patch(self._api, ctx, asked, DOORS.get((str(resource), subresource)))
        self._tell("patch", resource, key, subresource)
        obj: T = done.entry.obj
        return obj

    async def delete(
        self, resource: Resource[T], key: Key, *, uid: str = "", revision: str = "", grace: int | None = None,
        propagation: str = "",
    ) -> None:  # fmt: skip
        """Delete; with `uid`, only that very object, with `revision`, only that state of it."""
        options = DeleteOptions(
            grace_period_seconds=grace,
            propagation_policy=propagation or None,
            preconditions=Preconditions(uid or None, revision or None) if uid or revision else None,
        )
        await delete(self._api, self._context(resource, key), options)
        self._tell("delete", resource, key)

    async def call(
        self, resource: Resource[Any], key: Key, subresource: str, body: Object | Mapping[str, Any]
    ) -> dict[str, Any]:
        """POST to a subresource that has a body and answer of its own: binding, eviction, token."""
        found = CALLS.get((str(resource), subresource))
        if found is None:
            raise NotFound("the server could not find the requested resource")
        raw: dict[str, Any] = msgspec.json.decode(codec.encode(body))
        answer = await found[1](self._api, self._context(resource, key, subresource), raw)
        self._tell("create", resource, key, subresource)
        return answer

    def _tell(self, verb: str, resource: Resource[Any], key: Key, subresource: str = "") -> None:
        """Tell the audit log what has been changed."""
        audit = self._api.audit
        if audit is None:
            return
        group, version, plural = resource.group, resource.version, resource.plural
        info = RequestInfo(
            f"/{resource}/{key.namespace}/{key.name}", verb, is_resource=True, group=group, version=version,
            resource=plural, subresource=subresource, namespace=key.namespace, name=key.name,
        )  # fmt: skip
        audit.inside(self._user, info, self._api.uid())

    async def raw(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any request by its path and query: JSON in and out. Raises APIError."""
        found: dict[str, Any] = await ask(self._api, self._user, self._manager, method, path, body)
        return found


_OVER: Any = object()


class _Feed(Generic[T]):
    """Changes between a window and one watcher."""

    __slots__ = ("_changes", "_ended", "_wake")

    def __init__(self) -> None:
        self._changes: deque[Change[T]] = deque()
        self._wake = asyncio.Event()
        self._ended = False

    def put(self, change: Change[T]) -> bool:
        """Take a change; False when the watcher is too far behind."""
        if len(self._changes) >= _QUEUED:
            return False
        self._changes.append(change)
        self._wake.set()
        return True

    def end(self) -> None:
        """The window ends the watch."""
        self._ended = True
        self._wake.set()

    async def next(self) -> Any:
        """The next change; None after a while without one; _OVER at the end."""
        while not self._changes:
            if self._ended:
                return _OVER
            self._wake.clear()
            try:
                async with asyncio.timeout(BOOKMARK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._changes.popleft()


def _difference(resource: Resource[T], seen: dict[str, Entry[T]], present: list[Entry[T]]) -> Iterator[Event[T]]:
    """What a watcher that has seen `seen` is told so that it knows `present`."""
    there = {entry.key for entry in present}
    for key, entry in seen.items():
        if key not in there:
            yield Event("DELETED", resource, entry.obj, entry.revision)
    for entry in present:
        before = seen.get(entry.key)
        if before is None:
            yield Event("ADDED", resource, entry.obj, entry.revision)
        elif before.revision != entry.revision:
            yield Event("MODIFIED", resource, entry.obj, entry.revision)


def _remember(seen: dict[str, Entry[T]], change: Change[T]) -> None:
    if change.type == "DELETED":
        seen.pop(change.entry.key, None)
    else:
        seen[change.entry.key] = change.entry

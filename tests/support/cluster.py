"""Cluster: an in-memory Client, as strict about writes as the API server, with a lag on its watches.

It keeps identity, revisions, generations, status isolation, optimistic concurrency, finalizers and graceful deletion;
it does no defaulting beyond the kind's own, no validation and no admission. tests/contracts/client holds it to the
same contract as the real clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from msgspec.structs import replace

from tests.support.view import merge
from wherry.aio.clock import Clock
from wherry.client.interface import ALL, Event, Listing, Select
from wherry.machinery.codec import from_dict, to_dict
from wherry.machinery.errors import AlreadyExists, APIError, Conflict, NotFound
from wherry.machinery.meta import Key, Object, T, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.selectors import parse_fields, parse_labels
from wherry.machinery.time import time_at


@dataclass
class Cluster:
    """`lag`: seconds by which every watch is late. `refuse(verb, resource, obj)` may return an error to raise."""

    clock: Clock
    lag: float = 0.0
    refuse: Callable[[str, Resource[Any], Object | None], APIError | None] = lambda verb, resource, obj: None
    graceful: bool = False  # pods bound to a node stay, deleting, until `finish`
    objects: dict[tuple[Resource[Any], Key], Object] = field(default_factory=dict)
    log: list[Event[Any]] = field(default_factory=list)
    calls: list[tuple[Resource[Any], Key, str, Any]] = field(default_factory=list)
    answers: dict[tuple[str, str], Callable[[dict[str, str], Any], dict[str, Any]]] = field(default_factory=dict)
    """What `raw` answers, by method and path, from the query and the body."""
    _grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def revision(self) -> int:
        """The newest revision."""
        return len(self.log)

    def all(self, resource: Resource[T], namespace: str = "") -> Sequence[T]:
        """What is stored, now."""
        found: Any = [o for (r, k), o in self.objects.items() if r is resource and namespace in ("", k.namespace)]
        return tuple(found)

    # --- Client ---

    async def get(self, resource: Resource[T], key: Key) -> T:
        self._check("get", resource, None)
        return self._stored(resource, key)

    async def list(self, resource: Resource[T], select: Select = ALL) -> Listing[T]:
        self._check("list", resource, None)
        return Listing(tuple(o for o in self.all(resource) if selected(resource, select, o)), self.revision)

    async def watch(
        self, resource: Resource[T], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[T]]:
        if since is None:
            since = self.revision
            for obj in tuple(self.all(resource)):
                if selected(resource, select, obj):
                    yield Event("ADDED", resource, obj, since)
            yield Event("SYNCED", resource, None, since)
        while True:
            async with self._grown:
                while len(self.log) <= since:
                    await self._grown.wait()
            event, since = self.log[since], since + 1
            if event.resource is resource:
                if self.lag:
                    await asyncio.sleep(self.lag)
                shown = self._shown(event, select)
                if shown is not None:
                    yield shown

    async def create(self, resource: Resource[T], obj: T) -> T:
        self._check("create", resource, obj)
        n = self.revision + 1
        name = obj.metadata.name or f"{obj.metadata.generate_name}{n}"
        if (resource, Key(obj.metadata.namespace, name)) in self.objects:
            raise AlreadyExists(f'{resource} "{name}" already exists')
        meta = replace(
            obj.metadata,
            name=name,
            uid=f"uid-{n}",
            generation=1,
            creation_timestamp=time_at(self.clock.now()),
            deletion_timestamp=None,
        )
        return await self._append("ADDED", resource, resource.default(replace(obj, metadata=meta)))

    async def replace(self, resource: Resource[T], obj: T, subresource: str = "") -> T:
        self._check("update", resource, obj)
        old = self._stored(resource, key_of(obj))
        if obj.metadata.resource_version not in ("", old.metadata.resource_version):
            raise Conflict(f"{key_of(obj)}: the object has been modified")
        if obj.metadata.uid not in ("", old.metadata.uid):
            raise Conflict(f"{key_of(obj)}: another uid")
        return await self._write(resource, old, obj, subresource)

    async def patch(
        self, resource: Resource[T], key: Key, patch: Mapping[str, Any] | Sequence[Any], *,
        kind: Literal["merge", "json", "strategic", "apply"] = "merge", subresource: str = "",
    ) -> T:  # fmt: skip
        assert kind == "merge", "the fake knows merge patches only"
        self._check("patch", resource, None)
        old = self._stored(resource, key)
        new = from_dict(type(old), merge(to_dict(old), patch))
        if (new.metadata.uid, new.metadata.resource_version) != (old.metadata.uid, old.metadata.resource_version):
            raise Conflict(f"{key}: the object has been modified")
        return await self._write(resource, old, new, subresource)

    async def delete(
        self, resource: Resource[T], key: Key, *, uid: str = "", revision: str = "", grace: int | None = None,
        propagation: str = "",
    ) -> None:  # fmt: skip
        self._check("delete", resource, None)
        old = self._stored(resource, key)
        if uid not in ("", old.metadata.uid):
            raise Conflict(f"{key}: precondition failed: uid")
        if revision not in ("", old.metadata.resource_version):
            raise Conflict(f"{key}: precondition failed: resourceVersion")
        meta = old.metadata
        if propagation in ("Foreground", "Orphan"):
            finalizer = "foregroundDeletion" if propagation == "Foreground" else "orphan"
            meta = replace(meta, finalizers=tuple(dict.fromkeys((*meta.finalizers, finalizer))))
        if self.graceful and resource.kind == "Pod" and getattr(old, "spec").node_name and grace != 0:  # noqa: B009 - any kind
            stays = True
        else:
            stays = bool(meta.finalizers) or bool(getattr(getattr(old, "spec", None), "finalizers", ()))
        if not stays:
            await self._append("DELETED", resource, old)
        elif meta.deletion_timestamp is None:
            meta = replace(meta, deletion_timestamp=time_at(self.clock.now()), deletion_grace_period_seconds=grace or 0)
            await self._append("MODIFIED", resource, replace(old, metadata=meta))

    async def call(
        self, resource: Resource[Any], key: Key, subresource: str, body: Object | Mapping[str, Any]
    ) -> dict[str, Any]:
        self.calls.append((resource, key, subresource, body))
        return {}

    async def raw(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        place, _, query = path.partition("?")
        answer = self.answers.get((method, place))
        if answer is None:
            raise NotFound("the server could not find the requested resource")
        return answer(dict(parse_qsl(query)), body)

    # --- Levers for tests ---

    async def finish(self, resource: Resource[Any], key: Key) -> None:
        """What the node does at the end of a graceful deletion."""
        await self._append("DELETED", resource, self._stored(resource, key))

    async def set(self, resource: Resource[T], obj: T) -> T:
        """Store an object as it is, status included."""
        old = self.objects.get((resource, key_of(obj)))
        uid = obj.metadata.uid or (old.metadata.uid if old is not None else f"uid-{self.revision + 1}")
        obj = replace(obj, metadata=replace(obj.metadata, uid=uid))
        return await self._append("MODIFIED" if old is not None else "ADDED", resource, obj)

    # --- Inside ---

    def _check(self, verb: str, resource: Resource[Any], obj: Object | None) -> None:
        error = self.refuse(verb, resource, obj)
        if error is not None:
            raise error

    def _stored(self, resource: Resource[T], key: Key) -> T:
        found = self.objects.get((resource, key))
        if found is None:
            raise NotFound(f'{resource} "{key.name}" not found')
        return found  # type: ignore[return-value]  # keyed by resource

    async def _write(self, resource: Resource[T], old: T, new: T, subresource: str) -> T:
        kept = old.metadata
        if subresource == "status":
            new = replace(old, status=new.status)  # type: ignore[attr-defined]  # kinds with status only
        elif subresource == "finalize":
            new = replace(old, spec=new.spec)  # type: ignore[attr-defined]  # namespaces
        elif resource.has_status:
            new = replace(new, status=old.status)  # type: ignore[attr-defined]  # kinds with status only
        bumped = getattr(new, "spec", None) != getattr(old, "spec", None)
        meta = replace(
            new.metadata if not subresource else kept,
            uid=kept.uid,
            resource_version=kept.resource_version,
            creation_timestamp=kept.creation_timestamp,
            deletion_timestamp=kept.deletion_timestamp,
            generation=kept.generation + bumped,
        )
        new = replace(new, metadata=meta)
        if new == old:
            return old
        pending = meta.finalizers or getattr(getattr(new, "spec", None), "finalizers", ())
        grace = self.graceful and resource.kind == "Pod"
        if meta.deletion_timestamp is not None and not pending and not grace:
            return await self._append("DELETED", resource, new)
        return await self._append("MODIFIED", resource, new)

    def _shown(self, event: Event[T], select: Select) -> Event[T] | None:
        """The event as a watcher with this selection sees it: leaving the selection is a deletion."""
        if event.obj is None or selected(event.resource, select, event.obj):
            return event
        if event.type == "MODIFIED" and select != ALL:
            return Event("DELETED", event.resource, event.obj, event.revision)
        return None

    async def _append(self, kind: Literal["ADDED", "MODIFIED", "DELETED"], resource: Resource[T], obj: T) -> T:
        revision = self.revision + 1
        obj = replace(obj, metadata=replace(obj.metadata, resource_version=str(revision)))
        if kind == "DELETED":
            del self.objects[resource, key_of(obj)]
        else:
            self.objects[resource, key_of(obj)] = obj
        self.log.append(Event(kind, resource, obj, revision))
        async with self._grown:
            self._grown.notify_all()
        return obj

    def events(self, resource: Resource[Any], kind: str) -> Iterator[Event[Any]]:
        """The log of one resource."""
        return (event for event in self.log if event.resource is resource and event.type == kind)


def selected(resource: Resource[Any], select: Select, obj: Object) -> bool:
    """Whether a selection takes this object."""
    if select.namespace not in ("", obj.metadata.namespace):
        return False
    if not parse_labels(select.labels)(obj.metadata.labels):
        return False
    own = {"metadata.name": lambda o: o.metadata.name, "metadata.namespace": lambda o: o.metadata.namespace}
    fields = {**own, **(resource.fields or {})}
    return all((fields[path](obj) == value) == (op == "=") for path, op, value in parse_fields(select.fields))

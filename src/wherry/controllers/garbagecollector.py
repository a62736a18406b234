"""Garbage collector: objects whose owners are all gone go too; foreground and orphan deletion of owners.

Wakes on: every served kind but Events: an object with owners appears or changes them; an owner ends, or starts to.
Writes:   deletes dependents; owner references and the finalizers `foregroundDeletion` and `orphan`.
Upstream: https://kubernetes.io/docs/concepts/architecture/garbage-collection/

Invariants:
- an owner counts as gone only when the API itself says so: 404, or another uid under its name;
- an owner of an unknown kind never leads to a deletion, nor one that an object without namespace cannot have;
- an object is deleted only as long as its owner references are those that were judged;
- there is no state beyond the caches: after a restart every object with owners is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from wherry.api.core.event import EVENT
from wherry.api.events.event import EVENT as NEW_EVENT
from wherry.controllers.settings import Settings
from wherry.machinery.codec import to_dict
from wherry.machinery.errors import Conflict, NotFound
from wherry.machinery.meta import Key, Object, OwnerReference, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController, Customs, Watch
from wherry.reconcile.view import Index, View

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_VERBS = {"get", "list", "watch", "delete", "patch"}


@dataclass(frozen=True, slots=True)
class Item(Key):
    """A key together with its kind."""

    resource: Resource[Any]


@dataclass(frozen=True, slots=True)
class Owners:
    """The owner references of one object, sorted by what became of the owners."""

    solid: tuple[OwnerReference, ...] = ()
    waiting: tuple[OwnerReference, ...] = ()  # being deleted in the foreground: waits for its dependents
    gone: tuple[OwnerReference, ...] = ()


class Graph:
    """Who depends on whom, read from the caches."""

    def __init__(self, resources: tuple[Resource[Any], ...]) -> None:
        self.resources = tuple(r for r in resources if set(r.verbs) >= _VERBS and r is not EVENT and r is not NEW_EVENT)
        self._kinds: dict[tuple[str, str], Resource[Any]] = {(r.group, r.kind): r for r in self.resources}
        self._by_owner = {r: Index(r, _owner_uids) for r in self.resources}

    def __contains__(self, resource: Resource[Any]) -> bool:
        return resource in self._by_owner

    def join(self, resource: Resource[Any]) -> Watch:
        """A custom kind is there."""
        self._kinds[resource.group, resource.kind] = resource
        self._by_owner[resource] = Index(resource, _owner_uids)
        return _watch(self, resource)

    def leave(self, resource: Resource[Any]) -> None:
        """A custom kind is gone."""
        if self._by_owner.pop(resource, None) is not None:
            del self._kinds[resource.group, resource.kind]

    def owned_by_kind(self, view: View, kind: Resource[Any]) -> Iterator[Key]:
        """Everything that has an owner of a kind which was unknown until now."""
        for resource in self._by_owner:
            for obj in view.list(resource):
                refs = obj.metadata.owner_references
                if any(ref.kind == kind.kind and ref.api_version.startswith(f"{kind.group}/") for ref in refs):
                    yield _item(resource, obj)

    def dependents(self, view: View, kind: Resource[Any], owner: Object) -> Iterator[tuple[Resource[Any], Object]]:
        """Everything that names this very owner, from where it may."""
        for resource, index in self._by_owner.items():
            for obj in view.indexed(index, owner.metadata.uid):
                if self._names(obj, kind, owner):
                    yield resource, obj

    async def live_dependents(
        self, ctx: Context, kind: Resource[Any], owner: Object
    ) -> list[tuple[Resource[Any], Object]]:
        """The same, from the API: whoever is not let go in time is deleted, and a cache may not have seen the last."""
        found: list[tuple[Resource[Any], Object]] = []
        for resource in tuple(self._by_owner):
            if resource.namespaced or not kind.namespaced:
                listed = await ctx.api.listed(resource, owner.metadata.namespace)
                found += ((resource, obj) for obj in listed if self._names(obj, kind, owner))
        return found

    def _names(self, obj: Object, kind: Resource[Any], owner: Object) -> bool:
        meta = owner.metadata
        place = Item(meta.namespace, meta.name, kind)
        return any(ref.uid == meta.uid and self.owner(ref, obj) == place for ref in obj.metadata.owner_references)

    def owner(self, ref: OwnerReference, obj: Object) -> Item | None:
        """Where the owner has to be; None for a kind we do not know, and for one that lives in a namespace when the
        object does not."""
        resource = self._kind(ref)
        if resource is None or self.misplaced(ref, obj):
            return None
        return Item(obj.metadata.namespace if resource.namespaced else "", ref.name, resource)

    def misplaced(self, ref: OwnerReference, obj: Object) -> bool:
        """Whether an object without namespace names an owner that has one."""
        resource = self._kind(ref)
        return resource is not None and resource.namespaced and not obj.metadata.namespace

    def _kind(self, ref: OwnerReference) -> Resource[Any] | None:
        return self._kinds.get((ref.api_version.rpartition("/")[0], ref.kind))


def controller(settings: Settings) -> AsyncController:
    """The collector for all kinds of `settings.resources`."""
    graph = Graph(settings.resources)

    async def reconcile(ctx: Context, key: Key) -> float | None:
        """One run for one object of any kind."""
        assert isinstance(key, Item)
        if key.resource not in graph:
            return None
        obj = ctx.view.get(key.resource, Key(key.namespace, key.name))
        if obj is None:
            return None
        if obj.metadata.deletion_timestamp is not None:
            await _let_go(graph, ctx, key.resource, obj)
        elif obj.metadata.owner_references:
            await _collect(graph, ctx, key.resource, obj)
        return None

    watches = tuple(_watch(graph, resource) for resource in graph.resources)
    customs = Customs(graph.join, graph.leave, graph.owned_by_kind)
    component = "garbage-collector-controller"
    return AsyncController("garbagecollector", reconcile, watches=watches, component=component, customs=customs)


# --- Dependents ---


async def _collect(graph: Graph, ctx: Context, resource: Resource[Any], obj: Object) -> None:
    owners = await _sort(graph, ctx, obj)
    if owners.solid:
        if owners.gone or owners.waiting:
            await _keep_only(ctx, resource, obj, owners.solid)
        return
    own = [dependent for _, dependent in graph.dependents(ctx.view, resource, obj)]
    if owners.waiting and own:
        if any(map(_waits, own)):
            # its dependent waits for its own dependents already: very likely a circle, which nobody must hold up
            refs = obj.metadata.owner_references
            if any(ref.block_owner_deletion for ref in refs):
                await _keep_only(ctx, resource, obj, tuple(replace(ref, block_owner_deletion=False) for ref in refs))
        await _delete(ctx, resource, obj, "Foreground")
    else:
        await _delete(ctx, resource, obj, _wish(obj))


def _wish(obj: Object) -> str:
    """How an object wants to go, by the finalizers it was given before."""
    if ORPHAN in obj.metadata.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in obj.metadata.finalizers else "Background"


async def _delete(ctx: Context, resource: Resource[Any], obj: Object, propagation: str) -> None:
    """Delete what still has the owners and finalizers that it had in the cache; a change of theirs wakes us again."""
    key, uid = key_of(obj), obj.metadata.uid
    revision = obj.metadata.resource_version
    try:
        await ctx.api.delete(resource, key, uid=uid, revision=revision, propagation=propagation)
    except Conflict:
        with suppress(NotFound):
            live: Object = await ctx.api.get(resource, key)
            revision = live.metadata.resource_version
            if live.metadata.uid == uid and not _matters(obj, live):
                await ctx.api.delete(resource, key, uid=uid, revision=revision, propagation=propagation)


async def _sort(graph: Graph, ctx: Context, obj: Object) -> Owners:
    solid, waiting, gone = [], [], []
    for ref in obj.metadata.owner_references:
        owner = await _find(graph, ctx, ref, obj)
        if owner is None:
            gone.append(ref)
        elif isinstance(owner, Object) and _waits(owner):
            waiting.append(ref)
        else:
            solid.append(ref)
    return Owners(tuple(solid), tuple(waiting), tuple(gone))


async def _find(graph: Graph, ctx: Context, ref: OwnerReference, obj: Object) -> Object | OwnerReference | None:
    """The owner; the reference itself when we cannot know; None when the owner is gone for certain."""
    item = graph.owner(ref, obj)
    if item is None:
        if graph.misplaced(ref, obj):
            place = f"namespace: , name: {ref.name}, uid: {ref.uid}"
            why = f'ownerRef [{ref.api_version}/{ref.kind}, {place}] does not exist in namespace ""'
            ctx.emit(obj, "Warning", "OwnerRefInvalidNamespace", why)
        return ref
    key = Key(item.namespace, item.name)
    cached: Object | None = ctx.view.get(item.resource, key)
    if cached is not None and cached.metadata.uid == ref.uid:
        return cached
    try:
        live: Object = await ctx.api.get(item.resource, key)
    except NotFound:
        return None
    return live if live.metadata.uid == ref.uid else None


def _waits(owner: Object) -> bool:
    return owner.metadata.deletion_timestamp is not None and FOREGROUND in owner.metadata.finalizers


async def _keep_only(ctx: Context, resource: Resource[Any], obj: Object, refs: tuple[OwnerReference, ...]) -> None:
    await _write(ctx, resource, obj, ownerReferences=[to_dict(ref) for ref in refs])


async def _write(ctx: Context, resource: Resource[Any], obj: Object, **metadata: Any) -> None:
    """Change metadata of this very state of an object, whose other fields we may not know."""
    meta = obj.metadata
    same = {"uid": meta.uid, "resourceVersion": meta.resource_version}
    await ctx.api.patch(resource, key_of(obj), {"metadata": {**same, **metadata}})


# --- Owners ---


async def _let_go(graph: Graph, ctx: Context, resource: Resource[Any], owner: Object) -> None:
    """Orphan or delete the dependents of an owner that waits for it, then take the finalizer off."""
    uid = owner.metadata.uid
    if ORPHAN in owner.metadata.finalizers:
        for kind, obj in await graph.live_dependents(ctx, resource, owner):
            refs = tuple(ref for ref in obj.metadata.owner_references if ref.uid != uid)
            await _keep_only(ctx, kind, obj, refs)
        await _finalized(ctx, resource, owner, ORPHAN)
    elif FOREGROUND in owner.metadata.finalizers:
        blocking = False
        for kind, obj in list(graph.dependents(ctx.view, resource, owner)):
            held = any(r.uid == uid and r.block_owner_deletion for r in obj.metadata.owner_references)
            blocking = blocking or (held and not _in_circle(graph, ctx.view, (kind, obj), uid))
            if obj.metadata.deletion_timestamp is None:
                await _collect(graph, ctx, kind, obj)
        if not blocking:
            await _finalized(ctx, resource, owner, FOREGROUND)


def _in_circle(graph: Graph, view: View, dependent: tuple[Resource[Any], Object], owner: str) -> bool:
    """Whether a dependent of `owner` (its uid) waits in turn for it, over whatever other objects that wait: each would
    wait for the next for ever."""
    seen: set[str] = set()
    todo = [dependent]
    while todo:
        kind, obj = todo.pop()
        if not _waits(obj) or obj.metadata.uid in seen:
            continue
        if obj.metadata.uid == owner:
            return True
        seen.add(obj.metadata.uid)
        todo += graph.dependents(view, kind, obj)
    return False


async def _finalized(ctx: Context, resource: Resource[Any], owner: Object, finalizer: str) -> None:
    kept = tuple(name for name in owner.metadata.finalizers if name != finalizer)
    await _write(ctx, resource, owner, finalizers=list(kept))


# --- What wakes it ---


def _owner_uids(obj: Object) -> Iterator[str]:
    return (ref.uid for ref in obj.metadata.owner_references)


def _watch(graph: Graph, resource: Resource[Any]) -> Watch:
    def keys(view: View, obj: Object) -> Iterator[Key]:
        meta = obj.metadata
        if view.get(resource, key_of(obj)) is None:
            for kind, dependent in graph.dependents(view, resource, obj):
                yield _item(kind, dependent)
        elif meta.owner_references or meta.deletion_timestamp is not None:
            yield _item(resource, obj)
        for ref in meta.owner_references:
            item = graph.owner(ref, obj)
            owner = view.get(item.resource, Key(item.namespace, item.name)) if item is not None else None
            if item is not None and owner is not None and _waits(owner):
                yield item

    return Watch(resource, keys, changed=_matters)


def _item(resource: Resource[Any], obj: Object) -> Item:
    return Item(obj.metadata.namespace, obj.metadata.name, resource)


def _matters(old: Object, new: Object) -> bool:
    a, b = old.metadata, new.metadata
    return (a.owner_references, a.deletion_timestamp, a.finalizers, a.uid) != (
        b.owner_references,
        b.deletion_timestamp,
        b.finalizers,
        b.uid,
    )

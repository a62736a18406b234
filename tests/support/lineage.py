"""Lineage: what is written about objects in order of revisions, judged by the rules of owners and finalizers.

Knows nothing of how the garbage collector works. Given every change of some kinds (`see`, in any order) and what users
asked for (`dooms`, `holds`, `frees`), `broken` says which of these promises was not kept:

- nothing is deleted, unless a user asked for that very object, or every owner it named then was gone, or was itself
  waiting for its dependents to go;
- when an object is deleted and its dependents are to be orphaned, those that it had then no longer name it afterwards;
- no object goes while a finalizer that a user put on it is there;
- when all is quiet, nothing stays whose owners are all gone, nothing names an owner that is gone beside one that lives,
  and nothing waits to be deleted but for a user's finalizer.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wherry.client.interface import Event
from wherry.machinery.meta import Object, OwnerReference
from wherry.machinery.resource import Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
OWN = frozenset({FOREGROUND, ORPHAN})


class Thing(NamedTuple):
    """An object at some moment."""

    resource: Resource[Any]
    obj: Object


@dataclass(slots=True)
class Lineage:
    """`kinds`: the kinds that can be owners, by (group, kind)."""

    kinds: dict[tuple[str, str], Resource[Any]]
    doomed: set[str] = field(default_factory=set)
    """uids that users asked to delete."""
    held: dict[str, set[str]] = field(default_factory=dict)
    """uid -> finalizers that users have put on it and not begun to take off."""
    _seen: list[tuple[Event[Any], Object]] = field(default_factory=list)
    _live: dict[str, Thing] = field(default_factory=dict)
    _began: set[str] = field(default_factory=set)
    _switched: set[str] = field(default_factory=set)
    """uids that users asked to delete otherwise than by orphaning."""
    _adopted: set[str] = field(default_factory=set)
    """uids whose owners users have changed."""
    _waited: set[str] = field(default_factory=set)
    """uids that have waited for their dependents once, though a user may have changed his mind since."""
    _orphans: dict[str, set[str]] = field(default_factory=dict)
    """uid of an owner that lets its dependents go -> those that it had when that began."""

    def see(self, event: Event[Any]) -> None:
        """A change, of any kind, as watched."""
        if event.obj is not None:
            self._seen.append((event, event.obj))

    def dooms(self, uid: str, policy: str) -> None:
        """A user is about to delete it."""
        self.doomed.add(uid)
        if policy not in ("", "Orphan"):
            self._switched.add(uid)

    def adopts(self, uid: str) -> None:
        """A user is about to give it other owners."""
        self._adopted.add(uid)

    def holds(self, obj: Object, finalizer: str) -> None:
        """A user has put a finalizer on it: the answer says so."""
        if finalizer in obj.metadata.finalizers:
            self.held.setdefault(obj.metadata.uid, set()).add(finalizer)

    def frees(self, uid: str, finalizer: str) -> None:
        """A user is about to take it off."""
        self.held.get(uid, set()).discard(finalizer)

    def broken(self) -> Iterator[str]:
        """What went wrong, once nothing happens any more. Forgets the events; what lives is remembered."""
        for event, obj in sorted(self._seen, key=lambda seen: seen[0].revision):
            yield from self._apply(event, obj)
        self._seen.clear()
        for thing in self._live.values():
            yield from self._at_rest(thing)
        for uid, finalizers in self.held.items():
            if finalizers and uid not in self._live:
                yield f"{uid} is gone, and {finalizers} had not been taken off"

    def _apply(self, event: Event[Any], obj: Object) -> Iterator[str]:
        uid = obj.metadata.uid
        before = self._live.get(uid)
        ending = event.type == "DELETED" or obj.metadata.deletion_timestamp is not None
        if ending and uid not in self._began:
            self._began.add(uid)
            if before is not None and uid not in self.doomed:
                yield from self._unjust(before)
            if ORPHAN in obj.metadata.finalizers:
                self._orphans[uid] = set(self._dependents(uid))
        if obj.metadata.deletion_timestamp is not None and FOREGROUND in obj.metadata.finalizers:
            self._waited.add(uid)
        if event.type == "DELETED":
            self._live.pop(uid, None)
        else:
            self._live[uid] = Thing(event.resource, obj)
        if event.type == "DELETED" or ORPHAN not in obj.metadata.finalizers:
            yield from self._unorphaned(uid, self._orphans.pop(uid, set()))

    def _dependents(self, uid: str) -> Iterator[str]:
        for other in self._live.values():
            meta = other.obj.metadata
            refs = [ref for ref in meta.owner_references if ref.uid == uid]
            kind = self.kinds.get((refs[0].api_version.rpartition("/")[0], refs[0].kind)) if refs else None
            if kind is not None and self._solid(other, refs[0]) and (meta.namespace or not kind.namespaced):
                yield meta.uid

    def _unorphaned(self, uid: str, had: set[str]) -> Iterator[str]:
        for other in had - self._adopted - (had if uid in self._switched else set()):
            thing = self._live.get(other)
            if thing is None or other in self._began:
                continue
            if any(ref.uid == uid for ref in thing.obj.metadata.owner_references):
                yield f"{_name(thing)} still names {uid}, which has let go its dependents"

    def _unjust(self, thing: Thing) -> Iterator[str]:
        refs = thing.obj.metadata.owner_references
        solid = [ref for ref in refs if self._solid(thing, ref) and ref.uid not in self._waited]
        if solid or not refs:
            yield f"{_name(thing)} was deleted, and its owners are {[(ref.kind, ref.name) for ref in solid]}"

    def _at_rest(self, thing: Thing) -> Iterator[str]:
        meta = thing.obj.metadata
        if meta.deletion_timestamp is not None:
            if not set(meta.finalizers) - OWN and not self._held_below(meta.uid, set()):
                yield f"{_name(thing)} waits to be deleted for ever: {meta.finalizers}"
            return
        solid = [self._solid(thing, ref) for ref in meta.owner_references]
        if solid and not any(solid):
            yield f"{_name(thing)} stays, and all its owners are gone"
        if any(solid) and not all(solid):
            yield f"{_name(thing)} still names owners that are gone"

    def _held_below(self, uid: str, seen: set[str]) -> bool:
        """Whether something that blocks it, at any distance, waits for a user."""
        if uid in seen:
            return False
        seen.add(uid)
        for other in self._live.values():
            meta = other.obj.metadata
            if any(ref.uid == uid and ref.block_owner_deletion for ref in meta.owner_references) and (
                set(meta.finalizers) - OWN or self._held_below(meta.uid, seen)
            ):
                return True
        return False

    def _solid(self, thing: Thing, ref: OwnerReference) -> bool:
        """Whether an owner counts: it lives where it has to be and does not wait for its dependents; or nobody can
        know."""
        resource = self.kinds.get((ref.api_version.rpartition("/")[0], ref.kind))
        namespace = thing.obj.metadata.namespace
        if resource is None or (resource.namespaced and not namespace):
            return True
        owner = self._live.get(ref.uid)
        if owner is None or owner.resource is not resource or owner.obj.metadata.name != ref.name:
            return False
        meta = owner.obj.metadata
        if resource.namespaced and meta.namespace != namespace:
            return False
        return meta.deletion_timestamp is None or FOREGROUND not in meta.finalizers


def _name(thing: Thing) -> str:
    meta = thing.obj.metadata
    return f"{thing.resource.plural} {meta.namespace}/{meta.name} ({meta.uid})"

"""Ownership: which objects a controller may count as its own, adopting strays and letting go of what left.

An object is ours when its controller reference has our uid. One without controller that our selector matches is
adopted, after a live check that we still exist; one of ours that no longer matches is released. Both take effect in a
later run, when the caches show them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from msgspec.structs import replace

from wherry.machinery.meta import Key, Object, OwnerReference, T, controller_of, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.actions import Action, Adopt, Replace
from wherry.reconcile.controller import Watch, always
from wherry.reconcile.view import View

Selects = Callable[[Mapping[str, str]], bool]


@dataclass(slots=True)
class Claimed(Generic[T]):
    """What is ours and matches, and what has to be done about the rest."""

    ours: list[T] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


def claim(
    view: View, resource: Resource[T], owner: Object, owner_resource: Resource[Any], selects: Selects
) -> Claimed[T]:
    """Sort the objects of the owner's namespace. A dying owner adopts and releases nothing."""
    found: Claimed[T] = Claimed()
    dying = owner.metadata.deletion_timestamp is not None
    for obj in view.owned(resource, owner):
        if selects(obj.metadata.labels):
            found.ours.append(obj)
        elif not dying:
            found.actions.append(release(resource, obj, owner))
    if dying:
        return found
    for obj in view.orphans(resource, owner.metadata.namespace):
        if obj.metadata.deletion_timestamp is None and selects(obj.metadata.labels):
            found.actions.append(Adopt(resource, obj, owner_resource, owner))
    return found


def release(resource: Resource[Any], obj: Object, owner: Object) -> Replace:
    """Take the owner's references off an object."""
    refs = tuple(ref for ref in obj.metadata.owner_references if ref.uid != owner.metadata.uid)
    return Replace(resource, replace(obj, metadata=replace(obj.metadata, owner_references=refs)))


def reference(resource: Resource[Any], owner: Object) -> OwnerReference:
    """The controller reference to `owner`."""
    return OwnerReference(
        api_version=resource.api_version,
        kind=resource.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def strays(
    resource: Resource[Any], owner_resource: Resource[T], selects: Callable[[T, Mapping[str, str]], bool]
) -> Watch:
    """A Watch that wakes every owner whose selector matches an object without controller."""

    def keys(view: View, obj: Object) -> Iterable[Key]:
        if controller_of(obj) is not None or obj.metadata.deletion_timestamp is not None:
            return
        for owner in view.list(owner_resource, obj.metadata.namespace):
            if selects(owner, obj.metadata.labels):
                yield key_of(owner)

    return Watch(resource, keys, changed=always)

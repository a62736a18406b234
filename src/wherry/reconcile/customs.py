"""Custom kinds as they come and go: one informer for each, and the controllers that care are told.

Wakes on: CustomResourceDefinitions that are established, changed or deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION
from wherry.api.apiextensions.instances import Facts, facts_of, handle
from wherry.api.types.apiextensions import CustomResourceDefinition
from wherry.machinery.resource import Resource
from wherry.reconcile.cache import Caches


class Follower(Protocol):
    """A controller at work."""

    async def join(self, resource: Resource[Any]) -> None:
        """A kind is there."""

    def leave(self, resource: Resource[Any]) -> None:
        """A kind is gone."""


class _Kinds:
    def __init__(self, caches: Caches, followers: Sequence[Follower], group: asyncio.TaskGroup) -> None:
        self._caches = caches
        self._followers = followers
        self._group = group
        self._known: dict[str, tuple[Facts, Resource[Any], list[asyncio.Task[None]]]] = {}

    def take(self, old: Any, new: Any) -> None:
        """A definition is another one now; None stands for absent."""
        crd: CustomResourceDefinition = new if new is not None else old
        name, facts = crd.metadata.name, None if new is None else facts_of(crd)
        known = self._known.get(name)
        if known is not None and known[0] != facts:
            self._drop(name)
            known = None
        if known is None and facts is not None:
            resource = handle(facts)
            self._caches.add(resource)
            joining = [self._group.create_task(follower.join(resource)) for follower in self._followers]
            self._known[name] = (facts, resource, joining)

    def _drop(self, name: str) -> None:
        _, resource, joining = self._known.pop(name)
        for task in joining:
            task.cancel()
        for follower in self._followers:
            follower.leave(resource)
        self._caches.drop(resource)


async def follow_customs(caches: Caches, followers: Sequence[Follower]) -> None:
    """For ever: keep the caches and the controllers up to date about what kinds there are."""
    async with asyncio.TaskGroup() as group:
        kinds = _Kinds(caches, followers, group)
        definitions = caches.of(CUSTOMRESOURCEDEFINITION)
        definitions.listen(kinds.take)
        for crd in definitions.list():
            kinds.take(None, crd)
        await asyncio.Event().wait()

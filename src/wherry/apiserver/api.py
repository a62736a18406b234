"""Api: what every verb, subresource and admission plugin needs, in one place; and the way from an object to the log.

Reads come from windows; `commit` is the only write. Nothing here knows HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec.structs import replace

from wherry.aio.clock import Clock
from wherry.api.types.apps import ControllerRevision
from wherry.apiserver import strategy, unreadable
from wherry.apiserver.admission.event_buckets import Buckets
from wherry.apiserver.admission.podsecurity.policy import Settings as PodSecurity
from wherry.apiserver.context import Context, not_found
from wherry.apiserver.served import Served
from wherry.apiserver.uids import Uids
from wherry.machinery import codec
from wherry.machinery.errors import APIError, InternalError, ServiceUnavailable
from wherry.machinery.meta import Object, T
from wherry.machinery.names import Random
from wherry.machinery.resource import Resource
from wherry.machinery.time import Time, time_at
from wherry.store.entry import Entry, with_revision
from wherry.store.log import OutcomeUnknown, Unavailable
from wherry.store.window import Window
from wherry.store.windows import Windows

if TYPE_CHECKING:
    from wherry.apiserver.admission.in_flight import InFlight
    from wherry.apiserver.admission.policies.table import PolicyTables
    from wherry.apiserver.aggregation.remotes import Remotes
    from wherry.apiserver.allocators import Allocators
    from wherry.apiserver.audit.auditor import Auditor
    from wherry.apiserver.authn.authenticator import Authenticator
    from wherry.apiserver.authn.tokens import Tokens
    from wherry.apiserver.authz.authorizer import Authorizer
    from wherry.apiserver.http import Answer, Request
    from wherry.apiserver.metering.usage import ResourceMetrics
    from wherry.apiserver.routes import RequestInfo
    from wherry.apiserver.subresources.agents import Agents
    from wherry.apiserver.webhooks.client import WebhookClient
    from wherry.apiserver.webhooks.table import Tables


O = TypeVar("O")  # noqa: E741 - an object of whatever kind


class Admission(Protocol):
    """Who is asked about a write before it is one."""

    async def mutate(self, api: Api, ctx: Context[Any], obj: O, old: O | None) -> O:
        """The object as it is to be. Raises APIError when somebody refuses. `obj` is None for deletes."""

    async def validate(self, api: Api, ctx: Context[Any], obj: O | None, old: O | None) -> None:
        """Raises APIError when somebody refuses. `obj` is None for deletes."""


@dataclass(slots=True)
class Api:
    """The parts of a running API server."""

    windows: Windows
    served: Served
    clock: Clock
    random: Random
    admission: Admission
    authorizer: Authorizer
    tokens: Tokens
    authenticator: Authenticator
    allocators: Allocators
    agents: Agents
    metering: ResourceMetrics
    webhooks: WebhookClient
    hooks: Tables
    policies: PolicyTables
    remotes: Remotes
    quotas: InFlight
    pod_security: PodSecurity = field(default_factory=PodSecurity)
    version: Mapping[str, str] = field(default_factory=dict)
    uid: Uids = field(default_factory=Uids)
    """`uid()` is a new uid."""
    audit: Auditor | None = None
    event_buckets: Buckets = field(default_factory=Buckets)
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the store takes no writes any more: the process should open it again."""

    serve: Callable[[Request, RequestInfo], Awaitable[Answer]] | None = None
    """Answers any request, discovery and aggregated APIs included, without asking who may; set once it listens."""

    def now(self) -> Time:
        """The time as objects record it."""
        return _time(int(self.clock.now()))

    def window(self, resource: Resource[T]) -> Window[T]:
        """The window of a resource."""
        return self.windows.of(resource)

    def find(self, resource: Resource[T], namespace: str, name: str) -> Entry[T] | None:
        """One object as of now, or None."""
        window = self.windows.of(resource)
        return window.get(window.key(namespace if resource.namespaced else "", name))

    def get(self, resource: Resource[T], namespace: str, name: str) -> Entry[T]:
        """One object as of now. Raises NotFound."""
        found = self.find(resource, namespace, name)
        if found is None:
            unreadable.check(self.windows.of(resource), resource, namespace, name)
            raise not_found(resource, name)
        return found

    async def current(self, resource: Resource[T], namespace: str, name: str) -> Entry[T]:
        """One object as of now, in the version of `resource`. Raises NotFound, InternalError."""
        entry = self.get(resource, namespace, name)
        if resource.custom is not None:
            (entry,) = await resource.custom.show((entry,))
        return entry

    async def commit(self, ctx: Context[T], obj: T, before: Entry[T] | None) -> Entry[T]:
        """Write an object over what was read (None: nothing) and return it as served.

        Raises store.log.Changed when somebody else was first, ServiceUnavailable when the store is gone,
        InternalError when it failed meanwhile.
        With dry-run nothing is written.
        """
        if ctx.resource.custom is not None:
            return await self._commit_custom(ctx, obj, before)
        window = self.windows.of(ctx.resource)
        key = window.key(obj.metadata.namespace, obj.metadata.name)
        value = encode(obj)
        if before is not None and with_revision(value, before.revision) == before.data:
            ctx.cancel()
            return before
        if ctx.dry_run:
            ctx.cancel()
            data = with_revision(value, before.revision) if before else value
            return Entry(window.kind, key, data, before.revision if before else 0, before.created if before else 0)
        revision = await self._append(ctx, key, value, before.revision if before else 0)
        entry = window.get(key)
        if entry is not None and entry.revision == revision:
            return entry
        created = before.created if before else revision
        return Entry(window.kind, key, with_revision(value, revision), revision, created)

    async def _commit_custom(self, ctx: Context[T], obj: T, before: Entry[T] | None) -> Entry[T]:
        """The same for a custom resource, which may be stored in another version than the request's."""
        custom = ctx.resource.custom
        window = self.windows.of(ctx.resource)
        key = window.key(obj.metadata.namespace, obj.metadata.name)
        bare = replace(obj, metadata=strategy.bare(obj.metadata))
        try:
            value = await custom.to_store(bare)
        except Exception:
            ctx.cancel()
            raise
        present = window.get(key)
        revision = before.revision if before else 0
        if before and present and present.revision == revision and with_revision(value, revision) == present.data:
            ctx.cancel()
            return before
        if ctx.dry_run:
            ctx.cancel()
            shown: Entry[T] = custom.written(key, bare, revision, before.created if before else 0)
            return shown
        revision = await self._append(ctx, key, value, revision)
        done: Entry[T] = custom.written(key, bare, revision, before.created if before else revision)
        return done

    async def _append(self, ctx: Context[T], key: str, value: bytes, revision: int) -> int:
        try:
            done = await self.windows.log.append(key, value, revision)
        except Unavailable as error:
            ctx.cancel()
            raise self._unavailable(error) from None
        except Exception:
            # not when cancelled: the write may yet become durable, and then needs what was reserved for it
            ctx.cancel()
            raise
        ctx.undo.clear()
        return done

    def _unavailable(self, error: Unavailable) -> APIError:
        """503 only where nothing was written: who reads 503 may try again."""
        self.broken.set()
        if isinstance(error, OutcomeUnknown):
            return InternalError(f"it is not known whether this was written: {error}")
        return ServiceUnavailable(f"the store takes no writes: {error}")

    async def remove(self, ctx: Context[T], before: Entry[T]) -> Entry[T]:
        """Delete what was read; returns it as of its deletion. Raises as `commit`."""
        if ctx.dry_run:
            return before
        try:
            revision = await self.windows.log.append(before.key, None, before.revision)
        except Unavailable as error:
            raise self._unavailable(error) from None
        return before.at(revision)


@lru_cache(maxsize=2)
def _time(second: int) -> Time:
    return time_at(second)


def encode(obj: Object) -> bytes:
    """An object as it is stored: without its revision."""
    meta = obj.metadata
    if meta.resource_version:
        obj = replace(obj, metadata=strategy.bare(meta))
    data = codec.encode(obj)
    return data if obj.__class__ is not ControllerRevision else codec.as_go_writes(data)  # which clients compare

"""InFlight: what quotas have let pass and is not to be seen yet counts as if it were there.

So that many requests at once do not get past together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from wherry.aio.clock import Clock
from wherry.apiserver.context import Context
from wherry.machinery.meta import Object
from wherry.machinery.resource import Resource
from wherry.store.windows import Windows

_KEPT_SECONDS: Final = 60.0
"""How long a write may be under way, when nobody tells that it has failed."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An object that has passed and is not to be seen yet. `revision`: of what it replaces, 0 for nothing."""

    resource: Resource[Any]
    key: str
    obj: Object
    revision: int
    until: float
    ctx: Context[Any]
    """Its request; once there is nothing left to undo, it has been written or given up."""


class InFlight:
    """What is on its way to the log, by namespace; only in namespaces with quotas."""

    def __init__(self, windows: Windows, clock: Clock) -> None:
        self._windows = windows
        self._clock = clock
        self._pending: dict[str, list[Pending]] = {}

    def of(self, resource: Resource[Any], namespace: str) -> Iterable[Pending]:
        """Of one kind, what is still not to be seen."""
        pending = self._pending.get(namespace)
        if not pending:
            return ()
        now = self._clock.monotonic()
        pending[:] = [one for one in pending if one.ctx.undo and one.until > now and not self._arrived(one)]
        if not pending:
            del self._pending[namespace]
        return [one for one in pending if one.resource is resource]

    def add(self, ctx: Context[Any], obj: Object, revision: int) -> None:
        """Count it until it is to be seen, or until the request fails."""
        namespace = ctx.namespace
        key = self._windows.of(ctx.resource).key(namespace, obj.metadata.name)
        one = Pending(ctx.resource, key, obj, revision, self._clock.monotonic() + _KEPT_SECONDS, ctx)
        self._pending.setdefault(namespace, []).append(one)
        ctx.undo.append(lambda: self._forget(namespace, one))

    def _forget(self, namespace: str, one: Pending) -> None:
        pending = self._pending.get(namespace, [])
        if one in pending:
            pending.remove(one)
        if not pending:
            self._pending.pop(namespace, None)

    def _arrived(self, one: Pending) -> bool:
        entry = self._windows.of(one.resource).get(one.key)
        return entry is not None and entry.revision > one.revision

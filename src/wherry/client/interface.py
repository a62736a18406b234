"""Client: how every component except the API server reaches objects. The same over HTTPS and in process.

Errors are `wherry.machinery.errors.APIError`s. Objects handed out are shared and frozen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeAlias

from wherry.machinery.meta import Key, Object, T
from wherry.machinery.resource import Resource


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """One change as a watcher sees it. `revision` is the position to resume from.

    BOOKMARK carries no object: everything up to `revision` has been delivered. SYNCED comes once, after the initial
    state has been delivered as ADDED events.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "SYNCED"]
    resource: Resource[T]
    obj: T | None
    revision: int


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A consistent list and the revision at which it is true."""

    items: tuple[T, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Select:
    """Which objects: `namespace` "" means all; `labels` and `fields` are selector strings as on the wire."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""


ALL = Select()
Operations: TypeAlias = list[Any]
"""A JSON patch: its operations in order."""


class Client(Protocol):
    """Verbs on objects. Writes return the object as stored."""

    async def get(self, resource: Resource[T], key: Key) -> T:
        """One object. Raises NotFound."""

    async def list(self, resource: Resource[T], select: Select = ALL) -> Listing[T]:
        """All matching objects, most recent state."""

    def watch(self, resource: Resource[T], select: Select = ALL, since: int | None = None) -> AsyncIterator[Event[T]]:
        """Changes, for ever. Without `since`: first the present state as ADDED events, then SYNCED, then changes.

        Reconnects by itself and goes on where it was; when history is gone it starts over with the present state,
        making up DELETED events for what has vanished meanwhile and ending in SYNCED again.
        """

    async def create(self, resource: Resource[T], obj: T) -> T:
        """Create. Raises AlreadyExists, Invalid, Forbidden."""

    async def replace(self, resource: Resource[T], obj: T, subresource: str = "") -> T:
        """Write the whole object; its resourceVersion, if set, must be current. Raises Conflict, NotFound, Invalid."""

    async def patch(
        self, resource: Resource[T], key: Key, patch: Mapping[str, Any] | Operations, *,
        kind: Literal["merge", "json", "strategic", "apply"] = "merge", subresource: str = "",
    ) -> T:  # fmt: skip
        """Change part of an object. `apply` uses this client's user agent as field manager and forces."""

    async def delete(
        self, resource: Resource[T], key: Key, *, uid: str = "", revision: str = "", grace: int | None = None,
        propagation: str = "",
    ) -> None:  # fmt: skip
        """Delete; with `uid`, only that very object, with `revision`, only that state of it.
        `grace` seconds; propagation Orphan|Background|Foreground."""

    async def call(
        self, resource: Resource[Any], key: Key, subresource: str, body: Object | Mapping[str, Any]
    ) -> dict[str, Any]:
        """POST to a subresource that has a body and answer of its own: binding, eviction, token."""

    async def raw(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any request by path and query, also to discovery and aggregated APIs: JSON in and out. Raises APIError."""

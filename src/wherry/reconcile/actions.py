"""What a controller may ask for. Plain data: planned by controllers, carried out by `executor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from wherry.machinery.meta import Key, Object
from wherry.machinery.resource import Resource


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell users: an Event about `obj`. In Create and Delete, `{name}` and `{error}` in the message are filled in."""

    obj: Object
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Create:
    """Create `obj`. `done` is told after success, `failed` after refusal."""

    resource: Resource[Any]
    obj: Object
    done: Emit | None = None
    failed: Emit | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this very object. `propagation`: "" (the kind's default), Orphan, Background or Foreground."""

    resource: Resource[Any]
    key: Key
    uid: str  # precondition: never delete a namesake
    propagation: str = ""
    grace: int | None = None
    done: Emit | None = None
    failed: Emit | None = None


@dataclass(frozen=True, slots=True)
class Replace:
    """Optimistic update (resourceVersion is checked); `subresource` is "", "status", "finalize"."""

    resource: Resource[Any]
    obj: Object
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """JSON merge patch; put `metadata.uid` or `metadata.resourceVersion` into it to make it conditional."""

    resource: Resource[Any]
    key: Key
    patch: Mapping[str, Any]
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make `owner` the controller of `obj`, after asking the API (not the cache) that this very owner still stands."""

    resource: Resource[Any]
    obj: Object
    owner_resource: Resource[Any]
    owner: Object


@dataclass(frozen=True, slots=True)
class Requeue:
    """Plan this key again in `after` seconds, even if nothing happens."""

    after: float
    why: str


Action: TypeAlias = Emit | Create | Delete | Replace | Patch | Adopt | Requeue

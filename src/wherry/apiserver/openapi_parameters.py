"""Parameters that operations have in the OpenAPI documents, by action. Pure.

A name in braces is a part of the path. Custom resources differ as they do upstream: their reads say which revision,
and to delete a collection takes no options.
https://kubernetes.io/docs/reference/kubernetes-api/common-parameters/common-parameters/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Names = tuple[str, ...]

_BOOLEAN: Final = frozenset((
    "allowWatchBookmarks", "follow", "force", "ignoreStoreReadErrorWithClusterBreakingPotential",
    "insecureSkipTLSVerifyBackend", "orphanDependents", "previous", "sendInitialEvents", "stderr", "stdin", "stdout",
    "timestamps", "tty", "watch",
))  # fmt: skip
_INTEGER: Final = frozenset((
    "gracePeriodSeconds", "limit", "limitBytes", "ports", "sinceSeconds", "tailLines", "timeoutSeconds",
))  # fmt: skip
_WATCH: Final = ("allowWatchBookmarks", "watch")
_LIST: Final = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds", "watch",
)  # fmt: skip
_WRITE: Final = ("dryRun", "fieldManager", "fieldValidation")
_DELETE: Final = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
    "propagationPolicy",
)  # fmt: skip
_STREAMS: Final = ("container", "stderr", "stdin", "stdout", "tty")
_BY_ACTION: Final[Mapping[str, Names]] = {
    "get": (),
    "list": _LIST,
    "watch": _LIST,
    "watchlist": _LIST,
    "post": _WRITE,
    "put": _WRITE,
    "patch": (*_WRITE, "force"),
    "delete": _DELETE,
    "deletecollection": (*(name for name in _LIST if name not in _WATCH), *_DELETE),
}
_CUSTOM: Final[Mapping[str, Names]] = {**_BY_ACTION, "get": ("resourceVersion",), "deletecollection": _LIST}
_BY_SUBRESOURCE: Final[Mapping[str, Names]] = {
    "attach": _STREAMS,
    "exec": ("command", *_STREAMS),
    "portforward": ("ports",),
    "proxy": ("path",),
    "proxy/{path}": ("path",),
    "log": (
        "container", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "pretty", "previous", "sinceSeconds",
        "stream", "tailLines", "timestamps",
    ),
}  # fmt: skip
INLINE: Final = frozenset(("dryRun", "fieldValidation"))
"""What version 2 may not put aside and refer to: kubectl looks for them by name in the operation."""


def parameters(path: str, action: str, subresource: str = "", *, custom: bool = False) -> Names:
    """What an operation takes besides its body: first the parts of its path."""
    parts = tuple(segment for segment in path.split("/") if segment.startswith("{"))
    own = _BY_SUBRESOURCE.get(subresource)
    if own is not None:
        return *parts, *own
    return *parts, "pretty", *(_CUSTOM if custom else _BY_ACTION)[action]


def written(name: str, *, third: bool) -> dict[str, Any]:
    """One parameter, as this version of OpenAPI has it."""
    plain = name.strip("{}")
    kind = "boolean" if plain in _BOOLEAN else "integer" if plain in _INTEGER else "string"
    out: dict[str, Any] = {"name": plain, "in": "query"}
    if name != plain:
        out |= {"in": "path", "required": True}
    typed = {"type": kind, "uniqueItems": True}
    return out | ({"schema": typed} if third else typed)

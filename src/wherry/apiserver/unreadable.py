"""Objects that are stored but cannot be decrypted: they are said to be there, and can be deleted unread.

A get, a list over them, an update and an ordinary delete answer 500 with reason StorageReadError, as upstream does; a
delete with `ignoreStoreReadErrorWithClusterBreakingPotential` removes them, for those who have the verb
`unsafe-delete-ignore-read-errors`. https://kubernetes.io/blog/2025/05/27/kubernetes-v1-33-unsafe-delete/ (KEP-3926)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wherry.apiserver.context import Context, details
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.errors import APIError, Cause
from wherry.machinery.resource import Resource
from wherry.store.window import Window

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

VERB = "unsafe-delete-ignore-read-errors"


class StoreReadError(APIError):
    """500: stored, but not readable."""

    code = 500
    reason = "StorageReadError"


def check(window: Window[Any], resource: Resource[Any], namespace: str, name: str = "") -> None:
    """Raises StoreReadError when an object, or one of a namespace (or of all), cannot be read."""
    if not window.unreadable:
        return
    if name:
        key = window.key(namespace if resource.namespaced else "", name)
        found = [key] if key in window.unreadable else []
    else:
        scope = f"{window.prefix}{namespace}/" if namespace else window.prefix
        found = [key for key in window.unreadable if key.startswith(scope)]
    if found:
        names = [key.removeprefix(window.prefix) for key in found]
        raise StoreReadError(
            f"failed to read one or more {resource} from the storage: {', '.join(sorted(names)[:100])}",
            details=details(resource, name) if name else {"kind": resource.plural},
            causes=[
                Cause("UnexpectedServerResponse", f"data from the storage is not transformable: {n}") for n in names
            ],
        )


async def delete(api: Api, ctx: Context[Any], info: RequestInfo) -> bool:
    """Delete an object unread; False: it can be read, or is not there. Raises Forbidden, store.log.Changed."""
    api.authorizer.require(ctx.user, replace(info, verb=VERB))
    window = api.windows.of(ctx.resource)
    key = window.key(ctx.namespace if ctx.resource.namespaced else "", ctx.name)
    revision = window.unreadable.get(key)
    if revision is None:
        return False
    if not ctx.dry_run:
        await api.windows.log.append(key, None, revision)
    return True

"""Objects that are stored but cannot be decrypted: they are said to be there.

A get, a list over them, an update and an ordinary delete answer 500 with reason StorageReadError, as upstream does;
`delete_unread` removes them. https://kubernetes.io/blog/2025/05/27/kubernetes-v1-33-unsafe-delete/ (KEP-3926)
"""

from __future__ import annotations

from typing import Any

from wherry.apiserver.context import details
from wherry.machinery.errors import APIError, Cause
from wherry.machinery.resource import Resource
from wherry.store.window import Window


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

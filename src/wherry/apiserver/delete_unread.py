"""Deletes objects that cannot be decrypted, for those who have the verb `unsafe-delete-ignore-read-errors`.

Asked for by `ignoreStoreReadErrorWithClusterBreakingPotential` in the options of a delete.
https://kubernetes.io/blog/2025/05/27/kubernetes-v1-33-unsafe-delete/ (KEP-3926)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wherry.apiserver.api import Api
from wherry.apiserver.context import Context
from wherry.apiserver.routes import RequestInfo

VERB = "unsafe-delete-ignore-read-errors"


async def delete_unread(api: Api, ctx: Context[Any], info: RequestInfo) -> bool:
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

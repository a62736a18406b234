"""Storage version migrations: every object of a resource is written again, so that it is stored as it is now written.

Wakes on: StorageVersionMigration.
Writes:   StorageVersionMigration/status; every object that is older than the migration (a patch that changes nothing).
Upstream: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/storage-version-migration/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION
from wherry.api.apiextensions.instances import facts_of, handle
from wherry.api.storagemigration.storageversionmigration import STORAGEVERSIONMIGRATION
from wherry.api.types.storagemigration import StorageVersionMigration
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.errors import APIError, Conflict, NotFound
from wherry.machinery.meta import Condition, Key, Object, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.time import seconds, time_at
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController
from wherry.reconcile.view import View

PATIENCE = 60.0
"""Seconds that a resource may be unknown before the migration has failed."""
AGAIN = 5.0
_NEEDED = {"get", "list", "patch"}


def controller(settings: Settings) -> AsyncController:
    """The controller for the resources of `settings`."""
    known: Mapping[tuple[str, str], Resource[Any]] = {(r.group, r.plural): r for r in reversed(settings.resources)}

    async def reconcile(ctx: Context, key: Key) -> float | None:
        """One run for one StorageVersionMigration."""
        own = ctx.view.get(STORAGEVERSIONMIGRATION, key)
        if own is None or own.metadata.deletion_timestamp is not None or _ended(own):
            return None
        wanted = own.spec.resource
        resource = known.get((wanted.group, wanted.resource)) or _custom(ctx.view, wanted.group, wanted.resource)
        if resource is None:
            began = seconds(own.metadata.creation_timestamp or time_at(ctx.view.now))
            if ctx.view.now < began + PATIENCE:
                return AGAIN
            await _fail(ctx, own, "resource does not exist in discovery")
        elif not set(resource.verbs) >= _NEEDED:
            needed = " ".join(sorted(_NEEDED))
            await _fail(ctx, own, f'resource "{resource}" does not support discovery operations: [{needed}]')
        else:
            await _migrate(ctx, own, resource)
        return None

    return AsyncController(
        "storageversionmigration", reconcile, STORAGEVERSIONMIGRATION, reads=(CUSTOMRESOURCEDEFINITION,),
        component="storage-version-migrator-controller",
    )  # fmt: skip


def _custom(view: View, group: str, plural: str) -> Resource[Any] | None:
    """A custom kind by its name."""
    crd = view.get(CUSTOMRESOURCEDEFINITION, Key("", f"{plural}.{group}"))
    facts = None if crd is None else facts_of(crd)
    return None if facts is None else handle(facts)


def _ended(own: StorageVersionMigration) -> bool:
    found = own.status.conditions
    return conditions.is_true(found, "Succeeded") or conditions.is_true(found, "Failed")


async def _migrate(ctx: Context, own: StorageVersionMigration, resource: Resource[Any]) -> None:
    objects = await ctx.api.listed(resource)
    newest = max((int(obj.metadata.resource_version) for obj in objects), default=int(own.metadata.resource_version))
    status = replace(own.status, resource_version=own.status.resource_version or str(newest))
    own = await _say(ctx, replace(own, status=status), "Running", "MigrationRunning", "Migration is running")
    for obj in objects:
        try:
            await _touch(ctx, resource, obj)
        except (Conflict, NotFound):  # somebody has written it meanwhile: all the better
            continue
        except APIError as error:
            if error.code >= 500 or error.code == 429:
                raise
            await _fail(ctx, own, str(error))
            return
    await _say(ctx, own, "Succeeded", "StorageVersionMigrationSucceeded", "Migration completed")


async def _touch(ctx: Context, resource: Resource[Any], obj: Object) -> None:
    meta = {"uid": obj.metadata.uid, "resourceVersion": obj.metadata.resource_version}
    await ctx.api.patch(resource, key_of(obj), {"metadata": meta})


async def _fail(ctx: Context, own: StorageVersionMigration, why: str) -> None:
    await _say(ctx, own, "Failed", "StorageVersionMigrationFailed", why)


async def _say(
    ctx: Context, own: StorageVersionMigration, kind: str, reason: str, message: str
) -> StorageVersionMigration:  # fmt: skip
    wanted = Condition(type=kind, status="True", reason=reason, message=message)
    found = conditions.put(own.status.conditions, wanted, time_at(ctx.view.now))
    return await ctx.api.replace(
        STORAGEVERSIONMIGRATION, replace(own, status=replace(own.status, conditions=found)), "status"
    )

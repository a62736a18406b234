"""Carry out planned actions through the client.

Order: as planned, except that creates come last; deletes that follow each other go together. The first refusal ends
the run and is raised; what was written before it is in `api`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain

from msgspec.structs import replace

from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import OwnerReference, key_of
from wherry.reconcile.actions import Action, Adopt, Create, Delete, Emit, Patch, Replace, Requeue
from wherry.reconcile.context import TOGETHER, Tracked

Tell = Callable[[Emit], None]


async def execute(api: Tracked, actions: Iterable[Action], tell: Tell) -> float | None:
    """Do what was planned; returns after how many seconds the plan wants to be made again. Raises APIError."""
    creates: list[Create] = []
    deletes: list[Delete] = []
    again: float | None = None
    for action in actions:
        if deletes and not isinstance(action, Delete):
            await _delete_all(api, deletes, tell)
            deletes = []
        match action:
            case Create():
                creates.append(action)
            case Delete():
                deletes.append(action)
            case Requeue(after):
                again = after if again is None else min(after, again)
            case Emit():
                tell(action)
            case _:
                await _write(api, action)
    await _delete_all(api, deletes, tell)
    await _create_slowly(api, creates, tell)
    return again


async def _write(api: Tracked, action: Replace | Patch | Adopt) -> None:
    match action:
        case Replace(resource, obj, subresource):
            await api.replace(resource, obj, subresource)
        case Patch(resource, key, patch, subresource):
            await api.patch(resource, key, patch, subresource=subresource)
        case Adopt():
            await _adopt(api, action)


async def _adopt(api: Tracked, action: Adopt) -> None:
    """The cache may be behind: a deleted owner must not catch an object that lives on."""
    resource, owner = action.owner_resource, action.owner
    live = await api.get(resource, key_of(owner))
    if live.metadata.uid != owner.metadata.uid or live.metadata.deletion_timestamp is not None:
        return
    ref = OwnerReference(
        api_version=resource.api_version,
        kind=resource.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    meta = action.obj.metadata
    others = tuple(old for old in meta.owner_references if old.uid != ref.uid)
    adopted = replace(action.obj, metadata=replace(meta, owner_references=(*others, ref)))
    try:
        await api.replace(action.resource, adopted)
    except NotFound:
        api.deleted.append((action.resource, key_of(adopted), meta.uid))


async def _delete_all(api: Tracked, deletes: Sequence[Delete], tell: Tell) -> None:
    async def delete(action: Delete) -> None:
        try:
            await api.delete(
                action.resource, action.key, uid=action.uid, grace=action.grace, propagation=action.propagation
            )
        except APIError as error:
            _report(action.failed, action.key.name, error, tell)
            raise
        _report(action.done, action.key.name, None, tell)

    for start in range(0, len(deletes), TOGETHER):
        await _together(delete(action) for action in deletes[start : start + TOGETHER])


async def _create_slowly(api: Tracked, creates: Sequence[Create], tell: Tell) -> None:
    """1, 2, 4... at a time: when creation is refused (quota), one request is wasted, not all."""

    async def create(action: Create) -> None:
        try:
            stored = await api.create(action.resource, action.obj)
        except APIError as error:
            _report(action.failed, action.obj.metadata.name, error, tell)
            raise
        _report(action.done, stored.metadata.name, None, tell)

    done, size = 0, 1
    while done < len(creates):
        await _together(create(action) for action in creates[done : done + size])
        done, size = done + size, min(size * 2, TOGETHER)


async def _together(work: Iterable[Awaitable[None]]) -> None:
    """All of it, even when some fails; then raise the first failure."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for error in chain(filter(None, results)):
        raise error


def _report(emit: Emit | None, name: str, error: APIError | None, tell: Tell) -> None:
    if emit is None:
        return
    message = emit.message.replace("{name}", name).replace("{error}", str(error))
    tell(Emit(emit.obj, emit.type, emit.reason, message))

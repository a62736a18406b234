"""create: a new object. Also the tail end of a PUT or apply that finds nothing."""

from __future__ import annotations

from wherry.apiserver import metadata, ownership, strategy
from wherry.apiserver.api import Api
from wherry.apiserver.context import AFTER_ADMISSION, Context, already_exists
from wherry.machinery import names
from wherry.machinery.errors import APIError
from wherry.machinery.meta import T
from wherry.machinery.validation import refuse
from wherry.store.entry import Entry
from wherry.store.log import Changed

_ATTEMPTS = 8


async def create(api: Api, ctx: Context[T], obj: T) -> Entry[T]:
    """Create `obj`. Raises AlreadyExists, Invalid, Forbidden, BadRequest."""
    obj = ctx.owned_once(obj)
    generated = not obj.metadata.name and bool(obj.metadata.generate_name)
    for attempt in range(_ATTEMPTS):
        try:
            return await _create(api, ctx, obj)
        except Changed:
            if not generated or attempt == _ATTEMPTS - 1:
                raise already_exists(ctx.resource, ctx.name) from None
    raise AssertionError("unreachable")


async def _create(api: Api, ctx: Context[T], obj: T) -> Entry[T]:
    resource = ctx.resource
    obj = strategy.place(resource, obj, ctx.namespace if resource.namespaced else "")
    if not obj.metadata.name and obj.metadata.generate_name:
        obj = strategy.with_meta(obj, name=names.generate(obj.metadata.generate_name, api.random))
    ctx.name = obj.metadata.name
    ctx.operation = "CREATE"
    try:
        obj = resource.default(obj)
        owners = ownership.of_new(ctx, obj, api.now())
        obj = ctx.owned_once(await api.admission.mutate(api, ctx, obj, None), AFTER_ADMISSION)
        obj = strategy.for_create(resource, obj, api.now(), api.uid())
        obj = resource.prepare(obj, None)
        check_new(ctx, obj)
        if api.find(resource, obj.metadata.namespace, obj.metadata.name) is not None:
            raise Changed(obj.metadata.name, 0)
        await api.admission.validate(api, ctx, obj, None)
        return await api.commit(ctx, strategy.with_meta(obj, managed_fields=owners), None)
    except (APIError, Changed):
        ctx.cancel()
        raise


def check_new(ctx: Context[T], obj: T) -> None:
    """Raise Invalid when a new object is; collect warnings."""
    resource = ctx.resource
    errors = [*metadata.validate_create(resource, obj.metadata), *resource.validate(obj, None)]
    if errors:
        raise refuse(resource.group, resource.kind, obj.metadata.name, errors)
    for text in resource.warn(obj, None):
        ctx.warn(text)

"""update: read, change, check, write, and again when somebody else was first. PUT, PATCH and subresources come here.

An update that changes nothing keeps the revision. One that takes the last finalizer from an object being deleted
removes it.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from wherry.apiserver import metadata, ownership, strategy
from wherry.apiserver.api import Api
from wherry.apiserver.context import AFTER_ADMISSION, Context, conflict, not_found
from wherry.apiserver.verbs.create import create
from wherry.machinery.errors import APIError, BadRequest
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource
from wherry.machinery.validation import FieldError, refuse
from wherry.store.entry import Entry
from wherry.store.log import Changed

_ATTEMPTS = 100
_NO_REVISION = "Invalid value: 0: must be specified for an update"

Change = Callable[[Entry[T]], T]
Isolate = Callable[[T, T], T]
"""(new, old) -> new with only what this door may change."""


async def update(api: Api, ctx: Context[T], change: Change[T], *, isolate: Isolate[T] | None = None) -> Entry[T]:
    """Change an object: `change(entry)` makes the new one from the present one, and is called again after a lost race.

    A resourceVersion in what it returns must be the present one. Raises NotFound, Conflict, Invalid, Forbidden.
    """
    ctx.operation = "UPDATE"
    for _ in range(_ATTEMPTS):
        entry = await api.current(ctx.resource, ctx.namespace, ctx.name)
        new = change(entry)
        wanted = new.metadata.resource_version
        try:
            if wanted and wanted != str(entry.revision):
                raise conflict(ctx.resource, ctx.name)
            return await _write(api, ctx, new, entry, isolate)
        except Changed:
            ctx.cancel()
        except APIError:
            ctx.cancel()
            raise
    raise conflict(ctx.resource, ctx.name)


async def _write(api: Api, ctx: Context[T], new: T, entry: Entry[T], isolate: Isolate[T] | None) -> Entry[T]:
    resource, old = ctx.resource, entry.obj
    new = strategy.place(resource, new, entry.namespace)
    if new.metadata.uid and new.metadata.uid != old.metadata.uid:
        raise conflict(
            resource, ctx.name, f"Precondition failed: UID in precondition: {new.metadata.uid}, "
            f"UID in object meta: {old.metadata.uid}",
        )  # fmt: skip
    if new.metadata.name != old.metadata.name:
        raise name_mismatch(new.metadata.name, old.metadata.name)
    if isolate is not None:
        new = isolate(new, old)
    if ctx.trusted:  # the server's own change: right as it is
        new = strategy.for_update(resource, new, old, ctx.subresource)
        owners = ownership.of_changed(ctx, new, old, api.now())
    else:
        new = resource.default(new)
        owners = ownership.of_changed(ctx, new, old, api.now())  # what admission adds is nobody's
        new = await _checked(api, ctx, new, old)
    if owners is not new.metadata.managed_fields:
        new = strategy.with_meta(new, managed_fields=owners)
    if gone(new):
        return await api.remove(ctx, entry)
    return await api.commit(ctx, new, entry)


async def _checked(api: Api, ctx: Context[T], new: T, old: T) -> T:
    """A client's change, defaulted: admitted, put right, validated."""
    resource = ctx.resource
    new = ctx.owned_once(await api.admission.mutate(api, ctx, new, old), AFTER_ADMISSION)
    new = strategy.for_update(resource, new, old, ctx.subresource)
    if ctx.subresource not in resource.checks:  # such a door changes what `prepare` would put back
        new = resource.prepare(new, old)
    new = _count(resource, new, old, ctx.subresource)
    check_changed(ctx, new, old)
    await api.admission.validate(api, ctx, new, old)
    return new


def _count(resource: Resource[T], new: T, old: T, subresource: str) -> T:
    """Generation after `prepare`, which may have put a difference back."""
    if subresource in strategy.UNCOUNTED or not strategy.counts_generations(resource):
        return new
    bumped = old.metadata.generation + strategy.differs(resource, new, old)
    return new if new.metadata.generation == bumped else strategy.with_meta(new, generation=bumped)


def check_changed(ctx: Context[T], new: T, old: T) -> None:
    """Raise Invalid when a change is; collect warnings."""
    resource = ctx.resource
    errors: list[FieldError] = [*metadata.validate_update(resource, new.metadata, old.metadata)]
    usual = resource.validate_status if ctx.subresource == "status" else resource.validate
    check = resource.checks.get(ctx.subresource, usual)
    errors += check(new, old)
    if errors:
        raise refuse(resource.group, resource.kind, old.metadata.name, errors)
    for text in resource.warn(new, old):
        ctx.warn(text)


def gone(obj: T) -> bool:
    """Whether an object being deleted has nothing left to wait for."""
    meta = obj.metadata
    if meta.deletion_timestamp is None or strategy.pending_finalizers(obj):
        return False
    return not meta.deletion_grace_period_seconds


async def put(api: Api, ctx: Context[T], obj: T, *, isolate: Isolate[T] | None = None) -> tuple[Entry[T], bool]:
    """Replace an object by `obj`; (entry, whether it was created). Raises NotFound, Conflict, Invalid, Forbidden."""
    if obj.metadata.name != ctx.name:
        raise name_mismatch(obj.metadata.name, ctx.name)
    obj = ctx.owned_once(obj)
    resource = ctx.resource
    found = api.find(resource, ctx.namespace, ctx.name) is not None
    if found and not obj.metadata.resource_version and strategy.conditional(resource):
        raise refuse(resource.group, resource.plural, ctx.name, [
            FieldError("metadata.resourceVersion", "FieldValueInvalid", _NO_REVISION)
        ])  # fmt: skip
    if not found:
        if ctx.subresource or resource.plural not in strategy.CREATE_ON_UPDATE or obj.metadata.resource_version:
            raise not_found(resource, ctx.name)
        return await create(api, ctx, obj), True
    return await update(api, ctx, lambda entry: obj, isolate=isolate), False


def name_mismatch(given: str, wanted: str) -> APIError:
    """400: the body is about another object than the path."""
    if not given:
        return BadRequest(f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided")
    return BadRequest(f"the name of the object ({given}) does not match the name on the URL ({wanted})")


def keep_meta(new: T, old: T) -> T:
    """An isolation for subresources that leave metadata alone."""
    return replace(new, metadata=replace(old.metadata, resource_version=new.metadata.resource_version))

"""delete and deletecollection: preconditions, grace, finalizers, propagation.

An object with finalizers, or with time left to end gracefully, is marked (deletionTimestamp) and stays; whoever takes
the last reason away removes it (see update.py). Each attempt judges what it is about to overwrite, so a finalizer added
meanwhile is never lost. https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from wherry.apiserver import strategy
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, conflict
from wherry.machinery.errors import Conflict, NotFound
from wherry.machinery.meta import DeleteOptions, T
from wherry.machinery.time import seconds, time_at
from wherry.machinery.validation import invalid, not_supported, refuse
from wherry.store.entry import Entry
from wherry.store.log import Changed

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_POLICIES = ("Background", "Foreground", "Orphan")
_ATTEMPTS = 100
_SAID_AS_UPDATES = {
    "namespaces": "Precondition failed", "customresourcedefinitions": "precondition failed",
}  # fmt: skip
"""Plurals of the kinds whose deletion begins with a write of their own -> how that says that a precondition fails."""


class Deleted(NamedTuple):
    """`gone`: the object is no more; otherwise it is marked and waits. `entry` is its last state."""

    entry: Entry  # type: ignore[type-arg] # NamedTuple with a generic field needs Generic, callers know the kind
    gone: bool


def check_options(options: DeleteOptions) -> None:
    """Raise Invalid when the options contradict themselves."""
    errors = []
    if options.orphan_dependents is not None and options.propagation_policy is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid("propagationPolicy", options.propagation_policy, why))
    if options.propagation_policy is not None and options.propagation_policy not in _POLICIES:
        errors.append(not_supported("propagationPolicy", options.propagation_policy, (*_POLICIES, "nil")))
    if [d for d in options.dry_run if d != "All"]:
        errors.append(not_supported("dryRun", list(options.dry_run), ("All",)))
    if errors:
        raise refuse("meta.k8s.io", "DeleteOptions", "", errors)


async def delete(api: Api, ctx: Context[T], options: DeleteOptions) -> Deleted:
    """Delete one object. Raises NotFound, Conflict, Invalid, Forbidden."""
    ctx.operation = "DELETE"
    ctx.options = options
    check_options(options)
    for _ in range(_ATTEMPTS):
        entry = await api.current(ctx.resource, ctx.namespace, ctx.name)
        _check_preconditions(ctx, entry, options)
        if not ctx.trusted:
            await api.admission.mutate(api, ctx, None, entry.obj)
            await api.admission.validate(api, ctx, None, entry.obj)
        marked = mark(ctx, entry.obj, options, api.clock.now())
        try:
            if marked is None:
                return Deleted(await api.remove(ctx, entry), gone=True)
            if marked is entry.obj:
                return Deleted(entry, gone=False)
            return Deleted(await api.commit(ctx, marked, entry), gone=False)
        except Changed:
            continue
    raise conflict(ctx.resource, ctx.name)


def _check_preconditions(ctx: Context[T], entry: Entry[T], options: DeleteOptions) -> None:
    wanted = options.preconditions
    if wanted is None:
        return
    if wanted.uid is not None and wanted.uid != entry.obj.metadata.uid:
        raise _failed(ctx, "UID", (wanted.uid, entry.obj.metadata.uid), "deleted and then recreated")
    if wanted.resource_version is not None and wanted.resource_version != str(entry.revision):
        raise _failed(ctx, "ResourceVersion", (wanted.resource_version, str(entry.revision)), "modified")


def _failed(ctx: Context[T], what: str, values: tuple[str, str], fate: str) -> Conflict:
    """409: the object is not the one that was meant. It is named by its kind, as upstream does here alone."""
    wanted, found = values
    begun = _SAID_AS_UPDATES.get(ctx.resource.plural) if ctx.resource.custom is None else None
    if begun is not None:
        why = f"{begun}: {what} in precondition: {wanted}, {what} in object meta: {found}"
        return conflict(ctx.resource, ctx.name, why)
    kind = ctx.resource.kind + (f".{ctx.resource.group}" if ctx.resource.group else "")
    details = {**ctx.details, "kind": ctx.resource.kind}
    why = f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might "
    return Conflict(f'Operation cannot be fulfilled on {kind} "{ctx.name}": {why}have been {fate}', details=details)


def mark(ctx: Context[T], obj: T, options: DeleteOptions, now: float) -> T | None:
    """What becomes of the object: None = remove it, itself = already on its way, else the object to write."""
    if obj.metadata.deletion_timestamp is None:
        obj = ctx.resource.ending(obj)
    meta = obj.metadata
    grace = _grace(ctx, obj, options)
    if meta.deletion_timestamp is not None and meta.deletion_grace_period_seconds and grace is not None:
        if options.grace_period_seconds is None or grace >= meta.deletion_grace_period_seconds:
            return obj
        if grace > 0:
            ends = seconds(meta.deletion_timestamp) - meta.deletion_grace_period_seconds + grace
            return strategy.with_meta(obj, deletion_timestamp=time_at(ends), deletion_grace_period_seconds=grace)
    finalizers = _gc_finalizers(obj, options)
    waits = bool(finalizers) or strategy.pending_finalizers(replace(obj, metadata=replace(meta, finalizers=())))
    if not grace and not waits:
        return None
    if meta.deletion_timestamp is not None:
        changes = {} if not grace and not meta.deletion_grace_period_seconds else {"deletion_grace_period_seconds": 0}
        if finalizers != meta.finalizers or changes:
            return strategy.with_meta(obj, finalizers=finalizers, **changes)
        return obj
    return _terminating(
        strategy.with_meta(
            obj,
            finalizers=finalizers,
            deletion_timestamp=time_at(now + (grace or 0)),
            deletion_grace_period_seconds=grace or 0,
            generation=meta.generation + 1 if meta.generation else 0,
        )
    )


def _terminating(obj: T) -> T:
    """A namespace says so in its phase at once."""
    if obj.kind == "Namespace" and obj.api_version == "v1":
        status = obj.status  # type: ignore[attr-defined] # a Namespace has one
        changed: T = replace(obj, status=replace(status, phase="Terminating"))
        return changed
    return obj


def _grace(ctx: Context[T], obj: T, options: DeleteOptions) -> int | None:
    """Seconds granted; None for kinds without graceful deletion."""
    if ctx.resource.grace is None:
        return None
    asked = options.grace_period_seconds
    return ctx.resource.grace(obj, 1 if asked is not None and asked < 0 else asked)


def _gc_finalizers(obj: T, options: DeleteOptions) -> tuple[str, ...]:
    """Finalizers with the garbage collector's own as the options ask for.

    Once an object is being deleted they may only be taken away: adding one back would keep it for ever.
    """
    old = obj.metadata.finalizers
    policy = options.propagation_policy
    if options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy is None:
        return old
    kept = tuple(f for f in old if f not in (ORPHAN, FOREGROUND))
    wanted = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy)
    if wanted is None:
        return kept
    if wanted in old:
        return (*kept, wanted) if len(kept) + 1 != len(old) else old
    return old if obj.metadata.deletion_timestamp is not None else (*kept, wanted)


async def delete_collection(
    api: Api, ctx: Context[T], options: DeleteOptions, items: Sequence[Entry[T]]
) -> None:  # fmt: skip
    """Delete every one of these. Objects that vanish meanwhile are no error."""
    check_options(options)
    for entry in items:
        each = Context(
            ctx.user, ctx.resource, entry.namespace, entry.name, operation="DELETE", dry_run=ctx.dry_run,
            manager=ctx.manager, warnings=ctx.warnings,
        )  # fmt: skip
        with suppress(NotFound):
            await delete(api, each, options)

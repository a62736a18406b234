"""Field ownership: what a write does to managedFields. The arithmetic is `wherry.machinery.patch`; this is where it is
called, for every write. https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.api.types.merge import MERGE
from wherry.apiserver import strategy
from wherry.apiserver.context import Context
from wherry.machinery import codec
from wherry.machinery.fields import FieldSet, StructTypes, TypeInfo
from wherry.machinery.meta import T
from wherry.machinery.patch.managed import Entries, Writer, after_update, sent_or_live
from wherry.machinery.patch.ownership import Mistyped
from wherry.machinery.resource import Resource
from wherry.machinery.time import Time

_TYPES = StructTypes(MERGE)
_NOTHING: FieldSet = {}
_STATUS: FieldSet = {"f:status": {}}
_SPEC: FieldSet = {"f:spec": {}}
_ALL_ELSE: FieldSet = {"f:spec": {}, "f:metadata": {}}
_RESET: Mapping[tuple[str, str], FieldSet] = {
    ("deployments", "status"): {"f:spec": {}, "f:metadata": {"f:labels": {}}},
    ("pods", "status"): {"f:spec": {}, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}},
    ("customresourcedefinitions", "status"): _ALL_ELSE,
    ("certificatesigningrequests", ""): {"f:spec": {}, "f:status": {}},
    ("certificatesigningrequests", "status"): {"f:spec": {}, "f:status": {"f:conditions": {}}},
    ("certificatesigningrequests", "approval"): {"f:spec": {}, "f:status": {"f:certificate": {}}},
}
"""(plural, subresource) of built-in kinds -> what that endpoint leaves as it was, where the rules do not say it."""


def type_info(resource: Resource[Any]) -> TypeInfo:
    """How values of a kind merge."""
    if resource.custom is not None:
        info: TypeInfo = resource.custom.type_info
        return info
    return _TYPES(resource.type)


def writer(ctx: Context[Any], now: Time) -> Writer:
    """Who this request is, as managedFields names it."""
    ignored = resets(ctx.resource, ctx.subresource)
    return Writer(ctx.manager, ctx.resource.api_version, now, ctx.subresource, ignored)


def resets(resource: Resource[Any], subresource: str) -> FieldSet:
    """What a write through this endpoint leaves as it was, whatever is sent: nobody owns it or disputes it there."""
    if not resource.has_status or subresource not in ("", "status", "approval"):
        return _NOTHING
    found = _RESET.get((resource.plural, subresource)) if resource.custom is None else None
    if found is not None:
        return found
    if not subresource:
        return _STATUS
    return _SPEC if resource.custom is None and resource.plural in strategy.METADATA_WITH_STATUS else _ALL_ELSE


def _after(ctx: Context[T], old: T | None, new: T, entries: Entries, now: Time) -> Entries:
    """The entries after a plain write. Lists whose items lack their keys are owned by nobody; they will be refused."""
    if old is not None and type(old) is not type(new):  # custom resources with other unknown fields
        before, after = codec.to_dict(old), codec.to_dict(new)
        return after_update(type_info(ctx.resource), before, after, entries, writer(ctx, now))
    try:
        return after_update(type_info(ctx.resource), old, new, entries, writer(ctx, now))
    except Mistyped:
        return entries


def of_new(ctx: Context[T], obj: T, now: Time) -> Entries:
    """Who owns what in a new object, defaulted but not admitted yet: what the server adds later is nobody's."""
    return _after(ctx, None, obj, (), now) if ctx.applied is None else ctx.applied


def of_changed(ctx: Context[T], new: T, old: T, now: Time) -> Entries:
    """Who owns what in a changed object, defaulted but not admitted yet: the changed fields are whose change it is."""
    applied: Entries | None = ctx.applied
    if applied is not None:
        return applied
    before = sent_or_live(new.metadata.managed_fields, old.metadata.managed_fields, ctx.subresource)
    return _after(ctx, old, new, before, now)

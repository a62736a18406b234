"""patch: JSON, merge, strategic merge and apply patches, worked out on the present object and tried again after a race.

https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from wherry.apiserver import ownership, strategy, yaml_reader
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, conflict, not_found
from wherry.apiserver.decode import Decoded, convert, decode_object, duplicates
from wherry.apiserver.verbs.create import create
from wherry.apiserver.verbs.update import Isolate, update
from wherry.apiserver.views import View
from wherry.machinery import codec
from wherry.machinery.errors import BadRequest, UnsupportedMediaType
from wherry.machinery.meta import T
from wherry.machinery.patch.apply import apply
from wherry.machinery.patch.json import json_patch, operations_of
from wherry.machinery.patch.merge import merge_patch
from wherry.machinery.patch.parents import with_parents
from wherry.machinery.patch.strategic import strategic_merge
from wherry.machinery.resource import Resource
from wherry.machinery.validation import forbidden, invalid, refuse
from wherry.store.entry import Entry

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_KINDS = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


class Patched(NamedTuple):
    """The object after the patch, and whether an apply has created it."""

    entry: Entry[Any]
    created: bool = False


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """A patch document: its media type, and how to take it."""

    kind: str
    body: bytes
    force: bool = False
    validation: str = "Warn"


async def patch(api: Api, ctx: Context[T], asked: PatchRequest, isolate: Isolate[T] | None = None) -> Patched:
    """Apply a patch document. Raises NotFound, Conflict, Invalid, BadRequest, UnsupportedMediaType."""
    kind = asked.kind
    kinds = _KINDS if ctx.resource.custom is None else tuple(k for k in _KINDS if k != STRATEGIC_PATCH)
    if kind not in kinds:
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(kinds)}"
        )
    if kind == APPLY_PATCH:
        return await _apply(api, ctx, asked, isolate)
    if asked.force:
        problem = forbidden("force", "may not be specified for non-apply patch")
        raise refuse("meta.k8s.io", "PatchOptions", "", [problem])
    document = _read(asked.body)
    if kind == JSON_PATCH:
        operations_of(document)  # before anybody looks at each of them
    _check_twice(ctx, asked)
    step = _step(kind, document, ctx)

    def change(entry: Entry[T]) -> T:
        present = msgspec.json.decode(entry.data) if ctx.view is None else ctx.view.shown(entry)
        try:
            obj = _typed(ctx, step(present), asked.validation, document if kind == STRATEGIC_PATCH else None)
        except RecursionError:
            raise BadRequest("the patch is nested too deeply") from None
        _same_uid(ctx, obj, entry)
        if ctx.view is None:
            return obj
        stored: T = ctx.view.store(obj, entry)
        return stored

    return Patched(await update(api, ctx, change, isolate=isolate))


def _same_uid(ctx: Context[Any], obj: Any, entry: Entry[Any]) -> None:
    """Raises Invalid for a patch that makes it another object."""
    uid = obj.metadata.uid
    if uid and uid != entry.uid:
        raise refuse(ctx.resource.group, ctx.resource.kind, ctx.name, [
            invalid("metadata.uid", uid, "field is immutable")
        ])  # fmt: skip


def _read(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("invalid JSON patch") from error


def _check_twice(ctx: Context[Any], asked: PatchRequest) -> None:
    """Fields that a patch document names twice."""
    twice = [f'duplicate field "{path}"' for path in duplicates(asked.body)] if asked.validation != "Ignore" else []
    if twice and asked.validation == "Strict":
        problem = invalid("patch", asked.body.decode(), f"strict decoding error: {', '.join(twice)}")
        raise refuse("", "", "", [problem])
    for text in twice:
        ctx.warn(text)


def _step(kind: str, document: Any, ctx: Context[Any]) -> Callable[[Any], Any]:
    if kind == JSON_PATCH:
        kind_of = _spoken(ctx)
        if kind_of.custom is not None:
            return lambda present: json_patch(present, document)
        return lambda present: json_patch(with_parents(kind_of.type, present, document), document)
    if not isinstance(document, dict):
        raise BadRequest(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    if kind == MERGE_PATCH:
        return lambda present: merge_patch(present, document)
    info = ownership.type_info(_spoken(ctx))
    return lambda present: strategic_merge(present, document, info)


def _spoken(ctx: Context[Any]) -> Resource[Any]:
    """The resource in the version that the client speaks."""
    view: View | None = ctx.view
    return ctx.resource if view is None else view.resource


def _typed(ctx: Context[T], raw: Any, validation: str, document: Any = None, *, as_stored: bool = False) -> T:
    """The patched JSON as an object; what does not fit is the patch's fault: `document`, or the result, is shown."""
    resource = ctx.resource if as_stored else _spoken(ctx)
    if not isinstance(raw, dict):
        raise BadRequest("the patched object is not an object")
    if raw.get("kind", resource.kind) != resource.kind or raw.get("apiVersion", "") != resource.api_version:
        raise BadRequest(
            f"patch may not change kind or apiVersion: got {raw.get('apiVersion')}, Kind={raw.get('kind')}"
        )
    try:
        body = codec.encode(raw)
        found: Decoded[T] = convert(resource, raw, body, validation, written=False)
    except (BadRequest, OverflowError) as error:
        why = str(error).partition(f"cannot be handled as a {resource.kind}: ")[2] or str(error)
        if document is not None:
            shown = _go(document)
        else:
            shown = codec.encode(raw).decode() if not isinstance(error, OverflowError) else "{}"
        raise refuse("", "", "", [invalid("patch", shown, why)]) from None
    for text in found.warnings:
        ctx.warn(text)
    return found.obj


def _go(value: Any) -> str:
    """JSON as Go prints its maps, which is how strategic merge patches are shown."""
    match value:
        case dict():
            return "map[" + " ".join(f"{key}:{_go(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(_go, value)) + "]"
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


async def _apply(api: Api, ctx: Context[T], asked: PatchRequest, isolate: Isolate[T] | None) -> Patched:
    resource = ctx.resource
    spoken = _spoken(ctx)
    # what is unknown in a custom resource is refused below, by its type
    validation = asked.validation if spoken.custom is None else "Ignore"
    sent = decode_object(spoken, _applied_json(ctx, asked), "", validation, any_version=True)
    for text in sent.warnings:
        ctx.warn(text)
    config = _config(ctx, sent)
    if ctx.view is not None:
        config = ctx.view.config(config)
    info = ownership.type_info(resource)
    owner = ownership.writer(ctx, api.now())

    def change(entry: Entry[T] | None) -> T:
        live = None if entry is None else msgspec.json.decode(entry.data)
        entries = () if entry is None else entry.obj.metadata.managed_fields
        if live is not None:
            live["metadata"].pop("managedFields", None)
        done = apply(info, live, config, entries, owner, force=asked.force)
        obj = _typed(ctx, done.obj, "Ignore", as_stored=True)
        ctx.applied = done.entries
        if entry is not None:
            _same_uid(ctx, obj, entry)
        return strategy.with_meta(obj, managed_fields=())

    if api.find(resource, ctx.namespace, ctx.name) is None:
        if ctx.subresource:
            raise not_found(resource, ctx.name)
        if uid := sent.obj.metadata.uid:
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(resource, ctx.name, why)
        return Patched(await create(api, ctx, change(None)), created=True)
    return Patched(await update(api, ctx, change, isolate=isolate))


def _applied_json(ctx: Context[Any], asked: PatchRequest) -> bytes:
    """The applied YAML as JSON; keys that are there twice are refused or told of."""
    repeated: list[str] = []
    body = yaml_reader.to_json(asked.body, repeated)
    if repeated and asked.validation == "Strict":
        why = yaml_reader.unmarshal_errors(repeated)
        raise BadRequest(f"error strict decoding patch: error converting YAML to JSON: {why}")
    for text in repeated if asked.validation == "Warn" else ():
        ctx.warn(text)
    return body


def _config(ctx: Context[Any], sent: Decoded[Any]) -> dict[str, Any]:
    """The applied configuration, with the name and namespace of the path."""
    raw = sent.raw
    meta = raw.get("metadata")
    meta = dict(meta) if isinstance(meta, dict) else {}
    for wire, wanted in (("name", ctx.name), ("namespace", ctx.namespace)):
        given = meta.get(wire) or wanted
        if given != wanted:
            raise BadRequest(
                f"the {wire} of the object ({given}) does not match the {wire} on the URL ({wanted})"
                if wire == "name"
                else "the namespace of the provided object does not match the namespace sent on the request"
            )
        if wanted:
            meta[wire] = wanted
    if not raw.get("kind") or not raw.get("apiVersion"):
        raise BadRequest(f"invalid object type: {raw.get('apiVersion') or '/'}, Kind={raw.get('kind') or ''}")
    return {**raw, "metadata": meta}

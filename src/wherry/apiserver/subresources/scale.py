"""scale: the number of replicas of any scalable kind, as autoscaling/v1 Scale.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from wherry.api.columns import AGE
from wherry.api.types.autoscaling import Scale, ScaleSpec
from wherry.apiserver import output, ownership, yaml_reader
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, bad_option, conflict, context_of
from wherry.apiserver.decode import convert, decode_object, untyped
from wherry.apiserver.http import Answer, Request, Response
from wherry.apiserver.negotiate import negotiate
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.verbs.update import name_mismatch, update
from wherry.machinery import codec, selectors, table
from wherry.machinery.errors import BadRequest, UnsupportedMediaType
from wherry.machinery.meta import LabelSelector, T
from wherry.machinery.patch.apply import apply
from wherry.machinery.patch.json import json_patch
from wherry.machinery.patch.merge import merge_patch
from wherry.machinery.patch.ownership import Mistyped, owned
from wherry.machinery.resource import Column, Resource
from wherry.machinery.resource import Scale as Where
from wherry.machinery.validation import invalid, refuse, required
from wherry.store.entry import Entry

APPLY = "application/apply-patch+yaml"
SCALE: Resource[Scale] = Resource(
    Scale, group="autoscaling", version="v1", kind="Scale", plural="scales", singular="scale",
    columns=(
        Column("Desired", lambda s, _: s.spec.replicas, type="integer"),
        Column("Available", lambda s, _: s.status.replicas, type="integer"),
        AGE,
    ),
)  # fmt: skip


def scale_of(resource: Resource[Any], entry: Entry[Any]) -> dict[str, Any]:
    """The Scale of an object."""
    return as_scale(resource, msgspec.json.decode(entry.data))


def as_scale(resource: Resource[Any], raw: dict[str, Any]) -> dict[str, Any]:
    """The Scale of an object's JSON."""
    where = resource.scale
    assert where is not None
    meta = raw["metadata"]
    kept = {name: meta[name] for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            if name in meta}  # fmt: skip
    status: dict[str, Any] = {"replicas": _at(raw, where.status_replicas) or 0}
    selector = selector_text(_at(raw, where.selector))
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": kept,
        "spec": {"replicas": n} if (n := _at(raw, where.spec_replicas)) else {},
        "status": status,
    }


def selector_text(found: Any) -> str:
    """A selector in any of its forms as the string of a query."""
    if isinstance(found, str):
        return found
    if not isinstance(found, dict):
        return ""
    if "matchLabels" in found or "matchExpressions" in found:
        return str(selectors.as_query(codec.from_dict(LabelSelector, found)))
    return ",".join(f"{key}={found[key]}" for key in sorted(found))


def _at(raw: dict[str, Any], path: str) -> Any:
    value: Any = raw
    for step in path.lstrip(".").split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def with_replicas(resource: Resource[Any], raw: dict[str, Any], replicas: int) -> dict[str, Any]:
    """An object's JSON, which is changed, with another number of replicas."""
    assert resource.scale is not None
    _put(raw, resource.scale.spec_replicas, replicas)
    return raw


def _put(raw: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.lstrip(".").split(".")
    for step in parents:
        raw = raw.setdefault(step, {})
    raw[last] = value


async def scale(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET, PUT or PATCH of a Scale. Raises NotFound, Conflict, Invalid."""
    if info.verb == "get":
        return _answer(api, request, resource, api.get(resource, info.namespace, info.name))
    ctx = context_of(request, info, resource)
    body = await request.read()
    media = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if info.verb == "update":
        sent = decode_object(SCALE, body, media, "Ignore").obj
        return _answer(api, request, resource, await set_scale(api, ctx, lambda _: sent))
    if media == APPLY:
        return _answer(api, request, resource, await _apply(api, ctx, body, force=request.query.flag("force")))
    step = _patch(media, body)

    def wanted(entry: Entry[Any]) -> Scale:
        raw = step(scale_of(resource, entry))
        text = codec.encode(raw)
        try:
            return convert(SCALE, raw, text, "Ignore", written=False).obj
        except BadRequest as error:
            why = str(error).rpartition("cannot be handled as a Scale: ")[2]
            raise refuse("", "", "", [invalid("patch", text.decode(), why)]) from None

    return _answer(api, request, resource, await set_scale(api, ctx, wanted))


async def _apply(api: Api, ctx: Context[Any], body: bytes, *, force: bool) -> Entry[Any]:
    """Apply a Scale: the manager comes to own the replicas of the object, in the object's own version."""
    if not ctx.field_manager:
        raise bad_option("patch", required("fieldManager", "is required for apply patch"))
    text = yaml_reader.to_json(body)
    _check_applied(ctx, untyped(text, SCALE.kind))
    sent = decode_object(SCALE, text, "", "Ignore")
    resource, place = ctx.resource, ctx.resource.scale
    assert place is not None
    config: dict[str, Any] = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {}}
    if "replicas" in (sent.raw.get("spec") or {}):
        _put(config, place.spec_replicas, sent.obj.spec.replicas)
    info, own = ownership.type_info(resource), ownership.writer(ctx, api.now())
    meta = sent.obj.metadata

    def wanted(entry: Entry[Any]) -> Scale:
        live = msgspec.json.decode(entry.data)
        done = apply(info, live, config, entry.obj.metadata.managed_fields, own, force=force)
        ctx.applied = done.entries
        replicas = _at(done.obj, place.spec_replicas) or 0
        return replace(
            sent.obj,
            spec=ScaleSpec(replicas=replicas),
            metadata=replace(meta, name=ctx.name, namespace=ctx.namespace),
        )

    return await set_scale(api, ctx, wanted)


def _check_applied(ctx: Context[Any], raw: dict[str, Any]) -> None:
    """Raises BadRequest for what is no Scale of this object."""
    version, kind = raw.get("apiVersion") or "", raw.get("kind") or ""
    if (version, kind) != (SCALE.api_version, SCALE.kind):
        raise BadRequest(f"invalid object type: {version or '/'}, Kind={kind}")
    meta = raw.get("metadata") or {}
    if meta.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    if meta.get("name", ctx.name) != ctx.name:
        raise name_mismatch(meta["name"], ctx.name)
    try:
        owned(raw, ownership.type_info(SCALE), strict=True)
    except Mistyped as error:
        shown = f"{meta.get('namespace', '')}/{ctx.name}; {version}, Kind={kind}"
        raise BadRequest(f"failed to create typed patch object ({shown}): {error}") from None


def _patch(media: str, body: bytes) -> Callable[[Any], Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"error decoding patch: {error}") from None
    if media == "application/json-patch+json":
        return lambda present: json_patch(present, document)
    if media in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        return lambda present: merge_patch(present, document)
    raise UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
        "application/apply-patch+yaml"
    )


async def set_scale(api: Api, ctx: Context[T], wanted: Callable[[Entry[T]], Scale]) -> Entry[T]:
    """Write the replicas of `wanted(entry)` into the object."""
    where = ctx.resource.scale
    assert where is not None
    place: Where = where

    def change(entry: Entry[T]) -> T:
        sent = wanted(entry)
        _check_place(ctx, sent)
        if sent.spec.replicas < 0:
            problem = invalid("spec.replicas", sent.spec.replicas, "must be greater than or equal to 0")
            raise refuse("autoscaling", "Scale", ctx.name, [problem])
        if sent.metadata.uid and sent.metadata.uid != entry.uid:
            raise conflict(ctx.resource, ctx.name, f"Precondition failed: UID in precondition: {sent.metadata.uid}, "
                           f"UID in object meta: {entry.uid}")  # fmt: skip
        raw: dict[str, Any] = msgspec.json.decode(entry.data)
        _put(raw, place.spec_replicas, sent.spec.replicas)
        raw["metadata"]["resourceVersion"] = sent.metadata.resource_version or str(entry.revision)
        own.applied = ctx.applied
        return convert(ctx.resource, raw, codec.encode(raw), "Ignore", written=False).obj

    own: Context[T] = Context(
        ctx.user, ctx.resource, ctx.namespace, ctx.name, subresource="scale", dry_run=ctx.dry_run, manager=ctx.manager,
        warnings=ctx.warnings,
    )  # fmt: skip
    return await update(api, own, change)


def _check_place(ctx: Context[Any], sent: Scale) -> None:
    """Raises BadRequest for a Scale of another object."""
    name, namespace = sent.metadata.name, sent.metadata.namespace
    if name != ctx.name:
        raise name_mismatch(name, ctx.name)
    if namespace not in ("", ctx.namespace):
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def _answer(api: Api, request: Request, resource: Resource[Any], entry: Entry[Any]) -> Response:
    raw = scale_of(resource, entry)
    wanted = negotiate(request.headers.get("Accept", ""))
    if wanted.form == "Table":
        raw = table.render(
            SCALE, [codec.from_dict(Scale, raw)], api.clock.now(), metadata={"resourceVersion": str(entry.revision)}
        )
    elif wanted.form != "object":
        raw = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": raw["metadata"]}
    text, media = output.body(codec.encode(raw), wanted)
    return Response(text, content_type=media)

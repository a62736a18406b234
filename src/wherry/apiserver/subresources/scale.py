"""scale: the number of replicas of any scalable kind, as autoscaling/v1 Scale.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from wherry.api.types.autoscaling import Scale
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, conflict, context_of
from wherry.apiserver.decode import convert, decode_object
from wherry.apiserver.http import Answer, Request, Response
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.verbs.update import update
from wherry.machinery import codec, selectors
from wherry.machinery.errors import BadRequest, UnsupportedMediaType
from wherry.machinery.meta import LabelSelector, T
from wherry.machinery.patch.json import json_patch
from wherry.machinery.patch.merge import merge_patch
from wherry.machinery.resource import Resource
from wherry.machinery.resource import Scale as Where
from wherry.machinery.validation import invalid, refuse
from wherry.store.entry import Entry

SCALE: Resource[Scale] = Resource(
    Scale, group="autoscaling", version="v1", kind="Scale", plural="scales", singular="scale"
)


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
        return _answer(resource, api.get(resource, info.namespace, info.name))
    ctx = context_of(request, info, resource)
    body = await request.read()
    media = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if info.verb == "update":
        sent = decode_object(SCALE, body, media, "Ignore").obj
        return _answer(resource, await set_scale(api, ctx, lambda _: sent))
    step = _patch(media, body)

    def wanted(entry: Entry[Any]) -> Scale:
        raw = step(scale_of(resource, entry))
        return convert(SCALE, raw, codec.encode(raw), "Ignore", written=False).obj

    return _answer(resource, await set_scale(api, ctx, wanted))


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
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
    )


async def set_scale(api: Api, ctx: Context[T], wanted: Callable[[Entry[T]], Scale]) -> Entry[T]:
    """Write the replicas of `wanted(entry)` into the object."""
    where = ctx.resource.scale
    assert where is not None
    place: Where = where

    def change(entry: Entry[T]) -> T:
        sent = wanted(entry)
        if sent.spec.replicas < 0:
            problem = invalid("spec.replicas", sent.spec.replicas, "must be greater than or equal to 0")
            raise refuse("autoscaling", "Scale", ctx.name, [problem])
        if sent.metadata.uid and sent.metadata.uid != entry.uid:
            raise conflict(ctx.resource, ctx.name, f"Precondition failed: UID in precondition: {sent.metadata.uid}, "
                           f"UID in object meta: {entry.uid}")  # fmt: skip
        raw: dict[str, Any] = msgspec.json.decode(entry.data)
        _put(raw, place.spec_replicas, sent.spec.replicas)
        raw["metadata"]["resourceVersion"] = sent.metadata.resource_version or str(entry.revision)
        return convert(ctx.resource, raw, codec.encode(raw), "Ignore", written=False).obj

    own = Context(
        ctx.user, ctx.resource, ctx.namespace, ctx.name, subresource="scale", dry_run=ctx.dry_run, manager=ctx.manager,
        warnings=ctx.warnings,
    )  # fmt: skip
    return await update(api, own, change)


def _answer(resource: Resource[Any], entry: Entry[Any]) -> Response:
    return Response(codec.encode(scale_of(resource, entry)))

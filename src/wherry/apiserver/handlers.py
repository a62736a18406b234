"""From a Request to a verb and back: query options in, bodies in, answers out. One handler per verb.

`dispatch` is the only door; the subresources that differ are listed in `wherry.apiserver.subresources.table`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from wherry.api.metrics.usage import GROUP as METRICS
from wherry.apiserver import output
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, bad_option, context_of, no_such_verb
from wherry.apiserver.decode import decode_object, to_json, untyped
from wherry.apiserver.delete_unread import delete_unread
from wherry.apiserver.http import Answer, Query, Request, Response
from wherry.apiserver.metering.handlers import measured, measured_one
from wherry.apiserver.negotiate import MEDIA, Wanted, negotiate
from wherry.apiserver.reviews import REVIEWS
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.select import select
from wherry.apiserver.shapes import without_nulls
from wherry.apiserver.subresources.doors import DOORS
from wherry.apiserver.subresources.table import CALLS, SUBRESOURCES, Call
from wherry.apiserver.verbs.create import create
from wherry.apiserver.verbs.delete import Deleted, delete, delete_collection
from wherry.apiserver.verbs.list import list_, reached
from wherry.apiserver.verbs.options import ListOptions, revision_of
from wherry.apiserver.verbs.patch import PatchRequest, patch
from wherry.apiserver.verbs.update import put
from wherry.apiserver.verbs.watch import watch
from wherry.apiserver.views import VIEWS, selected, shown_as, stored_as
from wherry.machinery import codec
from wherry.machinery.errors import APIError, BadRequest, NoSuchPath, NotAcceptable, no_such_method, nothing_there
from wherry.machinery.meta import DeleteOptions
from wherry.machinery.resource import Resource
from wherry.machinery.validation import not_supported, refuse, required

Handler = Callable[[Api, Request, RequestInfo, Resource[Any]], Awaitable[Answer]]
_OF_ONE = frozenset({"get", "update", "patch", "delete"})
"""Verbs of one object, at its name."""
_VALIDATIONS = ("Ignore", "Warn", "Strict", "")


async def dispatch(api: Api, request: Request, info: RequestInfo) -> Answer:
    """Answer a resource request that has been authorised. Raises APIError."""
    if request.method == "HEAD" and info.subresource != "proxy":
        raise no_such_method()
    resource = api.served.get(info.group, info.version, info.resource)
    if resource.namespaced and not info.namespace and (info.name or info.verb == "create"):
        raise nothing_there()
    if not resource.namespaced and info.namespace and info.resource != "namespaces":
        raise nothing_there()
    if info.subresource:
        answer = await _subresource(api, request, info, resource)
    else:
        handler = (_VERBS if resource.group != METRICS else _MEASURED).get(info.verb)
        if handler is None or info.verb not in resource.verbs or (info.verb in _OF_ONE and not info.name):
            named = info.name and not _OF_ONE.intersection(resource.verbs)
            raise nothing_there() if named else no_such_verb(resource, info.verb)
        answer = await handler(api, request, info, resource)
    warning = resource.deprecated if resource.custom is None else resource.custom.deprecation
    if warning and isinstance(answer, Response):
        answer.warnings = (warning, *answer.warnings)
    return answer


async def _subresource(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    if info.subresource not in resource.subresources:
        raise nothing_there()
    key = (str(resource), info.subresource)
    own = SUBRESOURCES.get(key) or SUBRESOURCES.get(("*", info.subresource))
    if own is not None:
        return await own(api, request, info, resource)
    call = CALLS.get(key)
    if call is not None and info.verb == "create":
        return await _call(api, request, info, resource, call)
    handler = {"get": get_one, "update": replace_one, "patch": patch_one}.get(info.verb)
    if handler is None or not (info.subresource == "status" or key in DOORS):
        raise no_such_verb(resource, info.verb)
    return await handler(api, request, info, resource)


async def _call(
    api: Api, request: Request, info: RequestInfo, resource: Resource[Any], call: tuple[str, Call]
) -> Answer:  # fmt: skip
    kind, do = call
    ctx = context_of(request, info, resource)
    raw = untyped(to_json(await request.read(), request.headers.get("Content-Type", "")), kind)
    if raw.get("kind", kind) != kind:
        raise BadRequest(f"the object provided is unrecognized (must be of type {kind}): got {raw['kind']}")
    try:
        done = await do(api, ctx, without_nulls(raw))
    except msgspec.ValidationError as error:
        raise BadRequest(f"{kind} cannot be handled as a {kind}: json: {error}") from None
    return Response(codec.encode(done), 201, warnings=tuple(ctx.warnings))


def validation(query: Query, verb: str) -> str:
    """The fieldValidation parameter. Raises Invalid."""
    asked = query.first("fieldValidation")
    if asked not in _VALIDATIONS:
        raise bad_option(verb, not_supported("fieldValidation", asked, _VALIDATIONS))
    return asked or "Warn"


def answer_object(ctx: Context[Any], entry: Any, request: Request, api: Api, status: int = 200) -> Response:
    """The object after a write, in the form the client wants."""
    resource = ctx.resource
    wanted = accepted(request, resource)
    if ctx.view is not None:
        resource, entry = ctx.view.resource, ctx.view.show(entry)
    response = output.one(resource, entry, wanted, api.clock.now(), include(request), status)
    if ctx.warnings:
        response.warnings = tuple(ctx.warnings)
    return response


def accepted(request: Request, resource: Resource[Any]) -> Wanted:
    """What the client wants to read. Writes ask this first. Raises NotAcceptable."""
    wanted = negotiate(request.headers.get("Accept", ""))
    if wanted.protobuf and wanted.form == "object" and resource.custom is not None:
        raise NotAcceptable(MEDIA)
    return wanted


def include(request: Request) -> str:
    """How much of each object a Table shows."""
    return request.query.first("includeObject")


def list_options(query: Query) -> ListOptions:
    """The query of a list, watch or deletecollection. Raises BadRequest."""
    initial = query.flag("sendInitialEvents") if "sendInitialEvents" in query else None
    return ListOptions(
        labels=query.first("labelSelector"),
        fields=query.first("fieldSelector"),
        limit=query.number("limit") or 0,
        token=query.first("continue"),
        revision=query.first("resourceVersion"),
        match=query.first("resourceVersionMatch"),
        send_initial=initial,
        bookmarks=query.flag("allowWatchBookmarks"),
        timeout=query.number("timeoutSeconds"),
    )


async def get_one(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET of one object, or of its status."""
    revision = revision_of(request.query.first("resourceVersion")) if request.query.text else None
    if revision:
        await reached(api.window(stored_as(resource)), revision)
    entry = shown_as(resource, api.get(stored_as(resource), info.namespace, info.name))
    if resource.custom is not None:
        (entry,) = await resource.custom.show((entry,))
    wanted = accepted(request, resource)
    if wanted.plain:
        return Response(entry.data)
    return output.one(resource, entry, wanted, api.clock.now(), include(request))


async def list_many(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET of a collection."""
    options = list_options(request.query)
    stored = stored_as(resource)
    selection = selected(resource, options.labels, options.fields)
    found = await list_(api, stored, info.namespace, selection, options)
    items = found.page.items if stored is resource else [shown_as(resource, entry) for entry in found.page.items]
    if resource.custom is not None:
        items = await selection.shown(resource, items)
    return output.many(resource, items, found.meta, accepted(request, resource), api.clock.now(), include(request))


async def get_measured(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET of what one pod or node uses."""
    entry = await measured_one(api, resource, info.namespace, info.name)
    return output.one(resource, entry, accepted(request, resource), api.clock.now(), include(request))


async def list_measured(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET of what all pods or nodes use."""
    options = list_options(request.query)
    predicate = select(resource, options.labels, options.fields).predicate
    found = await measured(api, resource, info.namespace)
    items = [entry for entry in found if predicate is None or predicate(entry)]
    return output.many(resource, items, {}, accepted(request, resource), api.clock.now(), include(request))


async def watch_many(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """Watch of a collection, or by the old path of one object."""
    options = list_options(request.query)
    fields = options.fields
    if info.name and resource.kind != "Namespace":
        fields = f"metadata.name={info.name}" + (f",{fields}" if fields else "")
    stored = stored_as(resource)
    selection = selected(resource, options.labels, fields)
    namespace = info.namespace if resource.namespaced else ""
    form = output.WatchForm(resource, accepted(request, resource), include(request), VIEWS.get(resource))
    return await watch(api, stored, namespace, selection, options, form)


async def create_one(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """POST to a collection."""
    if info.name:
        raise no_such_verb(resource, "create")
    accepted(request, resource)
    ctx = context_of(request, info, resource)
    body = await request.read()
    if not body:
        raise BadRequest(f"EOF: the request body is empty, expected a {resource.kind}")
    sent = decode_object(resource, body, request.headers.get("Content-Type", ""), validation(request.query, info.verb))
    ctx.warnings.extend(sent.warnings)
    review = REVIEWS.get(str(resource))
    if review is not None:
        negotiate(request.headers.get("Accept", ""), whole=True)
        return Response(codec.encode(await review(api, ctx, sent.obj)), 201, warnings=tuple(ctx.warnings))
    if sent.obj.metadata.resource_version:
        raise BadRequest("resourceVersion should not be set on objects to be created")
    obj = sent.obj
    if ctx.view is not None:
        refused = list(resource.validate(resource.default(obj), None))
        if refused:
            raise refuse(resource.group, resource.kind, obj.metadata.name, refused)
        obj = ctx.view.store(obj, None)
    entry = await create(api, ctx, obj)
    return answer_object(ctx, entry, request, api, 201)


async def replace_one(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """PUT of an object or of its status."""
    accepted(request, resource)
    ctx = context_of(request, info, resource)
    body = await request.read()
    sent = decode_object(resource, body, request.headers.get("Content-Type", ""), validation(request.query, info.verb))
    ctx.warnings.extend(sent.warnings)
    door = DOORS.get((str(resource), info.subresource))
    obj = sent.obj
    if ctx.view is not None:
        obj = ctx.view.store(obj, api.find(ctx.resource, ctx.namespace, ctx.name))
    entry, created = await put(api, ctx, obj, isolate=door)
    return answer_object(ctx, entry, request, api, 201 if created else 200)


async def patch_one(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """PATCH of an object or of its status."""
    accepted(request, resource)
    ctx = context_of(request, info, resource)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind.startswith("application/apply-patch") and not request.query.first("fieldManager"):
        raise bad_option(info.verb, required("fieldManager", "is required for apply patch"))
    door = DOORS.get((str(resource), info.subresource))
    body = await request.read()
    asked = PatchRequest(kind, body, request.query.flag("force"), validation(request.query, info.verb))
    done = await patch(api, ctx, asked, door)
    return answer_object(ctx, done.entry, request, api, 201 if done.created else 200)


async def delete_options(request: Request) -> DeleteOptions:
    """DeleteOptions from the body, or else from the query. Raises BadRequest."""
    body = await request.read()
    query = request.query
    if body:
        raw = untyped(to_json(body, request.headers.get("Content-Type", "")), "DeleteOptions")
        try:
            options = codec.from_dict(DeleteOptions, {k: v for k, v in raw.items() if v is not None})
        except (msgspec.MsgspecError, ValueError) as error:
            raise BadRequest(f"DeleteOptions cannot be read: {error}") from None
        if options.kind not in ("", "DeleteOptions"):
            raise BadRequest(f"decoded object cannot be converted to DeleteOptions: got {options.kind}")
    else:
        options = DeleteOptions(
            grace_period_seconds=query.number("gracePeriodSeconds"),
            propagation_policy=query.first("propagationPolicy") or None,
            orphan_dependents=query.flag("orphanDependents") if "orphanDependents" in query else None,
        )
    if query.all("dryRun") and not options.dry_run:
        options = msgspec.structs.replace(options, dry_run=tuple(query.all("dryRun")))
    return options


async def delete_one(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """DELETE of one object."""
    accepted(request, resource)
    options = await delete_options(request)
    ctx = context_of(request, info, resource)
    ctx.dry_run = bool(options.dry_run)
    if options.ignore_store_read_error_with_cluster_breaking_potential and await delete_unread(api, ctx, info):
        return _status_of(ctx, "")
    done = await delete(api, ctx, options)
    if done.gone and resource.plural not in RETURN_DELETED:
        return _deleted(ctx, done)
    waits = not done.gone and options.orphan_dependents is False
    return answer_object(ctx, done.entry, request, api, 202 if waits else 200)


RETURN_DELETED = frozenset((
    "pods", "services", "serviceaccounts", "persistentvolumes", "persistentvolumeclaims", "namespaces",
    "podtemplates", "resourcequotas", "storageclasses", "csidrivers", "csinodes", "volumeattachments",
    "volumeattributesclasses", "resourceclaims", "resourceclaimtemplates", "resourceslices", "deviceclasses",
))  # fmt: skip
"""Plurals of the kinds whose DELETE answers with the object; the others answer with a Status."""


def _deleted(ctx: Context[Any], done: Deleted) -> Response:
    return _status_of(ctx, done.entry.uid)


def _status_of(ctx: Context[Any], uid: str) -> Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**ctx.details, "uid": uid} if uid else ctx.details,
    }
    return Response(codec.encode(body), warnings=tuple(ctx.warnings))


async def delete_many(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """DELETE of a collection."""
    wanted = accepted(request, resource)
    options = await delete_options(request)
    query = list_options(request.query)
    selection = selected(resource, query.labels, query.fields)
    ctx = context_of(request, info, resource)
    ctx.dry_run = bool(options.dry_run)
    found = await list_(api, stored_as(resource), info.namespace, selection, query)
    items = found.page.items
    if selection.late is not None:
        items = await selection.shown(resource, items)
    await delete_collection(api, ctx, options, items)
    items = [shown_as(resource, entry) for entry in items]
    if resource.custom is not None:
        items = await resource.custom.show(items)
    return output.many(resource, items, found.meta, wanted, api.clock.now())


_VERBS: dict[str, Handler] = {
    "get": get_one,
    "list": list_many,
    "watch": watch_many,
    "create": create_one,
    "update": replace_one,
    "patch": patch_one,
    "delete": delete_one,
    "deletecollection": delete_many,
}


_MEASURED: dict[str, Handler] = {"get": get_measured, "list": list_measured}


def failure(error: APIError) -> Response:
    """The answer that a refusal becomes."""
    if isinstance(error, NoSuchPath):
        return Response(
            f"{error}\n".encode(), 404, "text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"}
        )
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return Response(codec.encode(error.status()), error.code, headers=headers)

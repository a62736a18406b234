"""OpenAPI documents: /openapi/v2 whole, /openapi/v3 per group and version. For explain, apply, diff, validation.

Paths derive from what is served, schemas from `wherry.api.definitions`; documents are built in a thread when somebody
asks, and only the last few are kept. https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from wherry.api import definitions
from wherry.apiserver import openapi_protobuf
from wherry.apiserver.aggregation.documents import merge_openapi2
from wherry.apiserver.aggregation.remotes import Remotes
from wherry.apiserver.crd.publish import definitions_of
from wherry.apiserver.discovery import spoken_by
from wherry.apiserver.http import JSON, Request, Response
from wherry.apiserver.openapi_schemas import REF, REF3, names_of, reachable, second, third
from wherry.apiserver.served import Served
from wherry.machinery import codec
from wherry.machinery.errors import NoSuchPath, NotAcceptable
from wherry.machinery.resource import Resource

_KEPT = 4
_PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
_CUSTOM_PATCHES = tuple(kind for kind in _PATCHES if "strategic" not in kind)
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_LIST_PARAMETERS = (
    ("allowWatchBookmarks", "boolean"), ("continue", "string"), ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"), ("resourceVersion", "string"), ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"), ("timeoutSeconds", "integer"), ("watch", "boolean"),
)  # fmt: skip
_ACTIONS = {"get": "get", "list": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete"}


_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_DISCOVERY = f"{_META}APIResourceList"
_BESIDE = {f"{_META}{name}" for name in ("DeleteOptions", "Patch", "Status", "WatchEvent")} | {_DISCOVERY}
"""What requests name besides the kinds themselves."""


class OpenApi:
    """Builds and keeps documents. `version` is the server's gitVersion."""

    def __init__(self, served: Served, remotes: Remotes, version: str) -> None:
        self._served = served
        self._remotes = remotes
        self._version = version
        self._documents: OrderedDict[str, bytes] = OrderedDict()
        self._hashes: dict[str, str] = {}
        served.on_change(self._documents.clear)
        served.on_change(self._hashes.clear)
        remotes.on_change(self._documents.clear)
        remotes.on_change(self._hashes.clear)

    async def answer(self, request: Request, path: str) -> Response:
        """The document at a path under /openapi. Raises NotFound, NotAcceptable."""
        accept = request.headers.get("Accept", "")
        if path == "/openapi/v2" and openapi_protobuf.MEDIA in accept:
            return await self._document(request, "v2 protobuf", None)
        if accept and "protobuf" in accept and "json" not in accept and "*/*" not in accept:
            raise NotAcceptable("only the following media types are accepted: application/json")
        if path == "/openapi/v2":
            return await self._document(request, "v2", None)
        if path == "/openapi/v3":
            return Response(codec.encode({"paths": self._links()}))
        place = path.removeprefix("/openapi/v3/")
        if not path.startswith("/openapi/v3/") or place not in self._places():
            raise NoSuchPath
        return await self._document(request, place, place)

    def _places(self) -> list[str]:
        return [
            f"apis/{group}/{version}" if group else f"api/{version}"
            for group, versions in self._served.versions().items()
            for version in versions
        ]

    def _links(self) -> dict[str, dict[str, str]]:
        links = {place: self._link(place) for place in self._places()}
        for remote in self._remotes:
            links.pop(f"apis/{remote.name[0]}/{remote.name[1]}", None)
            links |= {place: {"serverRelativeURL": url} for place, url in remote.documents.openapi3.items()}
        return links

    def _link(self, place: str) -> dict[str, str]:
        return {"serverRelativeURL": f"/openapi/v3/{place}?hash={self._hash(place)}"}

    def _hash(self, place: str) -> str:
        """Of what a document is made from: the same again as long as its own kinds stay as they are."""
        found = self._hashes.get(place)
        if found is None:
            whole = place.startswith("v2")
            custom = sorted(
                f"{_place(r)}/{r.plural} {r.custom.digest}"
                for r in self._served
                if r.custom is not None and (whole or _place(r) == place)
            )
            elsewhere = (str(self._remotes.generation),) if whole and self._remotes.generation else ()
            text = "\n".join((self._version, place, *custom, *elsewhere))
            found = self._hashes[place] = hashlib.sha256(text.encode()).hexdigest().upper()
        return found

    async def _document(self, request: Request, key: str, place: str | None) -> Response:
        tag = f'"{self._hash(key)}"'
        headers = {"ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return Response(b"", 304, JSON, headers)
        found = self._documents.get(key)
        if found is None:
            loop = asyncio.get_running_loop()
            build = self._build if key != "v2 protobuf" else self._build_protobuf
            found = await loop.run_in_executor(None, build, place, tuple(self._served))
            self._documents[key] = found
            while len(self._documents) > _KEPT:
                self._documents.popitem(last=False)
        if key == "v2 protobuf":
            return Response(found, content_type=openapi_protobuf.CONTENT_TYPE, headers=headers)
        return Response(found, headers=headers)

    def _build_protobuf(self, _: str | None, resources: tuple[Resource[Any], ...]) -> bytes:
        """For kubectl before 1.27, which understands nothing else."""
        return openapi_protobuf.encode(self._second(resources))

    def _second(self, resources: tuple[Resource[Any], ...]) -> dict[str, Any]:
        document = _v2(resources, definitions.load(), self._version)
        merge_openapi2(document, [(r.name[0], r.documents.openapi2) for r in self._remotes])
        return document

    def _build(self, place: str | None, resources: tuple[Resource[Any], ...]) -> bytes:
        if place is None:
            return codec.encode(self._second(resources))
        known = definitions.load()
        parts = place.split("/")
        group, version = ("", parts[1]) if len(parts) == 2 else (parts[1], parts[2])
        wanted = [r for r in resources if (r.group, r.version) == (group, version)]
        return codec.encode(_v3(wanted, known, self._version, (group, version)))


def _place(resource: Resource[Any]) -> str:
    """Where a kind's document is."""
    return f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"


def _custom(resources: Iterable[Resource[Any]], known: dict[str, Any], *, third: bool) -> None:
    """Add the schemas of custom resources to the definitions."""
    for resource in resources:
        if resource.custom is not None:
            known.update(definitions_of(resource, third=third))


def _roots(resource: Resource[Any], names: Mapping[tuple[str, str, str], str]) -> set[str]:
    """The definitions that requests about a kind name: its own, its list's and its subresources'."""
    listed = f"{resource.kind}List" if resource.custom is None else resource.custom.list_kind
    wanted = [(resource.group, resource.version, resource.kind), (resource.group, resource.version, listed)]
    wanted += [spoken_by(resource, name)[:3] for name in resource.subresources]
    return {names[kind] for kind in wanted if kind in names}


def _gvk(resource: Resource[Any]) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _v2(resources: Iterable[Resource[Any]], known: dict[str, Any], version: str) -> dict[str, Any]:
    resources = tuple(resources)
    _custom(resources, known, third=False)
    names = names_of(known)
    roots = set(_BESIDE)
    paths: dict[str, Any] = {}
    for resource in resources:
        ref = names.get((resource.group, resource.version, resource.kind))
        roots |= _roots(resource, names)
        for path, actions in _paths(resource):
            paths[path] = {
                method: _operation2(resource, action, ref) for action, method in _ACTIONS.items() if action in actions
            }
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": paths,
        "definitions": {name: second(known[name]) for name in sorted(reachable(roots, known))},
    }


def _v3(
    resources: Iterable[Resource[Any]], known: dict[str, Any], version: str, place: tuple[str, str]
) -> dict[str, Any]:
    resources = tuple(resources)
    _custom(resources, known, third=True)
    names = names_of(known)
    paths: dict[str, Any] = {}
    roots: set[str] = {_DISCOVERY}
    for resource in resources:
        ref = names.get((resource.group, resource.version, resource.kind))
        roots |= _roots(resource, names)
        roots |= _BESIDE if "list" in resource.verbs else set()
        for path, actions in _paths(resource):
            paths[path] = {
                method: _operation3(resource, action, ref) for action, method in _ACTIONS.items() if action in actions
            }
    schemas = {name: third(known[name], *place) for name in sorted(reachable(roots, known))}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _paths(resource: Resource[Any]) -> Iterable[tuple[str, set[str]]]:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    verbs = set(resource.verbs)
    place = f"{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"
    yield place, verbs & {"list", "create"}
    yield f"{place}/{{name}}", verbs & {"get", "update", "patch", "delete"}
    if resource.namespaced:
        yield f"{root}/{resource.plural}", verbs & {"list"}
    for sub in resource.subresources:
        if sub in ("status", "scale"):
            yield f"{place}/{{name}}/{sub}", {"get", "update", "patch"}


def _parameters(action: str) -> list[tuple[str, str]]:
    if action == "list":
        return list(_LIST_PARAMETERS)
    if action in ("create", "update", "patch"):
        force = [("force", "boolean")] if action == "patch" else []
        return [(name, "string") for name in _WRITE_PARAMETERS] + force
    if action == "delete":
        return [("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")]
    return []


def _shared(resource: Resource[Any], action: str) -> dict[str, Any]:
    return {
        "operationId": f"{action}{resource.group.title().replace('.', '')}{resource.version.title()}{resource.kind}",
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(action, action),
        "x-kubernetes-group-version-kind": _gvk(resource),
    }


def _operation2(resource: Resource[Any], action: str, ref: str | None) -> dict[str, Any]:
    schema = {"$ref": f"{REF}{ref}"} if ref else {"type": "object"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "type": kind, "uniqueItems": True} for name, kind in _parameters(action)
    ]
    if action in ("create", "update", "patch"):
        parameters.append({"name": "body", "in": "body", "required": True, "schema": schema})
    return {
        **_shared(resource, action),
        "consumes": list(_patches(resource)) if action == "patch" else ["*/*"],
        "produces": [JSON],
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": schema}, "401": {"description": "Unauthorized"}},
    }


def _operation3(resource: Resource[Any], action: str, ref: str | None) -> dict[str, Any]:
    schema = {"$ref": f"{REF3}{ref}"} if ref else {"type": "object"}
    out: dict[str, Any] = {
        **_shared(resource, action),
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}
            for name, kind in _parameters(action)
        ],
        "responses": {
            "200": {"description": "OK", "content": {JSON: {"schema": schema}}},
            "401": {"description": "Unauthorized"},
        },
    }
    if action in ("create", "update", "patch"):
        media = _patches(resource) if action == "patch" else ("*/*",)
        out["requestBody"] = {"required": True, "content": {m: {"schema": schema} for m in media}}
    return out


def _patches(resource: Resource[Any]) -> tuple[str, ...]:
    """The patches that a kind takes; kubectl looks here."""
    return _PATCHES if resource.custom is None else _CUSTOM_PATCHES

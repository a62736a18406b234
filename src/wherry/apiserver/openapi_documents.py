"""The OpenAPI documents themselves, made from what is served and from the packed definitions. Pure.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wherry.apiserver.crd.publish import definitions_of
from wherry.apiserver.discovery import spoken_by
from wherry.apiserver.openapi_operations import document, items, place_of
from wherry.apiserver.openapi_paths import Writer, Writer2, Writer3
from wherry.apiserver.openapi_schemas import names_of, reachable, second, third
from wherry.apiserver.operation_ids import PLACES
from wherry.machinery.resource import Resource

_SECURITY = {
    "BearerToken": {
        "description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header",
    }
}  # fmt: skip


def _documents(resources: Iterable[Resource[Any]]) -> list[str]:
    """The places of the documents that describe the API: fixed ones, and those of built-in groups and versions."""
    groups: dict[str, None] = {}
    for resource in resources:
        if resource.custom is None:
            place = place_of(resource)
            groups |= dict.fromkeys((place.rpartition("/")[0], place))
    return [*dict.fromkeys((*PLACES, *groups))]


def places(resources: Iterable[Resource[Any]]) -> list[str]:
    """Where version 3 has a document: below /openapi/v3, and without slashes around it, what the document is about."""
    resources = tuple(resources)
    return [*dict.fromkeys((*_documents(resources), *(place_of(resource) for resource in resources)))]


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


def _written(writer: Writer, resources: Iterable[Resource[Any]], names: Mapping[tuple[str, str, str], str]) -> set[str]:
    """Write all operations of these kinds; the definitions of the kinds."""
    roots: set[str] = set()
    for resource in resources:
        roots |= _roots(resource, names)
        for path, item in items(resource, names):
            writer.add(path, item)
    return roots


def whole(resources: tuple[Resource[Any], ...], known: dict[str, Any], version: str) -> dict[str, Any]:
    """Version 2, of everything. `known`, the definitions, is added to."""
    _custom(resources, known, third=False)
    names = names_of(known)
    writer = Writer2()
    roots = _written(writer, resources, names)
    for place in _documents(resources):
        writer.add(*document(place))
    roots |= writer.named
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": writer.paths,
        "parameters": writer.parameters,
        "definitions": {name: second(known[name]) for name in sorted(reachable(roots, known))},
        "securityDefinitions": _SECURITY,
        "security": [{"BearerToken": []}],
    }


def of_place(place: str, resources: Iterable[Resource[Any]], known: dict[str, Any], version: str) -> dict[str, Any]:
    """Version 3, of one of the `places`. `known`, the definitions, is added to."""
    wanted = tuple(r for r in resources if place_of(r) == place)
    _custom(wanted, known, third=True)
    names = names_of(known)
    writer = Writer3()
    roots = _written(writer, wanted, names)
    if any(resource.custom is None for resource in wanted) or not wanted:
        writer.add(*document(place))
    roots |= writer.named
    own = (wanted[0].group, wanted[0].version) if wanted else ("", "")
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": writer.paths,
        "components": {
            "schemas": {name: third(known[name], *own) for name in sorted(reachable(roots, known))},
            "securitySchemes": _SECURITY,
        },
    }

"""Documents: what remote servers say of themselves (discovery, OpenAPI), fetched by the availability check, and how it
is merged into this server's own. https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.apiserver.aggregation.forwarding import ask
from wherry.apiserver.aggregation.identity import identity
from wherry.apiserver.aggregation.remotes import Documents, Remote
from wherry.apiserver.authn.user import MASTERS, User
from wherry.machinery.errors import ServiceUnavailable

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

SECONDS = 5.0
LIMIT = 16 * 1024 * 1024
AGGREGATOR = User("system:kube-aggregator", (MASTERS,))
OPENAPI = User("system:aggregator", (MASTERS,))
_REF = "#/definitions/"


async def fetch(api: Api, remote: Remote) -> None:
    """Ask a remote for its resources, and for its OpenAPI documents if it has any. Raises ServiceUnavailable."""
    group, version = remote.name
    place = f"apis/{group}/{version}"
    raw = await _get(api, remote, f"/{place}", AGGREGATOR)
    listed = _read(raw).get("resources", [])
    resources = tuple(r for r in listed if isinstance(r, dict)) if isinstance(listed, list) else ()
    before = remote.documents
    openapi2, openapi3 = before.openapi2, before.openapi3
    if not before.current or resources != before.resources:
        openapi2, openapi3 = await _openapi(api, remote)
    if (resources, openapi2, openapi3, True) == (before.resources, before.openapi2, before.openapi3, before.current):
        return
    remote.documents = Documents(resources, current=True, openapi2=openapi2, openapi3=openapi3)
    api.remotes.changed()


async def _openapi(api: Api, remote: Remote) -> tuple[bytes, Mapping[str, str]]:
    """Version 2 whole, and where version 3 is found by place; nothing where there is none."""
    second, third = b"", {}
    try:
        second = await _get(api, remote, "/openapi/v2", OPENAPI)
    except ServiceUnavailable:
        second = b""
    try:
        paths = _read(await _get(api, remote, "/openapi/v3", OPENAPI)).get("paths", {})
    except ServiceUnavailable:
        return second, {}
    if isinstance(paths, dict):
        own = f"apis/{remote.name[0]}/{remote.name[1]}"
        third = {
            place: str(at["serverRelativeURL"])
            for place, at in paths.items()
            if place == own and isinstance(at, dict) and at.get("serverRelativeURL")
        }
    return second, third


async def _get(api: Api, remote: Remote, target: str, user: User) -> bytes:
    """The JSON document at a path. Raises ServiceUnavailable."""
    url = f"https://{remote.host}{target}"
    headers = [*identity(user), ("Accept", "application/json")]
    try:
        async with asyncio.timeout(SECONDS):
            response = await ask(api, remote, "GET", target, headers)
            try:
                if not 200 <= response.status < 300:
                    raise ServiceUnavailable(
                        f"failing or missing response from {url}: bad status from {url}: {response.status}"
                    )
                return await _body(response)
            finally:
                response.release()
    except TimeoutError:
        raise ServiceUnavailable(f"timed out waiting for {url}") from None


async def _body(response: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await response.content.readany():
        size += len(part)
        if size > LIMIT:
            raise ServiceUnavailable("the document is too large")
        parts.append(part)
    return b"".join(parts)


def _read(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise ServiceUnavailable(f"the document is not JSON: {error}") from None
    return found if isinstance(found, dict) else {}


def aggregated(remote: Remote) -> dict[str, Any]:
    """One version of an APIGroupDiscovery, from the resources that a remote listed."""
    found: dict[str, dict[str, Any]] = {}
    for resource in remote.documents.resources:
        if "/" not in resource.get("name", "/"):
            found[resource["name"]] = _resource(resource, remote)
    for resource in remote.documents.resources:
        parent, slash, name = resource.get("name", "").partition("/")
        if slash and parent in found:
            sub = {
                "subresource": name,
                "responseKind": _kind(resource, remote),
                "verbs": list(resource.get("verbs", ())),
            }
            found[parent].setdefault("subresources", []).append(sub)
    freshness = "Current" if remote.documents.current else "Stale"
    return {"version": remote.name[1], "resources": list(found.values()), "freshness": freshness}


def _resource(resource: Mapping[str, Any], remote: Remote) -> dict[str, Any]:
    out = {
        "resource": resource["name"],
        "responseKind": _kind(resource, remote),
        "scope": "Namespaced" if resource.get("namespaced") else "Cluster",
        "singularResource": resource.get("singularName", ""),
        "verbs": list(resource.get("verbs", ())),
    }
    for name in ("shortNames", "categories"):
        if resource.get(name):
            out[name] = list(resource[name])
    return out


def _kind(resource: Mapping[str, Any], remote: Remote) -> dict[str, str]:
    return {
        "group": resource.get("group") or remote.name[0],
        "version": resource.get("version") or remote.name[1],
        "kind": resource.get("kind", ""),
    }


def merge_openapi2(document: dict[str, Any], remotes: Iterable[tuple[str, bytes]]) -> None:
    """Add the paths of each (group, document) to this server's own document, and what they refer to.

    A definition that is called like another but says something else gets a name of its own. Shared parameters are
    called by what they say.
    """
    for group, raw in remotes:
        try:
            theirs = _read(raw) if raw else {}
        except ServiceUnavailable:
            continue
        paths = {p: v for p, v in theirs.get("paths", {}).items() if p.startswith(f"/apis/{group}/")}
        renamed = _add_definitions(document["definitions"], theirs.get("definitions", {}))
        shared = theirs.get("parameters", {})
        for name, parameter in shared.items() if paths else ():
            document.setdefault("parameters", {}).setdefault(name, _renamed(parameter, renamed))
        for path, item in paths.items():
            document["paths"].setdefault(path, _renamed(item, renamed))


def _add_definitions(own: dict[str, Any], theirs: Mapping[str, Any]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for name, schema in theirs.items():
        if name in own and own[name] != schema:
            number = 2
            while f"{name}_v{number}" in own and own[f"{name}_v{number}"] != schema:
                number += 1
            renamed[name] = f"{name}_v{number}"
    for name, schema in theirs.items():
        own.setdefault(renamed.get(name, name), _renamed(schema, renamed))
    return renamed


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if not names:
        return value
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    ref = value.get("$ref")
    moved = {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(ref, str):
        name = ref.removeprefix(_REF)
        moved["$ref"] = _REF + names.get(name, name)
    return moved

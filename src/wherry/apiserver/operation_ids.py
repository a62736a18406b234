"""Operation ids and tags of the OpenAPI documents, from which client generators name functions and modules. Pure.

An id is verb, group, version, scope, kind and subresource in camel case: `replaceCoreV1NamespacedPodStatus`. What is of
no kind has a fixed one. https://github.com/kubernetes/kubernetes/blob/master/api/openapi-spec/swagger.json
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wherry.machinery.resource import Resource

_VERBS: Final[Mapping[str, str]] = {
    "get": "read", "post": "create", "put": "replace", "watchlist": "watch", "deletecollection": "delete",
}  # fmt: skip
"""Actions that ids call otherwise."""
_FIXED: Final[Mapping[str, str]] = {
    ".well-known/openid-configuration": "getServiceAccountIssuerOpenIDConfiguration",
    "api": "getCoreAPIVersions",
    "apis": "getAPIVersions",
    "openid/v1/jwks": "getServiceAccountIssuerOpenIDKeyset",
    "version": "getCodeVersion",
}
"""Documents that belong to no group, by path."""
PLACES: Final = tuple(_FIXED)
_WITH_PATH: Final = "/{path}"


def operation_id(
    resource: Resource[Any], action: str, subresource: str = "", *, method: str = "", everywhere: bool = False
) -> str:
    """The id of what an action (`x-kubernetes-action`) does to a kind.

    `subresource` may be `proxy/{path}`; `method` counts for connections alone; `everywhere`: in all namespaces.
    """
    before = {"connect": method.title(), "deletecollection": "Collection"}.get(action, "")
    scope = "Namespaced" if resource.namespaced and not everywhere else ""
    part = subresource.removesuffix(_WITH_PATH)
    after = part[:1].upper() + part[1:] + ("WithPath" if part != subresource else "")
    after += "List" if action == "watchlist" else ""
    after += "ForAllNamespaces" if everywhere else ""
    subject = _words(f"{before}{scope}{resource.kind}{after}")
    return f"{_VERBS.get(action, action)}{_first(_group(resource.group))}{_first(_words(resource.version))}{subject}"


def document_id(place: str) -> str:
    """The id of a discovery document or another one of no kind, by its path without slashes around it."""
    if place in _FIXED:
        return _FIXED[place]
    group, version = _parts(place)
    return f"get{_first(_group(group))}" + (f"{_first(_words(version))}APIResources" if version else "APIGroup")


def tag(place: str) -> str:
    """The tag of what is below a path (`api/v1`, `apis/batch`, `version`): `core_v1`, `batch`, `version`."""
    if place in _FIXED and place != "api":
        return _words(place.split("/")[0])
    group, version = _parts(place)
    return f"{_group(group)}_{_words(version)}" if version else _group(group)


def _parts(place: str) -> tuple[str, str]:
    """(group, version) of a path; "" is the core group, or no version."""
    first, *rest = place.split("/")
    group, version = ("", *rest, "")[:2] if first == "api" else (*rest, "", "")[:2]
    return group, version


def _group(group: str) -> str:
    return _words(group.removesuffix(".k8s.io")) if group else "core"


def _words(text: str) -> str:
    """The letters and digits, those behind anything else as capitals; a digit does not come first."""
    out: list[str] = []
    capital = False
    for place, char in enumerate(text):
        if char == "_" or char.isalpha() or (place and char.isdigit()):
            out.append(char.upper() if capital else char)
            capital = False
        else:
            capital = True
    return "".join(out)


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]

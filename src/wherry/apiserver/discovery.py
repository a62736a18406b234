"""Discovery documents: which groups, versions and resources there are, plain and aggregated.

Built from `Served` and `Remotes`.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from typing import Any

from wherry.api.types import catalog
from wherry.apiserver.aggregation import priorities
from wherry.apiserver.aggregation.documents import aggregated
from wherry.apiserver.aggregation.remotes import Remotes
from wherry.apiserver.http import JSON, Request, Response
from wherry.apiserver.negotiate import negotiate
from wherry.apiserver.served import Served, rank
from wherry.machinery import codec
from wherry.machinery.errors import NoSuchPath, nothing_there
from wherry.machinery.resource import Resource

_SUBRESOURCES = {(s.group, s.version, s.plural): s.subresources for s in catalog.SERVED}
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


class Discovery:
    """Answers /api, /apis and below. Documents are kept until what is served changes."""

    def __init__(self, served: Served, remotes: Remotes) -> None:
        self._served = served
        self._remotes = remotes
        self._kept: dict[str, tuple[bytes, str]] = {}
        served.on_change(self._kept.clear)
        remotes.on_change(self._kept.clear)

    def versions(self) -> dict[str, list[str]]:
        """Group -> its versions, best first, here and elsewhere; groups in the order in which clients prefer them."""
        found = self._served.versions()
        least = {group: priorities.of(group, versions[0])[0] for group, versions in found.items()}
        for group, remotes in self._remotes.versions().items():
            least[group] = max(least.get(group, 0), *(r.service.spec.group_priority_minimum for r in remotes))
            versions = list(dict.fromkeys((*found.get(group, ()), *(r.name[1] for r in remotes))))
            found[group] = sorted(versions, key=partial(self._order, group))
        return {group: found[group] for group in sorted(found, key=lambda g: (-least[g], g))}

    def _order(self, group: str, version: str) -> tuple[int, tuple[int, int, int, str]]:
        return -self._position(group, version), rank(version)

    def _position(self, group: str, version: str) -> int:
        remote = self._remotes.find(group, version)
        return priorities.of(group, version)[1] if remote is None else remote.service.spec.version_priority

    def answer(self, request: Request, path: str) -> Response:
        """The document at a path under /api or /apis. Raises NotFound, NotAcceptable."""
        parts = path.strip("/").split("/")
        wanted = negotiate(request.headers.get("Accept", ""))
        if len(parts) == 1 and wanted.form == "APIGroupDiscoveryList":
            return self._cached(request, f"{parts[0]}:{wanted.version}", _AGGREGATED.format(wanted.version))
        return self._cached(request, "/".join(parts), JSON)

    def _cached(self, request: Request, key: str, media: str) -> Response:
        found = self._kept.get(key)
        if found is None:
            data = codec.encode(self._build(key))
            found = self._kept[key] = (data, hashlib.sha256(data).hexdigest().upper())
        data, digest = found
        tag = f'"{digest}"'
        headers = {"ETag": tag, "Vary": "Accept"} if ":" in key else {}
        if headers and request.headers.get("If-None-Match") == tag:
            return Response(b"", 304, media, headers)
        return Response(data, 200, media, headers)

    def _build(self, key: str) -> dict[str, Any]:
        if ":" in key:
            root, _, version = key.partition(":")
            return self._aggregated(root, version)
        match key.split("/"):
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            case ["apis"]:
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
            case ["api", version]:
                return self._resources("", version)
            case ["apis", group]:
                found = next((g for g in self._groups() if g["name"] == group), None)
                if found is None:
                    raise NoSuchPath
                return {"kind": "APIGroup", "apiVersion": "v1", **found}
            case ["apis", group, version]:
                return self._resources(group, version)
            case _:
                raise nothing_there()

    def _groups(self) -> list[dict[str, Any]]:
        out = []
        for group, versions in self.versions().items():
            if group:
                named = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
                out.append({"name": group, "versions": named, "preferredVersion": named[0]})
        return out

    def _of(self, group: str, version: str) -> list[Resource[Any]]:
        found = [r for r in self._served if (r.group, r.version) == (group, version)]
        return sorted(found, key=lambda r: r.plural)

    def _resources(self, group: str, version: str) -> dict[str, Any]:
        resources = self._of(group, version)
        if not resources and group and group not in self.versions():
            raise NoSuchPath
        if not resources:
            raise nothing_there()
        out: list[dict[str, Any]] = []
        for resource in resources:
            out.append(_plain(resource))
            out += [_plain_sub(resource, name) for name in sorted(resource.subresources)]
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": out,
        }

    def _aggregated(self, root: str, version: str) -> dict[str, Any]:
        items = []
        for group, versions in self.versions().items():
            if (group == "") == (root == "api"):
                shown = [self._version(group, v) for v in versions]
                items.append({"metadata": {"name": group} if group else {}, "versions": shown})
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }

    def _version(self, group: str, version: str) -> dict[str, Any]:
        remote = self._remotes.find(group, version)
        if remote is not None:
            return aggregated(remote)
        resources = [_aggregated(r) for r in self._of(group, version)]
        return {"version": version, "resources": resources, "freshness": "Current"}


def spoken_by(resource: Resource[Any], name: str) -> tuple[str, str, str, tuple[str, ...]]:
    """(group, version, kind, verbs) of a subresource."""
    facts = _SUBRESOURCES.get((resource.group, resource.version, resource.plural), {}).get(name)
    if facts is not None:
        group, version, kind, verbs = facts
        return group or resource.group if version else resource.group, version or resource.version, kind, verbs
    if name == "scale":
        return "autoscaling", "v1", "Scale", ("get", "patch", "update")
    return resource.group, resource.version, resource.kind, ("get", "patch", "update")


def _plain(resource: Resource[Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        out["shortNames"] = list(resource.short_names)
    if resource.categories:
        out["categories"] = list(resource.categories)
    if "list" in resource.verbs:
        out["storageVersionHash"] = _storage_hash(resource)
    return out


def _storage_hash(resource: Resource[Any]) -> str:
    digest = hashlib.sha256(f"{resource.group}/{resource.version}/{resource.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _plain_sub(resource: Resource[Any], name: str) -> dict[str, Any]:
    group, version, kind, verbs = spoken_by(resource, name)
    out: dict[str, Any] = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": sorted(verbs),
    }
    if (group, version) != (resource.group, resource.version):
        out |= {"group": group, "version": version}
    return out


def _aggregated(resource: Resource[Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        out["shortNames"] = list(resource.short_names)
    if resource.categories:
        out["categories"] = list(resource.categories)
    subresources = []
    for name in sorted(resource.subresources):
        group, version, kind, verbs = spoken_by(resource, name)
        subresources.append(
            {
                "subresource": name,
                "responseKind": {"group": group, "version": version, "kind": kind},
                "verbs": sorted(verbs),
            }
        )
    if subresources:
        out["subresources"] = subresources
    return out

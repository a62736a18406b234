"""From a kind to its place in the API: what autoscalers ask of discovery.

As upstream's mapper does, a kind is looked for in its group, not in one version of it: a reference to a version that is
not served any more goes on working.
"""

from __future__ import annotations

from dataclasses import dataclass

from wherry.machinery.errors import NotFound
from wherry.reconcile.context import Tracked


@dataclass(frozen=True, slots=True)
class Place:
    """A resource: its plural, its group, and the path of the version it was found in."""

    plural: str
    group: str
    base: str

    @property
    def qualified(self) -> str:
        """`deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


async def resource_of(api: Tracked, api_version: str, kind: str) -> Place:
    """Where a kind is served. Raises APIError; NotFound when there is no such kind."""
    group, _, version = api_version.rpartition("/")
    if version and (found := await _in_version(api, group, version, kind)):
        return found
    for other in await _versions(api, group):
        if other != version and (found := await _in_version(api, group, other, kind)):
            return found
    raise NotFound(f'no matches for kind "{kind}" in group "{group}"')


async def _in_version(api: Tracked, group: str, version: str, kind: str) -> Place | None:
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    try:
        listed = (await api.raw("GET", base)).get("resources") or []
    except NotFound:
        return None
    plural = next((one["name"] for one in listed if one.get("kind") == kind and "/" not in one["name"]), None)
    return None if plural is None else Place(str(plural), group, base)


async def _versions(api: Tracked, group: str) -> list[str]:
    """The group's versions, the preferred one first."""
    try:
        if not group:
            return list((await api.raw("GET", "/api")).get("versions") or [])
        found = await api.raw("GET", f"/apis/{group}")
    except NotFound:
        return []
    return [one["version"] for one in found.get("versions") or []]

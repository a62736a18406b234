"""From a kind to its place in the API: what autoscalers ask of discovery."""

from __future__ import annotations

from wherry.machinery.errors import NotFound
from wherry.reconcile.context import Tracked


async def plural_of(api: Tracked, api_version: str, kind: str) -> tuple[str, str]:
    """The plural of a kind, and the path of its version. Raises APIError; NotFound when there is no such kind."""
    base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    for one in (await api.raw("GET", base)).get("resources") or []:
        if one.get("kind") == kind and "/" not in one["name"]:
            return str(one["name"]), base
    raise NotFound(f'no matches for kind "{kind}" in group "{api_version.rpartition("/")[0]}"')

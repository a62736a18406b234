"""The pods of a node while its agent is replaced: those that were Ready must be Ready afterwards, with the same
containers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    """A pod that was Ready. `containers`: IDs by name."""

    name: str
    containers: Mapping[str, str]


def held(items: Iterable[Mapping[str, Any]], node: str) -> dict[str, Held]:
    """The Ready pods of a node, by uid."""
    return {
        item["metadata"]["uid"]: Held(f"{item['metadata']['namespace']}/{item['metadata']['name']}", _containers(item))
        for item in items
        if item.get("spec", {}).get("nodeName") == node and _stays(item) and _ready(item)
    }


def unready(before: Mapping[str, Held], items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of pods that were Ready and are not. Those that have ended, or are to go, do not count."""
    now = {item["metadata"]["uid"]: item for item in items}
    return sorted(pod.name for uid, pod in before.items() if uid in now and _stays(now[uid]) and not _ready(now[uid]))


def restarted(before: Mapping[str, Held], items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of pods that stayed, with a container that is another than before."""
    now = {item["metadata"]["uid"]: item for item in items}
    return sorted(
        pod.name
        for uid, pod in before.items()
        if uid in now and _stays(now[uid]) and _containers(now[uid]) != pod.containers
    )


def _stays(item: Mapping[str, Any]) -> bool:
    over = item.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not over and not item["metadata"].get("deletionTimestamp")


def _ready(item: Mapping[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", ())
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _containers(item: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("containerID", "") for one in item.get("status", {}).get("containerStatuses", ())}

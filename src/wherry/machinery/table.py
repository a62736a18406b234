"""Tables: what `kubectl get` prints, as meta.k8s.io/v1 Table, and durations as people read them.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
Rows hold typed objects; encode the result with `wherry.machinery.codec.encode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from wherry.machinery.meta import T
from wherry.machinery.resource import Column, Resource
from wherry.machinery.time import seconds

Include = Literal["None", "Metadata", "Object"]

_NAME: dict[str, Any] = {
    "name": "Name", "type": "string", "format": "name", "description": "Name of the object.", "priority": 0,
}  # fmt: skip
_CREATED: dict[str, Any] = {
    "name": "Created At", "type": "date", "format": "", "description": "When the object was made.", "priority": 0,
}  # fmt: skip


def render(
    resource: Resource[T],
    objs: Iterable[T],
    now: float,
    include: Include = "Metadata",
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The Table of these objects; `now` in epoch seconds, `metadata` of the list (resourceVersion, continue, ...).

    A kind without columns gets its creation time as the second one.
    """
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": definitions(resource),
        "rows": [row(resource, obj, now, include) for obj in objs],
    }


def definitions(resource: Resource[T]) -> list[dict[str, Any]]:
    """The column definitions, name first; wide columns have priority 1."""
    if not resource.columns:
        return [_NAME, _CREATED]
    own = [_definition(column) for column in resource.columns]
    return own if _names_itself(resource) else [_NAME, *own]


def _names_itself(resource: Resource[T]) -> bool:
    """Whether the kind prints its name itself: elsewhere than first, or with an addition."""
    return any(column.format == "name" for column in resource.columns)


def row(resource: Resource[T], obj: T, now: float, include: Include = "Metadata") -> dict[str, Any]:
    """One row: the cells, and as much of the object as `include` asks for."""
    cells: list[object] = [] if _names_itself(resource) else [obj.metadata.name]
    cells += [column.cell(obj, now) for column in resource.columns] or [obj.metadata.creation_timestamp]
    shown: dict[str, Any] = {"cells": cells}
    if include == "Metadata":
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj.metadata}
        shown["object"] = partial
    elif include == "Object":
        shown["object"] = obj
    return shown


def _definition(column: Column[T]) -> dict[str, Any]:
    return {
        "name": column.header,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": 1 if column.wide else 0,
    }


def age(timestamp: str | None, now: float) -> str:
    """How long ago a Time is, as kubectl shows it; `<unknown>` for none."""
    return duration(now - seconds(timestamp)) if timestamp else "<unknown>"


def duration(length: float) -> str:
    """Seconds in two or three significant figures: 90s, 5m30s, 3h, 2d4h, 400d, 3y10d."""
    total = int(length)
    if total < 0:
        return "<invalid>" if total < -1 else "0s"
    if total < 120:
        return f"{total}s"
    minutes, hours = total // 60, total // 3600
    if hours < 3:
        return _pair(minutes, "m", total % 60, "s") if minutes < 10 else f"{minutes}m"
    if hours < 48:
        return _pair(hours, "h", minutes % 60, "m") if hours < 8 else f"{hours}h"
    return _long(hours // 24, hours % 24)


def _long(days: int, hours: int) -> str:
    if days < 8:
        return _pair(days, "d", hours, "h")
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return _pair(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def short_duration(length: float) -> str:
    """Seconds in one figure: 90s is 1m, 26h is 1d."""
    total = int(length)
    if total < 0:
        return "<invalid>" if total < -1 else "0s"
    for size, unit in ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "m")):
        if total >= size:
            return f"{total // size}{unit}"
    return f"{total}s"

"""VIEWS: kinds that are served in a second group or version, and stored in the first. Pure.

events.k8s.io/v1 Events are core/v1 Events under other names; autoscaling/v1 HorizontalPodAutoscalers show the part of
v2 that v1 knows. What the view cannot express is kept over an update through it.
https://kubernetes.io/docs/reference/using-api/deprecation-policy/#rules-for-deprecating-parts-of-the-api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wherry.api.autoscaling.horizontalpodautoscaler import HORIZONTALPODAUTOSCALER
from wherry.api.autoscaling.horizontalpodautoscaler_v1 import HORIZONTALPODAUTOSCALER_V1
from wherry.api.core.event import EVENT
from wherry.api.events.event import EVENT as NEW_EVENT
from wherry.apiserver.select import Selection, select
from wherry.machinery import codec
from wherry.machinery.resource import Resource
from wherry.machinery.selectors import parse_fields
from wherry.store.entry import Entry, Kind

Json = dict[str, Any]
Up = Callable[[Json], Json]
Down = Callable[[Json, Json], Json]
_SPECIAL = re.compile(r"[\\,=]")


@dataclass(frozen=True, slots=True)
class View:
    """`up`: stored -> shown. `down`: (shown, what is stored or {}) -> to be stored. Both leave metadata alone."""

    resource: Resource[Any]
    stored: Resource[Any]
    up: Up
    down: Down
    names: Mapping[str, str] = field(default_factory=dict)
    """Top-level fields that have another name here: shown -> stored."""

    def fields(self, text: str) -> str:
        """A field selector of this view as one of the stored kind. Raises ValueError."""
        terms = []
        for path, operator, value in parse_fields(text):
            first, dot, rest = path.partition(".")
            escaped = _SPECIAL.sub(r"\\\g<0>", value)
            terms.append(f"{self.names.get(first, first)}{dot}{rest}{operator}{escaped}")
        return ",".join(terms)

    def show(self, entry: Entry[Any]) -> Entry[Any]:
        """A stored entry as this view shows it."""
        kind: Kind[Any] = Kind()
        kind.resource = self.resource
        return Entry(kind, entry.key, codec.encode(self.shown(entry)), entry.revision, entry.created)

    def shown(self, entry: Entry[Any]) -> Json:
        """The same as builtins."""
        return self._typed(self.up(msgspec.json.decode(entry.data)), self.resource)

    def store(self, obj: Any, entry: Entry[Any] | None) -> Any:
        """A typed object of this view as one of the stored kind, over what is stored."""
        old: Json = {} if entry is None else msgspec.json.decode(entry.data)
        raw = self._typed(self.down(codec.to_dict(obj), old), self.stored)
        return codec.from_dict(self.stored.type, raw)

    def raised(self, obj: Any) -> Json:
        """A typed object of the stored kind as this view shows it."""
        return self._typed(self.up(codec.to_dict(obj)), self.resource)

    def lowered(self, raw: Json, obj: Any) -> Json:
        """What this view shows, changed, as the stored kind; what it does not show stays as in `obj`."""
        return self._typed(self.down(raw, codec.to_dict(obj)), self.stored)

    def config(self, raw: Json) -> Json:
        """An applied configuration of this view as one of the stored kind."""
        return self._typed(self.down(raw, {}), self.stored)

    def _typed(self, raw: Json, resource: Resource[Any]) -> Json:
        raw.pop("kind", None)
        raw.pop("apiVersion", None)
        return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": raw.pop("metadata", {}), **raw}


_EVENT_NAMES = {  # stored -> shown
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "source": "deprecatedSource",
}
_EVENT_BACK = {shown: stored for stored, shown in _EVENT_NAMES.items()}


def _event_up(raw: Json) -> Json:
    return {_EVENT_NAMES.get(name, name): value for name, value in raw.items()}


def _event_down(raw: Json, old: Json) -> Json:
    return {_EVENT_BACK.get(name, name): value for name, value in raw.items()}


def _is_cpu(metric: Json) -> bool:
    """Whether v1 can say it: CPU as a share of what is requested."""
    source = metric.get("resource") or {}
    return (
        metric.get("type") == "Resource"
        and source.get("name") == "cpu"
        and (source.get("target") or source.get("current") or {}).get("averageUtilization") is not None
    )


def _scaler_up(raw: Json) -> Json:
    spec, status = dict(raw.get("spec") or {}), dict(raw.get("status") or {})
    share = next((m for m in spec.pop("metrics", ()) if _is_cpu(m)), None)
    spec.pop("behavior", None)
    if share is not None:
        spec["targetCPUUtilizationPercentage"] = share["resource"]["target"]["averageUtilization"]
    seen = next((m for m in status.pop("currentMetrics", None) or () if _is_cpu(m)), None)
    status.pop("conditions", None)
    if seen is not None:
        status["currentCPUUtilizationPercentage"] = seen["resource"]["current"]["averageUtilization"]
    return {**raw, "spec": spec, "status": {"currentReplicas": 0, "desiredReplicas": 0, **status}}


def _scaler_down(raw: Json, old: Json) -> Json:
    spec, status = dict(raw.get("spec") or {}), dict(raw.get("status") or {})
    before = old.get("spec") or {}
    metrics = [m for m in before.get("metrics", ()) if not _is_cpu(m)]
    share = spec.pop("targetCPUUtilizationPercentage", None)
    if share is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    if "behavior" in before:
        spec["behavior"] = before["behavior"]
    status.pop("currentCPUUtilizationPercentage", None)
    kept = {
        name: value for name, value in (old.get("status") or {}).items() if name in ("conditions", "currentMetrics")
    }
    return {**raw, "spec": spec, "status": {**status, **kept}}


VIEWS: Mapping[Resource[Any], View] = {
    NEW_EVENT: View(NEW_EVENT, EVENT, _event_up, _event_down, _EVENT_BACK),
    HORIZONTALPODAUTOSCALER_V1: View(HORIZONTALPODAUTOSCALER_V1, HORIZONTALPODAUTOSCALER, _scaler_up, _scaler_down),
}


def stored_as(resource: Resource[Any]) -> Resource[Any]:
    """The resource that a served one is stored as: itself, unless it is a view."""
    view = VIEWS.get(resource)
    return resource if view is None else view.stored


def shown_as(resource: Resource[Any], entry: Entry[Any]) -> Entry[Any]:
    """A stored entry in the form of a served resource."""
    view = VIEWS.get(resource)
    return entry if view is None else view.show(entry)


def selected(resource: Resource[Any], labels: str, fields: str) -> Selection:
    """The selectors of a request on a served resource, as they select what is stored. Raises BadRequest."""
    view = VIEWS.get(resource)
    if view is None:
        return select(resource, labels, fields)
    select(resource, labels, fields)  # refuses what this version does not know
    return select(view.stored, labels, view.fields(fields))

"""What autoscalers read: the resource, custom and external metrics APIs, through `Context.api.raw`.

Whoever serves them: wherry itself answers metrics.k8s.io, adapters answer the others by aggregation, the custom one in
the version they prefer. Messages match upstream's.
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#support-for-metrics-apis
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from wherry.api.types.autoscaling_v2 import CrossVersionObjectReference, MetricIdentifier
from wherry.controllers.autoscale_kinds import resource_of
from wherry.controllers.autoscale_replicas import MetricsError, Sample, thousandths
from wherry.machinery import selectors
from wherry.machinery.durations import duration_seconds
from wherry.machinery.errors import APIError
from wherry.machinery.meta import LabelSelector
from wherry.machinery.time import seconds
from wherry.reconcile.context import Tracked

RESOURCES = "/apis/metrics.k8s.io/v1beta1"
CUSTOM = "custom.metrics.k8s.io"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"
DEFAULT_WINDOW = 60.0
_CUSTOM_VERSIONS = ("v1beta2", "v1beta1")
_MOST = 2**63 - 1


class _Described(msgspec.Struct):
    name: str = ""


class _Value(msgspec.Struct, rename="camel"):
    """Of a custom metric, in either version."""

    value: str | int | float = "0"
    described_object: _Described = msgspec.field(default_factory=_Described)
    timestamp: str | None = None
    window_seconds: int | None = None


class _Outside(msgspec.Struct):
    """Of an external metric."""

    value: str | int | float = "0"


_T = TypeVar("_T", _Value, _Outside)


async def resource_samples(
    api: Tracked, namespace: str, selector: str, resource: str, container: str = ""
) -> dict[str, Sample]:
    """Use of a resource by pod name; of one container of each pod, when it is named. Raises MetricsError."""
    query = urlencode({"labelSelector": selector})
    failed = f"unable to get metrics for resource {resource}"
    try:
        found = await api.raw("GET", f"{RESOURCES}/namespaces/{namespace}/pods?{query}")
    except APIError as error:
        raise MetricsError(f"{failed}: unable to fetch metrics from resource metrics API: {error}") from None
    items = found.get("items") or []
    if not items:
        raise MetricsError(f"{failed}: no metrics returned from resource metrics API")
    samples = {}
    for item in items:
        uses = [
            one["usage"].get(resource)
            for one in item.get("containers") or []
            if not container or one["name"] == container
        ]
        if uses and None not in uses:
            moment, window = _moment(item), _window(item)
            samples[item["metadata"]["name"]] = Sample(sum(map(thousandths, uses)), moment, window)
    return samples


async def pod_samples(api: Tracked, namespace: str, selector: str, metric: MetricIdentifier) -> dict[str, Sample]:
    """A metric of the application, by pod name. Raises MetricsError."""
    place = f"namespaces/{namespace}/pods/*/{quote(metric.name, safe='')}"
    try:
        items = await _custom(api, place, metric, selector)
        if not items:
            raise MetricsError("no metrics returned from custom metrics API")
    except MetricsError as error:
        raise MetricsError(f"unable to get metric {metric.name}: {error}") from None
    return {
        item.described_object.name: Sample(value, _when(item.timestamp), float(item.window_seconds or DEFAULT_WINDOW))
        for item, value in items
    }


async def object_value(
    api: Tracked, namespace: str, of: CrossVersionObjectReference, metric: MetricIdentifier
) -> int:  # fmt: skip
    """A metric of one object, in thousandths. Raises MetricsError."""
    try:
        items = await _custom(api, await _described(api, namespace, of, metric.name), metric, "")
        if len(items) != 1:
            raise MetricsError(
                "unable to fetch metrics from custom metrics API: the custom metrics API server returned "
                f"{len(items)} results when we asked for exactly one"
            )
    except MetricsError as error:
        where = f"{of.kind} {namespace}/{of.name}"
        raise MetricsError(f"unable to get metric {metric.name} on {where}: {error}") from None
    return items[0][1]


async def _described(api: Tracked, namespace: str, of: CrossVersionObjectReference, name: str) -> str:
    """The path of an object's metric below the custom metrics API's version. Raises MetricsError."""
    metric, group = quote(name, safe=""), of.api_version.rpartition("/")[0]
    if of.kind == "Namespace" and not group:
        return f"namespaces/{namespace}/metrics/{metric}"
    try:
        resource = await resource_of(api, of.api_version, of.kind)
    except APIError as error:
        kind = f"{of.kind}.{group}" if group else of.kind
        raise MetricsError(
            f"unable to fetch metrics from custom metrics API: unable to map kind {kind} to resource: {error}"
        ) from None
    return f"namespaces/{namespace}/{resource.qualified}/{quote(of.name, safe='')}/{metric}"


async def external_value(api: Tracked, namespace: str, metric: MetricIdentifier) -> int:
    """The sum of a metric that comes from outside the cluster, in thousandths. Raises MetricsError."""
    place = f"{EXTERNAL}/namespaces/{namespace}/{quote(metric.name, safe='')}"
    wanted = _query(metric.selector)
    failed = f"unable to get external metric {namespace}/{metric.name}/{shown(metric.selector)}"
    try:
        found = await api.raw("GET", f"{place}?{urlencode({'labelSelector': wanted})}" if wanted else place)
    except APIError as error:
        raise MetricsError(f"{failed}: unable to fetch metrics from external metrics API: {error}") from None
    try:
        items = _items(found, _Outside)
    except ValueError as error:
        raise MetricsError(f"{failed}: unable to fetch metrics from external metrics API: {error}") from None
    if not items:
        raise MetricsError(f"{failed}: no metrics returned from external metrics API")
    return min(sum(value for _, value in items), _MOST)


def shown(selector: LabelSelector | None) -> str:
    """A selector as upstream's messages show it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {selector.match_labels[key]}," for key in sorted(selector.match_labels))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{one.key},Operator:{one.operator},Values:[{' '.join(one.values)}],}},"
        for one in selector.match_expressions
    )
    matching = f"MatchLabels:map[string]string{{{labels}}},"
    return f"&LabelSelector{{{matching}MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"


def _items(found: Any, kind: type[_T]) -> list[tuple[_T, int]]:
    """What an adapter answered, each with its value in thousandths. Raises ValueError: it is not what it should be."""
    listed = found.get("items") if isinstance(found, dict) else None
    whole: Any = list[kind]  # type: ignore[valid-type] # known at run time
    items: list[_T] = msgspec.convert([] if listed is None else listed, whole)
    return [(item, thousandths(str(item.value))) for item in items]


async def _custom(
    api: Tracked, place: str, metric: MetricIdentifier, selector: str
) -> Sequence[tuple[_Value, int]]:  # fmt: skip
    """Raises MetricsError."""
    wanted = {"labelSelector": selector, "metricLabelSelector": _query(metric.selector)}
    query = urlencode({name: text for name, text in wanted.items() if text})
    try:
        base = f"/apis/{CUSTOM}/{await _custom_version(api)}/{place}"
        return _items(await api.raw("GET", f"{base}?{query}" if query else base), _Value)
    except (APIError, ValueError) as error:
        raise MetricsError(f"unable to fetch metrics from custom metrics API: {error}") from None


async def _custom_version(api: Tracked) -> str:
    """The version that the adapter prefers, of those there are. Raises MetricsError, APIError."""
    failed = "unable to fetch metrics from custom metrics API"
    groups = (await api.raw("GET", "/apis")).get("groups") or []
    group = next((one for one in groups if one["name"] == CUSTOM), None)
    if group is None:
        raise MetricsError(f"{failed}: no custom metrics API ({CUSTOM}) registered")
    preferred = (group.get("preferredVersion") or {}).get("version", "")
    for version in (preferred, *(one["version"] for one in group.get("versions") or [])):
        if version in _CUSTOM_VERSIONS:
            return str(version)
    raise MetricsError(f"{failed}: no known available metric versions found")


def _query(selector: LabelSelector | None) -> str:
    return "" if selector is None else str(selectors.as_query(selector))


def _moment(item: Mapping[str, Any]) -> float:
    return _when(item.get("timestamp"))


def _when(text: object) -> float:
    try:
        return seconds(str(text))
    except (ValueError, TypeError):
        return 0.0


def _window(item: Mapping[str, Any]) -> float:
    try:
        return duration_seconds(item.get("window") or "") or DEFAULT_WINDOW
    except ValueError:
        return DEFAULT_WINDOW

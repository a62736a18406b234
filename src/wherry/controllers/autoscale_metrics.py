"""What autoscalers read: the resource, custom and external metrics APIs, through `Context.api.raw`.

Whoever serves them: wherry itself answers metrics.k8s.io, adapters answer the others by aggregation.
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#support-for-metrics-apis
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from wherry.api.types.autoscaling_v2 import CrossVersionObjectReference, MetricIdentifier
from wherry.controllers.autoscale_replicas import MetricsError, Sample, thousandths
from wherry.machinery import selectors
from wherry.machinery.durations import duration_seconds
from wherry.machinery.errors import APIError
from wherry.machinery.time import seconds
from wherry.reconcile.context import Tracked

RESOURCES = "/apis/metrics.k8s.io/v1beta1"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"
DEFAULT_WINDOW = 60.0


async def resource_samples(
    api: Tracked, namespace: str, selector: str, resource: str, container: str = ""
) -> dict[str, Sample]:
    """Use of a resource by pod name; of one container of each pod, when it is named. Raises MetricsError."""
    query = urlencode({"labelSelector": selector})
    try:
        found = await api.raw("GET", f"{RESOURCES}/namespaces/{namespace}/pods?{query}")
    except APIError as error:
        raise MetricsError(f"unable to get metrics for resource {resource}: {error}") from None
    items = found.get("items") or []
    if not items:
        raise MetricsError(
            f"unable to get metrics for resource {resource}: no metrics returned from resource metrics API"
        )
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
    found = await _custom(
        api, f"{CUSTOM}/namespaces/{namespace}/pods/*/{quote(metric.name, safe='')}", metric, selector
    )
    items = found.get("items") or []
    if not items:
        raise MetricsError(f"unable to get metric {metric.name}: no metrics returned from custom metrics API")
    return {
        item["describedObject"]["name"]: Sample(
            thousandths(str(item["value"])), _moment(item), float(item.get("windowSeconds") or DEFAULT_WINDOW)
        )
        for item in items
    }


async def object_value(
    api: Tracked, namespace: str, of: CrossVersionObjectReference, plural: str, metric: MetricIdentifier
) -> int:
    """A metric of one object, in thousandths. `plural`: its resource, with its group. Raises MetricsError."""
    if plural == "namespaces":
        place = f"{CUSTOM}/namespaces/{namespace}/metrics/{quote(metric.name, safe='')}"
    else:
        place = f"{CUSTOM}/namespaces/{namespace}/{plural}/{quote(of.name, safe='')}/{quote(metric.name, safe='')}"
    items = (await _custom(api, place, metric, "")).get("items") or []
    if not items:
        raise MetricsError(f"unable to get metric {metric.name}: no metrics returned from custom metrics API")
    return thousandths(str(items[0]["value"]))


async def external_value(api: Tracked, namespace: str, metric: MetricIdentifier) -> int:
    """The sum of a metric that comes from outside the cluster, in thousandths. Raises MetricsError."""
    place = f"{EXTERNAL}/namespaces/{namespace}/{quote(metric.name, safe='')}"
    query: dict[str, str] = (
        {} if metric.selector is None else {"labelSelector": str(selectors.as_query(metric.selector))}
    )
    try:
        found = await api.raw("GET", f"{place}?{urlencode(query)}" if query else place)
    except APIError as error:
        raise MetricsError(
            f"unable to get external metric {namespace}/{metric.name}/{_shown(metric)}: unable to fetch metrics from "
            f"external metrics API: {error}"
        ) from None
    items = found.get("items") or []
    if not items:
        raise MetricsError(
            f"unable to get external metric {namespace}/{metric.name}/{_shown(metric)}: no metrics returned from "
            "external metrics API"
        )
    return sum(thousandths(str(item["value"])) for item in items)


async def _custom(api: Tracked, place: str, metric: MetricIdentifier, selector: str) -> Mapping[str, Any]:
    query: dict[str, str] = {"labelSelector": selector} if selector else {}
    if metric.selector is not None:
        query["metricLabelSelector"] = str(selectors.as_query(metric.selector))
    try:
        return await api.raw("GET", f"{place}?{urlencode(query)}" if query else place)
    except APIError as error:
        raise MetricsError(
            f"unable to get metric {metric.name}: unable to fetch metrics from custom metrics API: {error}"
        ) from None


def _shown(metric: MetricIdentifier) -> str:
    return "nil" if metric.selector is None else f"&LabelSelector{{{selectors.as_query(metric.selector)}}}"


def _moment(item: Mapping[str, Any]) -> float:
    try:
        return seconds(item["timestamp"])
    except (KeyError, ValueError, TypeError):
        return 0.0


def _window(item: Mapping[str, Any]) -> float:
    try:
        return duration_seconds(item.get("window") or "") or DEFAULT_WINDOW
    except ValueError:
        return DEFAULT_WINDOW

"""Every type of metric through the autoscaler: replicas, status, conditions and events, as upstream has them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.controllers.test_horizontalpodautoscaler import CPU, METRICS, World
from wherry.api.types.autoscaling_v2 import (
    ContainerResourceMetricSource,
    CrossVersionObjectReference,
    ExternalMetricSource,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
    ObjectMetricSource,
    PodsMetricSource,
    ResourceMetricSource,
)
from wherry.machinery import codec
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import time_at

CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/d"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1/namespaces/d"
ROUTE = CrossVersionObjectReference(api_version="networking.k8s.io/v1", kind="Ingress", name="shop")
PLACE = CrossVersionObjectReference(api_version="v1", kind="Namespace", name="elsewhere")
QUEUE = MetricIdentifier(name="waiting", selector=LabelSelector(match_labels={"queue": "mail"}))


def value(amount: str) -> MetricTarget:
    return MetricTarget(type="Value", value=Quantity(amount))


def average(amount: str) -> MetricTarget:
    return MetricTarget(type="AverageValue", average_value=Quantity(amount))


def memory(target: MetricTarget) -> MetricSpec:
    return MetricSpec(type="Resource", resource=ResourceMetricSource(name="memory", target=target))


def container(target: MetricTarget, name: str = "c") -> MetricSpec:
    source = ContainerResourceMetricSource(name="cpu", container=name, target=target)
    return MetricSpec(type="ContainerResource", container_resource=source)


def pods(target: MetricTarget) -> MetricSpec:
    return MetricSpec(type="Pods", pods=PodsMetricSource(metric=MetricIdentifier(name="hits"), target=target))


def of(what: CrossVersionObjectReference, target: MetricTarget) -> MetricSpec:
    source = ObjectMetricSource(described_object=what, metric=MetricIdentifier(name="hits"), target=target)
    return MetricSpec(type="Object", object=source)


def external(target: MetricTarget, metric: MetricIdentifier = QUEUE) -> MetricSpec:
    return MetricSpec(type="External", external=ExternalMetricSource(metric=metric, target=target))


class Measured(World):
    """A world with adapters; `amounts` are what they say: by pod, of the object or namespace, from outside."""

    def __init__(self, replicas: int, *metrics: MetricSpec, use: int | None = 100, **spec: Any) -> None:
        super().__init__(replicas, use, metrics=metrics, **spec)
        self.amounts: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.versions = ["v1beta2"]
        answers = self.cluster.answers
        answers["GET", "/apis"] = lambda _, __: self.groups()
        listed = {
            "resources": [{"name": "ingresses", "kind": "Ingress"}, {"name": "ingresses/status", "kind": "Ingress"}]
        }
        answers["GET", "/apis/networking.k8s.io/v1"] = lambda _, __: listed
        for version in ("v1beta2", "v1beta1"):
            base = CUSTOM.replace("v1beta2", version)
            answers["GET", f"{base}/pods/*/hits"] = self.values
            answers["GET", f"{base}/ingresses.networking.k8s.io/shop/hits"] = self.values
            answers["GET", f"{base}/metrics/hits"] = self.values
        answers["GET", f"{EXTERNAL}/waiting"] = self.values

    def groups(self) -> dict[str, Any]:
        if not self.versions:
            return {"groups": []}
        versions = [{"version": one} for one in self.versions]
        return {"groups": [{"name": "custom.metrics.k8s.io", "versions": versions, "preferredVersion": versions[0]}]}

    def values(self, query: dict[str, str], _: Any) -> dict[str, Any]:
        self.asked.append(query)
        return {
            "items": [
                {"describedObject": {"name": f"p{n}"}, "timestamp": str(time_at(self.view.now)), "value": amount}
                for n, amount in enumerate(self.amounts)
            ]
        }


async def status(world: World) -> Any:
    """Of the autoscaler after one look, as clients see it."""
    return codec.to_dict((await world.look()).status)


@pytest.mark.parametrize(
    ("metric", "amounts", "replicas", "name", "shown"),
    [
        (pods(average("20")), ["30", "20", "40"], 5, "pods metric hits",
         {"type": "Pods", "pods": {"metric": {"name": "hits"}, "current": {"averageValue": "30"}}}),
        (of(ROUTE, value("15")), ["20"], 4, "Ingress metric hits",
         {"type": "Object", "object": {
             "metric": {"name": "hits"}, "current": {"value": "20"},
             "describedObject": {"kind": "Ingress", "name": "shop", "apiVersion": "networking.k8s.io/v1"}}}),
        (of(ROUTE, average("2")), ["8600m"], 5, "external metric hits(nil)",
         {"type": "Object", "object": {
             "metric": {"name": "hits"}, "current": {"averageValue": "2867m"},
             "describedObject": {"kind": "Ingress", "name": "shop", "apiVersion": "networking.k8s.io/v1"}}}),
        (of(PLACE, value("15")), ["20"], 4, "Namespace metric hits",
         {"type": "Object", "object": {
             "metric": {"name": "hits"}, "current": {"value": "20"},
             "describedObject": {"kind": "Namespace", "name": "elsewhere", "apiVersion": "v1"}}}),
        (external(value("6666m")), ["5000m", "3600m"], 4,
         "external metric waiting(&LabelSelector{MatchLabels:map[string]string{queue: mail,},"
         "MatchExpressions:[]LabelSelectorRequirement{},})",
         {"type": "External", "external": {
             "metric": {"name": "waiting", "selector": {"matchLabels": {"queue": "mail"}}},
             "current": {"value": "8600m"}}}),
        (external(average("2222m"), MetricIdentifier(name="waiting")), ["8600m"], 4, "external metric waiting(nil)",
         {"type": "External", "external": {"metric": {"name": "waiting"}, "current": {"averageValue": "2867m"}}}),
    ],
)  # fmt: skip
async def test_adapters(metric: MetricSpec, amounts: list[str], replicas: int, name: str, shown: Any) -> None:
    world = Measured(3, metric)
    world.amounts = amounts
    seen = await status(world)
    assert world.replicas == replicas
    assert world.told == [("SuccessfulRescale", f"New size: {replicas}; reason: {name} above target")]
    assert seen["currentMetrics"] == [shown]
    assert seen["conditions"][1]["message"] == (
        f"the HPA was able to successfully calculate a replica count from {name}"
    )


@pytest.mark.parametrize(
    ("metric", "name", "shown"),
    [
        (container(MetricTarget(type="Utilization", average_utilization=30)),
         "cpu container resource utilization (percentage of request)",
         {"type": "ContainerResource", "containerResource": {
             "name": "cpu", "container": "c", "current": {"averageUtilization": 60, "averageValue": "600m"}}}),
        (container(average("300m")), "cpu resource",
         {"type": "ContainerResource", "containerResource": {
             "name": "cpu", "container": "c", "current": {"averageValue": "600m"}}}),
        (memory(average("32Mi")), "memory resource",
         {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "64Mi"}}}),
    ],
)  # fmt: skip
async def test_resources(metric: MetricSpec, name: str, shown: Any) -> None:
    world = Measured(2, metric, use=600)
    seen = await status(world)
    assert world.replicas == 4
    assert world.told == [("SuccessfulRescale", f"New size: 4; reason: {name} above target")]
    assert seen["currentMetrics"] == [shown]


GONE = "the server could not find the requested resource"


@pytest.mark.parametrize(
    ("metric", "reason", "problem", "whole"),
    [
        (CPU, "FailedGetResourceMetric",
         "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "
         f"metrics API: {GONE}",
         "failed to get cpu resource metric value: "),
        (memory(average("1Mi")), "FailedGetResourceMetric",
         "failed to get memory usage: unable to get metrics for resource memory: unable to fetch metrics from resource "
         f"metrics API: {GONE}",
         "failed to get memory resource metric value: "),
        (container(average("1")), "FailedGetContainerResourceMetric",
         "failed to get cpu usage: unable to get metrics for resource cpu: unable to fetch metrics from resource "
         f"metrics API: {GONE}",
         "failed to get c container metric value: "),
        (pods(average("1")), "FailedGetPodsMetric",
         "unable to get metric hits: no metrics returned from custom metrics API",
         "failed to get pods metric value: "),
        (of(ROUTE, value("1")), "FailedGetObjectMetric",
         "unable to get metric hits on Ingress d/shop: unable to fetch metrics from custom metrics API: the custom "
         "metrics API server returned 0 results when we asked for exactly one",
         "failed to get object metric value: "),
        (of(ROUTE, average("1")), "FailedGetObjectMetric",
         "failed to get hits object metric: unable to get metric hits on Ingress d/shop: unable to fetch metrics from "
         "custom metrics API: the custom metrics API server returned 0 results when we asked for exactly one",
         "failed to get object metric value: "),
        (external(value("1"), MetricIdentifier(name="waiting")), "FailedGetExternalMetric",
         "failed to get external metric waiting: unable to get external metric d/waiting/nil: no metrics returned from "
         "external metrics API",
         "failed to get waiting external metric value: "),
        (external(average("1")), "FailedGetExternalMetric",
         "failed to get waiting external metric: unable to get external metric d/waiting/&LabelSelector{MatchLabels:"
         "map[string]string{queue: mail,},MatchExpressions:[]LabelSelectorRequirement{},}: no metrics returned from "
         "external metrics API",
         "failed to get waiting external metric value: "),
    ],
)  # fmt: skip
async def test_what_cannot_be_had_is_told(metric: MetricSpec, reason: str, problem: str, whole: str) -> None:
    world = Measured(3, metric)

    def gone(_: dict[str, str], __: Any) -> dict[str, Any]:
        raise NotFound(GONE)

    world.cluster.answers["GET", METRICS] = gone
    seen = await status(world)
    assert world.replicas == 3
    assert world.told == [
        (reason, problem),
        ("FailedComputeMetricsReplicas", f"invalid metrics (1 invalid out of 1), first error is: {whole}{problem}"),
    ]
    assert seen["currentMetrics"] == [{"type": ""}]
    (active,) = [one for one in seen["conditions"] if one["type"] == "ScalingActive"]
    assert (active["status"], active["reason"]) == ("False", reason)
    assert active["message"] == f"the HPA was unable to compute the replica count: {problem}"


async def test_each_metric_that_fails_is_told() -> None:
    world = Measured(2, CPU, pods(average("1")), external(average("1"), MetricIdentifier(name="waiting")), use=900)
    seen = await status(world)
    assert world.replicas == 4
    assert [reason for reason, _ in world.told] == [
        "FailedGetPodsMetric", "FailedGetExternalMetric", "SuccessfulRescale",
    ]  # fmt: skip
    assert [one["type"] for one in seen["currentMetrics"]] == ["Resource", "", ""]


@pytest.mark.parametrize(
    ("versions", "problem"),
    [
        (["v1beta1"], ""),
        (["v2", "v1beta1"], ""),
        ([], "no custom metrics API (custom.metrics.k8s.io) registered"),
        (["v2"], "no known available metric versions found"),
    ],
)
async def test_versions_of_the_custom_metrics_api(versions: list[str], problem: str) -> None:
    world = Measured(1, pods(average("10")))
    world.versions, world.amounts = versions, ["20"]
    await world.look()
    assert world.replicas == (1 if problem else 2)
    if problem:
        assert world.told[0][1] == (
            f"unable to get metric hits: unable to fetch metrics from custom metrics API: {problem}"
        )


async def test_what_adapters_are_asked() -> None:
    named = replace(QUEUE, name="hits")
    source = PodsMetricSource(metric=named, target=average("1"))
    world = Measured(1, MetricSpec(type="Pods", pods=source), of(ROUTE, value("1")), external(value("1")))
    world.amounts = ["1"]
    await world.look()
    assert world.asked == [
        {"labelSelector": "app=web", "metricLabelSelector": "queue=mail"},
        {},
        {"labelSelector": "queue=mail"},
    ]


async def test_an_object_of_no_known_kind() -> None:
    what = CrossVersionObjectReference(api_version="example.org/v1", kind="Shop", name="x")
    world = Measured(1, of(what, value("1")))
    await world.look()
    assert world.told[0][1] == (
        "unable to get metric hits on Shop d/x: unable to fetch metrics from custom metrics API: unable to map kind "
        'Shop.example.org to resource: no matches for kind "Shop" in group "example.org"'
    )


async def test_a_selector_with_expressions_in_a_message() -> None:
    wanted = LabelSelector(
        match_labels={"b": "2", "a": "1"},
        match_expressions=(LabelSelectorRequirement(key="c", operator="In", values=("x", "y")),),
    )
    world = Measured(1, external(value("1"), MetricIdentifier(name="waiting", selector=wanted)))
    world.amounts = ["2"]
    await world.look()
    assert world.told[0][1] == (
        "New size: 2; reason: external metric waiting(&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},"
        "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:c,Operator:In,Values:[x y],},},}) "
        "above target"
    )


@pytest.mark.parametrize(
    ("metric", "reason", "problem"),
    [
        (of(ROUTE, MetricTarget(type="Value")), "FailedGetObjectMetric",
         "invalid object metric source: neither a value target nor an average value target was set"),
        (external(MetricTarget(type="Value")), "FailedGetExternalMetric",
         "invalid external metric source: neither a value target nor an average value target was set"),
        (memory(MetricTarget(type="Value")), "FailedGetResourceMetric",
         "invalid resource metric source: neither an average utilization target nor an average value (usage) target "
         "was set"),
        (MetricSpec(type="Moon"), "InvalidMetricSourceType", 'unknown metric source type "Moon"'),
    ],
)  # fmt: skip
async def test_sources_without_a_target(metric: MetricSpec, reason: str, problem: str) -> None:
    world = Measured(2, metric)
    await world.look()
    assert world.told[0] == (reason, problem)

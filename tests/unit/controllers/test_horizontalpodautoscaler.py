"""The autoscaler against a cluster in memory: scales, conditions, events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.cluster import Cluster
from tests.support.view import NOW, FakeView
from tests.unit.controllers.test_autoscale_replicas import pod
from wherry.aio.clock import LoopClock
from wherry.api.autoscaling.horizontalpodautoscaler import HORIZONTALPODAUTOSCALER
from wherry.api.core.pod import POD
from wherry.api.types.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
)
from wherry.api.types.core import Pod
from wherry.controllers import horizontalpodautoscaler
from wherry.controllers.autoscale_counts import AutoscaleCounts
from wherry.controllers.autoscale_measures import Measured, Unmeasured
from wherry.controllers.horizontalpodautoscaler import Autoscalers
from wherry.machinery.meta import Key, Object, ObjectMeta
from wherry.machinery.metrics import render
from wherry.machinery.time import time_at
from wherry.reconcile.context import Context, Tracked

KEY = Key("d", "web")
SCALE = "/apis/apps/v1/namespaces/d/deployments/web/scale"
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/d/pods"
CPU = MetricSpec(
    type="Resource", resource=ResourceMetricSource(name="cpu", target=MetricTarget(average_utilization=50))
)  # fmt: skip


class World:
    """A Deployment `web` of `replicas` pods, each using `use` thousandths of its one core."""

    def __init__(self, replicas: int, use: int | None, **spec: Any) -> None:
        self.cluster, self.view = Cluster(LoopClock()), FakeView(now=NOW)
        self.replicas, self.use = replicas, use
        self.request = "1000m"
        self.told: list[tuple[str, str]] = []
        self.counts = AutoscaleCounts(lambda: self.view.now)
        self.scalers = Autoscalers(self.counts)
        target = CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="web")
        wanted: dict[str, Any] = {"max_replicas": 10, "min_replicas": 1, "metrics": (CPU,), **spec}
        self.hpa = HorizontalPodAutoscaler(
            metadata=ObjectMeta(name="web", namespace="d"),
            spec=HorizontalPodAutoscalerSpec(scale_target_ref=target, **wanted),
        )
        answers = self.cluster.answers
        answers["GET", "/apis/apps/v1"] = lambda _, __: {"resources": [{"name": "deployments", "kind": "Deployment"}]}
        answers["GET", SCALE] = lambda _, __: self.scale()
        answers["PUT", SCALE] = self.put
        answers["GET", METRICS] = lambda query, _: self.metrics(query)

    def scale(self) -> dict[str, Any]:
        return {"spec": {"replicas": self.replicas}, "status": {"replicas": self.replicas, "selector": "app=web"}}

    def put(self, _: dict[str, str], body: Any) -> dict[str, Any]:
        self.replicas = body["spec"]["replicas"]
        return self.scale()

    def metrics(self, query: dict[str, str]) -> dict[str, Any]:
        assert query == {"labelSelector": "app=web"}
        if self.use is None:
            return {"items": []}
        return {
            "items": [
                {
                    "metadata": {"name": f"p{n}"},
                    "timestamp": str(time_at(self.view.now)),
                    "window": "10s",
                    "containers": [{"name": "c", "usage": {"cpu": f"{self.use}m", "memory": "64Mi"}}],
                }
                for n in range(self.replicas)
            ]
        }

    def emit(self, obj: Object, kind: str, reason: str, message: str) -> None:
        self.told.append((reason, message))

    async def look(self) -> HorizontalPodAutoscaler:
        """One look; the autoscaler afterwards."""
        view = FakeView(now=self.view.now)
        for n in range(self.replicas):
            made = pod(n, request=self.request)
            labelled: Pod = replace(made, metadata=replace(made.metadata, labels={"app": "web"}))
            view.put(POD, labelled)
        if not self.cluster.all(HORIZONTALPODAUTOSCALER):
            await self.cluster.set(HORIZONTALPODAUTOSCALER, self.hpa)
        (hpa,) = self.cluster.all(HORIZONTALPODAUTOSCALER)
        view.put(HORIZONTALPODAUTOSCALER, hpa)
        assert await self.scalers.reconcile(Context(view, Tracked(self.cluster), self.emit), KEY) == 5.0
        return await self.cluster.get(HORIZONTALPODAUTOSCALER, KEY)

    @staticmethod
    def key(name: str) -> Key:
        """Of an autoscaler."""
        return Key("d", name)

    @staticmethod
    def conditions(hpa: HorizontalPodAutoscaler) -> dict[str, tuple[str, str]]:
        return {c.type: (c.status, c.reason) for c in hpa.status.conditions}


async def test_up_at_once_and_down_after_the_window() -> None:
    world = World(2, 900)
    hpa = await world.look()
    assert world.replicas == 4
    assert hpa.status.desired_replicas == 4
    assert hpa.status.current_replicas == 2
    assert world.told == [
        ("SuccessfulRescale", "New size: 4; reason: cpu resource utilization (percentage of request) above target")
    ]
    assert world.conditions(hpa) == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
        "ScaledToZero": ("False", "NotScaledToZero"),
    }
    world.use = 100
    world.view.now += 60
    hpa = await world.look()
    assert world.replicas == 4
    assert world.conditions(hpa)["AbleToScale"] == ("True", "ScaleDownStabilized")
    world.view.now += 300
    await world.look()
    assert world.replicas == 1
    assert world.told[-1][1] == "New size: 1; reason: All metrics below target"


@pytest.mark.parametrize(("replicas", "expected"), [(20, 10), (1, 3)])
async def test_bounds_hold_without_metrics(replicas: int, expected: int) -> None:
    world = World(replicas, None, min_replicas=3)
    await world.look()
    assert world.replicas == expected


async def test_what_cannot_be_measured_changes_nothing() -> None:
    world = World(4, None)
    hpa = await world.look()
    assert world.replicas == 4
    why = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource "
        "metrics API"
    )
    first = f"failed to get cpu resource metric value: {why}"
    assert world.told == [
        ("FailedGetResourceMetric", why),
        ("FailedComputeMetricsReplicas", f"invalid metrics (1 invalid out of 1), first error is: {first}"),
    ]
    assert world.conditions(hpa)["ScalingActive"] == ("False", "FailedGetResourceMetric")


async def test_metrics_that_hang_are_waited_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each until its limit, one of them would else keep the others from being judged for the time of all."""

    async def slow(*_: object) -> Measured:
        await asyncio.sleep(10)
        raise Unmeasured("FailedGetPodsMetric", "no answer", "no answer")

    monkeypatch.setattr(horizontalpodautoscaler, "measure", slow)
    world = World(4, 900, metrics=(CPU,) * 5)
    began = asyncio.get_running_loop().time()
    await world.look()
    assert asyncio.get_running_loop().time() - began == 10
    assert [reason for reason, _ in world.told].count("FailedGetPodsMetric") == 5


async def test_pods_without_requests_stay_as_many_until_they_have_some() -> None:
    """Where there were as many as the load asks for, they go on."""
    world = World(2, 900)
    await world.look()
    assert world.replicas == 4
    world.request, world.use = "", 10
    for _ in range(2):
        world.view.now += 200
        await world.look()
    hpa = await world.look()
    assert world.replicas == 4
    why = "missing request for cpu in container c of Pod p0"
    told = next(one for one in world.told if one[0] == "FailedGetResourceMetric")
    assert why in told[1]
    [active] = (one for one in hpa.status.conditions if one.type == "ScalingActive")
    assert (active.status, active.reason) == ("False", "FailedGetResourceMetric")
    assert why in active.message
    world.request = "1000m"
    world.view.now += 200
    hpa = await world.look()
    assert world.conditions(hpa)["ScalingActive"] == ("True", "ValidMetricFound")
    assert world.replicas < 4


async def test_scaled_to_zero_by_hand_means_off() -> None:
    world = World(0, 900)
    hpa = await world.look()
    assert world.replicas == 0
    assert world.conditions(hpa)["ScalingActive"] == ("False", "ScalingDisabled")


async def test_no_target() -> None:
    world = World(2, 900)
    del world.cluster.answers["GET", SCALE]
    hpa = await world.look()
    assert world.conditions(hpa)["AbleToScale"] == ("False", "FailedGetScale")
    assert world.told[0][0] == "FailedGetScale"


async def test_one_metric_missing_only_ever_adds() -> None:
    broken = MetricSpec(type="Resource", resource=ResourceMetricSource(name="memory", target=CPU.resource.target))  # type: ignore[union-attr] # it has one
    up, down = World(2, 900, metrics=(CPU, broken)), World(4, 100, metrics=(CPU, broken))
    await up.look()
    await down.look()
    assert (up.replicas, down.replicas) == (4, 4)


async def test_what_it_did_is_counted_under_upstreams_names() -> None:
    world = World(replicas=2, use=900)
    await world.look()
    world.use = None
    await world.look()
    prefix = "horizontal_pod_autoscaler_controller_"
    lines = render(world.counts.families()).splitlines()
    assert f'{prefix}reconciliations_total{{action="scale_up",error="none"}} 1' in lines
    assert f'{prefix}reconciliations_total{{action="none",error="internal"}} 1' in lines
    assert f'{prefix}reconciliation_duration_seconds_count{{action="scale_up",error="none"}} 1' in lines
    kinds = 'error="none",metric_type="Resource"'
    assert f'{prefix}metric_computation_total{{action="scale_up",{kinds}}} 1' in lines
    assert f'{prefix}metric_computation_total{{action="none",error="internal",metric_type="Resource"}} 1' in lines
    assert f'{prefix}metric_computation_duration_seconds_count{{action="scale_up",{kinds}}} 1' in lines
    assert f'{prefix}desired_replicas{{namespace="d",hpa_name="web"}} 4' in lines
    assert f"{prefix}num_horizontal_pod_autoscalers 1" in lines
    world.counts.forget(KEY)
    assert f"{prefix}num_horizontal_pod_autoscalers 0" in render(world.counts.families()).splitlines()

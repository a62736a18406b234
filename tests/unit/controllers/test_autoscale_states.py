"""What an autoscaler does apart from its metrics: sleeping and waking, shared pods, first looks, scales that cannot be
had or written."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.view import FakeView
from tests.unit.controllers.test_autoscale_metrics import Measured, average, external
from tests.unit.controllers.test_autoscale_replicas import pod
from tests.unit.controllers.test_horizontalpodautoscaler import SCALE, World
from wherry.api.autoscaling.horizontalpodautoscaler import HORIZONTALPODAUTOSCALER, default
from wherry.api.core.pod import POD
from wherry.api.types.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerCondition,
    MetricIdentifier,
)
from wherry.machinery.errors import Conflict, Forbidden
from wherry.reconcile.context import Context, Tracked

OUTSIDE = external(average("10"), MetricIdentifier(name="waiting"))
SLEEPS = HorizontalPodAutoscalerCondition(type="ScaledToZero", status="True", reason="ScaledToZero")


def sleeping(*, least: int, slept: bool = True) -> Measured:
    """A target without replicas."""
    world = Measured(0, OUTSIDE, min_replicas=least)
    if slept:
        world.hpa = replace(world.hpa, status=replace(world.hpa.status, conditions=(SLEEPS,)))
    return world


async def test_to_sleep_and_awake() -> None:
    world = Measured(2, OUTSIDE, min_replicas=0)
    world.amounts = ["0"]
    await world.look()
    assert world.replicas == 2, "not before the window is over"
    world.view.now += 301
    hpa = await world.look()
    assert world.replicas == 0
    assert world.conditions(hpa)["ScaledToZero"] == ("True", "ScaledToZero")
    world.view.now += 5
    hpa = await world.look()
    assert world.replicas == 0
    assert world.conditions(hpa)["ScaledToZero"] == ("True", "ScaledToZero")
    world.amounts = ["25"]
    world.view.now += 5
    hpa = await world.look()
    assert world.replicas == 3
    assert world.conditions(hpa)["ScaledToZero"] == ("False", "NotScaledToZero")
    assert world.told[-1][1] == "New size: 3; reason: external metric waiting(nil) above target"


@pytest.mark.parametrize(
    ("least", "slept", "amount", "replicas"),
    [
        (0, True, "25", 3),
        (0, False, "25", 0),  # a person has done that
        (2, False, "25", 0),
        (2, True, "0", 2),  # nobody may sleep any more
        (2, True, "5", 2),
    ],
)
async def test_who_is_woken(least: int, slept: bool, amount: str, replicas: int) -> None:
    world = sleeping(least=least, slept=slept)
    world.amounts = [amount]
    hpa = await world.look()
    assert world.replicas == replicas
    disabled = world.conditions(hpa)["ScalingActive"] == ("False", "ScalingDisabled")
    assert disabled == (replicas == 0)


@pytest.mark.parametrize("behavior", [None, HorizontalPodAutoscalerBehavior()])
async def test_a_least_that_was_raised(behavior: HorizontalPodAutoscalerBehavior | None) -> None:
    """Without a behaviour the bound is met while the wish is settled, and upstream says nothing more."""
    world = sleeping(least=2)
    world.hpa = default(replace(world.hpa, spec=replace(world.hpa.spec, behavior=behavior)))
    world.amounts = ["0"]
    await world.look()
    why = "Current number of replicas below Spec.MinReplicas" if behavior else ""
    assert world.told == [("SuccessfulRescale", f"New size: 2; reason: {why}")]


async def test_what_there_was_first_counts_for_the_window() -> None:
    world = World(6, 100)
    hpa = await world.look()
    assert world.replicas == 6
    assert world.conditions(hpa)["AbleToScale"] == ("True", "ScaleDownStabilized")
    world.view.now += 299
    await world.look()
    assert world.replicas == 6
    world.view.now += 2
    await world.look()
    assert world.replicas == 2


async def test_pods_of_two() -> None:
    """Both stop when they have seen each other, and each goes on once the other is gone."""
    world = World(2, 900)
    other = replace(world.hpa, metadata=replace(world.hpa.metadata, name="again"))
    await world.look()
    assert world.replicas == 4
    view = FakeView(now=world.view.now)
    for n in range(4):
        made = pod(n)
        view.put(POD, replace(made, metadata=replace(made.metadata, labels={"app": "web"})))
    stored = await world.cluster.create(HORIZONTALPODAUTOSCALER, other)
    view.put(HORIZONTALPODAUTOSCALER, stored)
    key = world.key("again")
    world.told.clear()
    await world.scalers.reconcile(Context(view, Tracked(world.cluster), world.emit), key)
    problem = "pods by selector app=web are controlled by more than one HPA (e.g. [d/again d/web])"
    assert world.told == [("AmbiguousSelector", problem), ("FailedComputeMetricsReplicas", problem)]
    seen = await world.cluster.get(HORIZONTALPODAUTOSCALER, key)
    (active,) = [one for one in seen.status.conditions if one.type == "ScalingActive"]
    assert (active.status, active.reason, active.message) == ("False", "AmbiguousSelector", problem)
    await world.cluster.delete(HORIZONTALPODAUTOSCALER, key)
    await world.scalers.reconcile(Context(FakeView(), Tracked(world.cluster), world.emit), key)
    world.told.clear()
    await world.look()
    assert world.replicas == 8


@pytest.mark.parametrize(
    ("selector", "event", "reason", "message"),
    [
        ("", ("SelectorRequired", "selector is required"), "InvalidSelector",
         "the HPA target's scale is missing a selector"),
        ("a in", ("InvalidSelector", "couldn't convert selector into a corresponding internal selector object: "),
         "InvalidSelector", "couldn't convert selector into a corresponding internal selector object: "),
    ],
)  # fmt: skip
async def test_selectors(selector: str, event: tuple[str, str], reason: str, message: str) -> None:
    world = World(2, 900)
    world.cluster.answers["GET", SCALE] = lambda _, __: {"spec": {"replicas": 2}, "status": {"selector": selector}}
    hpa = await world.look()
    assert world.told[0][0] == event[0]
    assert world.told[0][1].startswith(event[1])
    assert world.told[1][0] == "FailedComputeMetricsReplicas"
    (active,) = [one for one in hpa.status.conditions if one.type == "ScalingActive"]
    assert active.reason == reason
    assert active.message.startswith(message)


async def test_a_version_that_is_not_served_any_more() -> None:
    """As upstream: the kind is looked for in its group."""
    world = World(2, 900)
    target = CrossVersionObjectReference(api_version="apps/v1beta2", kind="Deployment", name="web")
    world.hpa = replace(world.hpa, spec=replace(world.hpa.spec, scale_target_ref=target))
    world.cluster.answers["GET", "/apis/apps"] = lambda _, __: {"versions": [{"version": "v1"}]}
    await world.look()
    assert world.replicas == 4


async def test_no_such_kind() -> None:
    world = World(2, 900)
    target = CrossVersionObjectReference(api_version="apps/v1", kind="Moon", name="web")
    world.hpa = replace(world.hpa, spec=replace(world.hpa.spec, scale_target_ref=target))
    hpa = await world.look()
    problem = 'no matches for kind "Moon" in group "apps"'
    assert world.told == [("FailedGetScale", problem)]
    (able,) = hpa.status.conditions
    assert able.message == f"the HPA controller was unable to get the target's current scale: {problem}"


async def test_a_change_in_between_is_met_by_trying_again() -> None:
    world = World(2, 900)
    tries: list[Any] = []

    def put(query: dict[str, str], body: Any) -> dict[str, Any]:
        tries.append(body)
        if len(tries) < 3:
            raise Conflict("the object has been modified")
        return world.put(query, body)

    world.cluster.answers["PUT", SCALE] = put
    await world.look()
    assert (len(tries), world.replicas) == (3, 4)


async def test_a_scale_that_cannot_be_written() -> None:
    world = World(2, 900)

    def refuse(_: dict[str, str], __: Any) -> dict[str, Any]:
        raise Forbidden("no")

    world.cluster.answers["PUT", SCALE] = refuse
    hpa = await world.look()
    assert world.told == [
        ("FailedRescale",
         "New size: 4; reason: cpu resource utilization (percentage of request) above target; error: no")
    ]  # fmt: skip
    assert world.conditions(hpa)["AbleToScale"] == ("False", "FailedUpdateScale")
    assert (hpa.status.current_replicas, hpa.status.desired_replicas) == (2, 0)
    assert hpa.status.last_scale_time is None


async def test_what_is_out_of_bounds_is_not_measured() -> None:
    """Nor is what was measured before shown as if it were of now."""
    world = World(2, 400)
    before = await world.look()
    assert before.status.current_metrics
    world.replicas = 20
    hpa = await world.look()
    assert hpa.status.current_metrics == ()
    assert world.told[-1][1] == "New size: 10; reason: Current number of replicas above Spec.MaxReplicas"

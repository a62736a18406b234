"""Replicas from metrics: upstream's documented cases, and that guesses never scale by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.view import NOW
from wherry.api.types.core import Container, Pod, PodCondition, PodSpec, PodStatus, ResourceRequirements
from wherry.controllers.autoscale_replicas import (
    MetricsError,
    Sample,
    Tolerance,
    by_average,
    by_shared_average,
    by_utilization,
    by_value,
    ready_count,
)
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import time_at

EXACT = Tolerance()


def pod(n: int, *, ready: bool = True, phase: str = "Running", age: float = 3600, request: str = "1") -> Pod:
    since = time_at(NOW - age)
    resources = ResourceRequirements(requests={"cpu": Quantity(request)} if request else {})
    return Pod(
        metadata=ObjectMeta(name=f"p{n}", namespace="d"),
        spec=PodSpec(containers=(Container(name="c", resources=resources),)),
        status=PodStatus(
            phase=phase,
            start_time=since,
            conditions=(PodCondition(type="Ready", status=str(ready), last_transition_time=since),),
        ),
    )


def use(*values: int) -> dict[str, Sample]:
    return {f"p{n}": Sample(value, NOW, 10) for n, value in enumerate(values)}


def cpu(pods: list[Pod], samples: dict[str, Sample], percent: int, current: int = 0) -> int:
    return by_utilization(pods, samples, ("cpu", ""), (current or len(pods), percent, EXACT), NOW).replicas


@pytest.mark.parametrize(
    ("used", "percent", "replicas"),
    [
        ((300, 500, 700), 30, 5),
        ((300, 500, 700), 50, 3),
        ((100, 300, 500, 250, 250), 50, 3),
        ((400, 500, 700), 100, 2),
        ((1000, 1000, 1000), 91, 3),
    ],
)
def test_utilization(used: tuple[int, ...], percent: int, replicas: int) -> None:
    assert cpu([pod(n) for n in range(len(used))], use(*used), percent) == replicas


def test_unready_pods_count_as_idle_when_scaling_up() -> None:
    pods = [pod(0), pod(1), pod(2, ready=False, age=10)]
    assert cpu(pods, use(600, 600, 900), 30) == 4  # not 6: 1200m over three pods are 40 %


def test_missing_pods_count_as_full_when_scaling_down() -> None:
    assert cpu([pod(0), pod(1), pod(2), pod(3)], use(100, 100, 100), 50) == 3


def test_missing_pods_count_as_idle_when_scaling_up() -> None:
    assert cpu([pod(0), pod(1)], use(1000), 30) == 4


def test_failed_pods_are_left_out() -> None:
    assert cpu([pod(0), pod(1), pod(2, phase="Failed")], use(500, 700, 9000), 50, current=2) == 3


def test_errors() -> None:
    with pytest.raises(MetricsError, match="no pods returned by selector"):
        cpu([], use(1), 50)
    with pytest.raises(MetricsError, match="did not receive metrics for targeted pods"):
        cpu([pod(0)], {}, 50)
    with pytest.raises(MetricsError, match="missing request for cpu in container c of Pod p0"):
        cpu([pod(0, request="")], use(100), 50)


def test_averages_and_values() -> None:
    pods = [pod(0), pod(1), pod(2)]
    assert by_average(pods, use(20_000, 10_000, 30_000), "", (3, 15_000, EXACT), NOW).replicas == 4
    assert by_value(3, pods, 20_000, 15_000, EXACT) == 4
    assert by_value(0, [], 20_000, 15_000, EXACT) == 2
    assert by_shared_average(3, 8600, 2000, EXACT).replicas == 5
    assert by_shared_average(3, 6000, 2000, EXACT).replicas == 3
    assert ready_count([*pods, pod(3, ready=False)]) == 3


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=6), st.integers(0, 4), st.integers(0, 4), st.integers(1, 100)
)
def test_guesses_never_turn_a_decision_round(used: list[int], missing: int, unready: int, percent: int) -> None:
    """More or fewer than now only if the pods that are known say so on their own."""
    known = [pod(n) for n in range(len(used))]
    others = [pod(100 + n) for n in range(missing)]
    late = [pod(200 + n, ready=False, age=10) for n in range(unready)]
    alone = cpu(known, use(*used), percent)
    everybody = [*known, *others, *late]
    together = cpu(everybody, use(*used), percent)
    if together > len(everybody):
        assert alone > len(known)
    if together < len(everybody) and not late:
        assert alone < len(known)

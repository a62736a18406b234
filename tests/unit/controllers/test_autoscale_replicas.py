"""Replicas from metrics: upstream's documented cases, and that guesses never scale by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

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


@pytest.mark.parametrize(
    ("used", "percent", "tolerance", "replicas"),
    [
        (1100, 100, EXACT, 4),  # 1.1 and 0.9 are within
        (1110, 100, EXACT, 5),
        (900, 100, EXACT, 4),
        (890, 100, EXACT, 4),  # 0.89 of four are four
        (740, 100, EXACT, 3),
        (1300, 100, Tolerance(up=0.3), 4),
        (1310, 100, Tolerance(up=0.3), 6),
        (700, 100, Tolerance(down=0.31), 4),
        (700, 100, Tolerance(up=0.31), 3),
        (1010, 100, Tolerance(0, 0), 5),
        (1005, 100, Tolerance(0, 0), 4),  # whole percents count
    ],
)
def test_tolerances(used: int, percent: int, tolerance: Tolerance, replicas: int) -> None:
    pods = [pod(n) for n in range(4)]
    target = (4, percent, tolerance)
    assert by_utilization(pods, use(*[used] * 4), ("cpu", ""), target, NOW).replicas == replicas


@pytest.mark.parametrize(
    ("used", "missing", "unready", "percent", "replicas"),
    [
        ((950, 950), 1, 0, 100, 3),  # within, whatever the third does
        ((100, 100), 2, 0, 100, 3),  # 2200 of 4000 are 55 %
        ((100, 100), 2, 0, 300, 3),  # those of which nothing is known may use 300 % each
        ((1000, 1000), 1, 1, 30, 7),  # four of which two do nothing: 50 % of 30 %
        ((1000,), 3, 0, 30, 4),  # 25 % would be a turn
        ((1000,), 0, 3, 30, 4),
        ((400,), 0, 3, 50, 1),  # on the way down those that start do not count
        ((400, 400), 1, 1, 50, 4),  # 600 m of the three would be a turn
    ],
)
def test_guesses(used: tuple[int, ...], missing: int, unready: int, percent: int, replicas: int) -> None:
    pods = [pod(n) for n in range(len(used))]
    pods += [pod(100 + n) for n in range(missing)]
    late = [pod(200 + n, ready=False, age=10) for n in range(unready)]
    busy = {one.metadata.name: Sample(900, NOW, 10) for one in late}
    assert cpu([*pods, *late], use(*used) | busy, percent) == replicas


def going(n: int) -> Pod:
    made = pod(n)
    return replace(made, metadata=replace(made.metadata, deletion_timestamp=time_at(NOW)))


@pytest.mark.parametrize(
    ("other", "replicas"),
    [
        (going(2), 3),  # of the two others, 60 % of 50 %
        (pod(2, phase="Failed"), 3),
        (pod(2, phase="Pending", ready=False), 3),  # does nothing yet: 40 % would be a turn
        (pod(2), 6),  # 99.. % of three
    ],
)
def test_who_counts(other: Pod, replicas: int) -> None:
    assert cpu([pod(0), pod(1), other], use(600, 600, 1800), 50, current=3) == replicas


def starting(n: int, *, since: float, age: float = 60) -> Pod:
    """A pod that is Ready for so many seconds."""
    made = pod(n, age=age)
    ready = PodCondition(type="Ready", status="True", last_transition_time=time_at(NOW - since))
    return replace(made, status=replace(made.status, conditions=(ready,)))


@pytest.mark.parametrize(
    ("other", "replicas"),
    [
        (starting(1, since=9), 1),  # what was measured was its start: it is taken to do nothing
        (starting(1, since=10), 3),
        (starting(1, since=2, age=301), 3),  # it has been there for long
        (pod(1, ready=False, age=301), 1),  # it has never been ready
        (replace(pod(1), status=PodStatus(phase="Running")), 1),
    ],
)
def test_processor_time_of_starting_pods(other: Pod, replicas: int) -> None:
    """1000 m each; one pod alone is as it should be."""
    found = cpu([pod(0), other], use(1000, 2000), 100, current=1)
    assert found == replicas


def test_metrics_of_pods_that_are_not_there() -> None:
    """As upstream: in percent they do not count, of amounts they do."""
    strangers = {f"x{n}": Sample(9000, NOW, 10) for n in range(2)}
    assert cpu([pod(0)], use(500) | strangers, 50) == 1
    assert by_average([pod(0)], use(3000) | strangers, "", (1, 7000, EXACT), NOW).replicas == 1
    with pytest.raises(MetricsError, match="no metrics returned matched known pods"):
        cpu([pod(0)], strangers, 50)


def test_values_ask_for_the_ready() -> None:
    late = [pod(n, ready=False) for n in range(3)]
    assert by_value(3, [*late, pod(3)], 40_000, 20_000, EXACT) == 2
    assert by_value(3, [], 20_000, 20_000, EXACT) == 3  # nobody is counted where nothing changes
    with pytest.raises(MetricsError, match="unable to calculate ready pods: no pods returned by selector"):
        by_value(3, [], 40_000, 20_000, EXACT)
    assert by_value(3, [pod(0)], 2**63 - 1, 1, EXACT) == 2**31 - 1
    assert by_shared_average(3, 2**63 - 1, 1, EXACT).replicas == 2**31 - 1


@pytest.mark.parametrize(
    ("used", "missing", "unready", "wanted", "replicas"),
    [
        ((20_000, 10_000), 1, 0, 30_000, 2),  # the third may be at the target: 60 of 90
        ((50_000, 10_000), 1, 0, 15_000, 4),  # ... or at nothing: 60 of 45
        ((50_000, 10_000), 0, 1, 15_000, 4),
        ((30_000, 30_000), 1, 0, 30_000, 3),
    ],
)
def test_guesses_of_amounts(used: tuple[int, ...], missing: int, unready: int, wanted: int, replicas: int) -> None:
    pods = [pod(n) for n in range(len(used))]
    pods += [pod(100 + n) for n in range(missing)]
    pods += [pod(200 + n, ready=False, phase="Pending") for n in range(unready)]
    found = by_average(pods, use(*used), "", (len(pods), wanted, EXACT), NOW)
    assert (found.replicas, found.average) == (replicas, sum(used) // len(used))


def requesting(**spec: object) -> Pod:
    def part(name: str, cpu: str, *, sidecar: bool = False) -> Container:
        resources = ResourceRequirements(requests={"cpu": Quantity(cpu)} if cpu else {})
        return Container(name=name, resources=resources, restart_policy="Always" if sidecar else None)

    once, beside = part("once", "4"), part("beside", "300m", sidecar=True)
    made = PodSpec(containers=(part("a", "500m"), part("b", "200m")), init_containers=(once, beside))
    return replace(pod(0), spec=replace(made, **spec))


WHOLE = ResourceRequirements(requests={"cpu": Quantity("2")})
OTHER = ResourceRequirements(requests={"memory": Quantity("1Gi")})


@pytest.mark.parametrize(
    ("asks", "container", "percent"),
    [
        (requesting(), "", 100),  # both and the one beside them: 1000 m
        (requesting(), "a", 200),
        (requesting(), "beside", 333),
        (requesting(resources=WHOLE), "", 50),
        (requesting(resources=WHOLE), "a", 200),
        (requesting(resources=OTHER), "", 25),  # as the scheduler counts: the step that needs most
        (requesting(resources=WHOLE, overhead={"cpu": Quantity("500m")}), "", 40),
        (requesting(overhead={"cpu": Quantity("500m")}), "", 100),  # counts only with the pod as a whole
    ],
)
def test_what_counts_as_requested(asks: Pod, container: str, percent: int) -> None:
    found = by_utilization([asks], use(1000), ("cpu", container), (1, 100, EXACT), NOW)
    assert found.utilization == percent


@pytest.mark.parametrize(
    ("asks", "which", "problem"),
    [
        (pod(0, request=""), ("cpu", ""), "missing request for cpu in container c of Pod p0"),
        (requesting(resources=WHOLE), ("memory", ""), "missing pod-level request for memory in Pod p0"),
        (requesting(), ("cpu", "moon"), "container moon not found in Pod p0"),
        (requesting(), ("cpu", "once"), "container once not found in Pod p0"),
        (requesting(), ("memory", "b"), "missing request for memory in container b of Pod p0"),
    ],
)
def test_what_is_not_requested(asks: Pod, which: tuple[str, str], problem: str) -> None:
    with pytest.raises(MetricsError) as caught:
        by_utilization([asks], use(1000), which, (1, 100, EXACT), NOW)
    assert str(caught.value) == problem


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

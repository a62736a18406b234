"""How far and how fast autoscalers go: tables, and properties over any history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wherry.api.types.autoscaling_v2 import (
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec,
    HPAScalingPolicy,
    HPAScalingRules,
)
from wherry.controllers.autoscale_behavior import READY, WITHIN, History, settle

NOW = 10_000.0


def rules(*policies: tuple[str, int, int], window: int | None = 0, select: str = "Max") -> HPAScalingRules:
    made = tuple(HPAScalingPolicy(type=t, value=v, period_seconds=p) for t, v, p in policies)
    return HPAScalingRules(policies=made, stabilization_window_seconds=window, select_policy=select)


def spec(up: HPAScalingRules | None = None, down: HPAScalingRules | None = None) -> HorizontalPodAutoscalerSpec:
    behavior = HorizontalPodAutoscalerBehavior(scale_up=up, scale_down=down) if up and down else None
    return HorizontalPodAutoscalerSpec(min_replicas=2, max_replicas=50, behavior=behavior)


ALL_UP, ALL_DOWN = rules(("Percent", 1000, 15)), rules(("Percent", 100, 15))


@pytest.mark.parametrize(
    ("current", "wanted", "replicas", "reason"),
    [
        (5, 7, 7, "DesiredWithinRange"),
        (5, 30, 10, "ScaleUpLimit"),
        (1, 30, 4, "ScaleUpLimit"),
        (40, 70, 50, "TooManyReplicas"),
        (5, 1, 2, "TooFewReplicas"),
    ],
)
def test_without_behaviour(current: int, wanted: int, replicas: int, reason: str) -> None:
    settled = settle(spec(), current, wanted, History(), NOW)
    assert (settled.replicas, settled.limited[1]) == (replicas, reason)


def test_down_waits_for_the_window() -> None:
    history = History(recommendations=[(NOW - 299, 8), (NOW - 301, 20)])
    settled = settle(spec(), 8, 3, history, NOW)
    assert settled.replicas == 8
    assert settled.able[1] == "ScaleDownStabilized"
    assert history.recommendations[-1] == (NOW, 3)
    assert settle(spec(), 8, 3, History(), NOW).able == READY


@pytest.mark.parametrize(
    ("up", "replicas"),
    [
        (rules(("Pods", 3, 60)), 8),
        (rules(("Percent", 20, 60)), 6),
        (rules(("Pods", 3, 60), ("Percent", 20, 60)), 8),
        (rules(("Pods", 3, 60), ("Percent", 20, 60), select="Min"), 6),
        (rules(("Pods", 3, 60), select="Disabled"), 5),
    ],
)
def test_policies_up(up: HPAScalingRules, replicas: int) -> None:
    assert settle(spec(up, ALL_DOWN), 5, 30, History(), NOW).replicas == replicas


@pytest.mark.parametrize(
    ("down", "replicas"),
    [
        (rules(("Pods", 3, 60)), 7),
        (rules(("Percent", 20, 60)), 8),
        (rules(("Pods", 3, 60), ("Percent", 20, 60)), 7),
        (rules(("Pods", 3, 60), ("Percent", 20, 60), select="Min"), 8),
        (rules(("Pods", 3, 60), select="Disabled"), 10),
    ],
)
def test_policies_down(down: HPAScalingRules, replicas: int) -> None:
    assert settle(spec(ALL_UP, down), 10, 2, History(), NOW).replicas == replicas


@pytest.mark.parametrize(
    ("current", "percent", "up", "down"),
    [(100, 10, 111, 90), (100, 7, 107, 93), (5, 50, 8, 2), (25, 56, 39, 10), (7, 100, 14, 2), (50, 0, 50, 50)],
)
def test_percentages_round_as_upstream(current: int, percent: int, up: int, down: int) -> None:
    """Up to the next whole, down to the next whole, in floating point."""
    one = rules(("Percent", percent, 15))
    wide = replace(spec(one, one), max_replicas=1000)
    assert settle(wide, current, 900, History(), NOW).replicas == up
    assert settle(wide, current, 0, History(), NOW).replicas == down


def test_what_was_added_within_the_period_counts() -> None:
    up = rules(("Pods", 4, 60))
    history = History(ups=[(NOW - 30, 3), (NOW - 61, 9)])
    assert settle(spec(up, ALL_DOWN), 8, 30, history, NOW).replicas == 9


def test_up_waits_for_its_window() -> None:
    up = rules(("Percent", 1000, 15), window=60)
    settled = settle(spec(up, ALL_DOWN), 5, 20, History(recommendations=[(NOW - 50, 6), (NOW - 70, 5)]), NOW)
    assert (settled.replicas, settled.able[1]) == (6, "ScaleUpStabilized")


NUMBERS = st.integers(0, 60)
MOMENTS = st.lists(st.tuples(st.floats(NOW - 600, NOW), NUMBERS), max_size=8)


@given(NUMBERS.filter(bool), NUMBERS, MOMENTS, st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_never_past_the_bounds_nor_the_wish(
    current: int, wanted: int, past: list[tuple[float, int]], up: int, down: int, select: bool
) -> None:
    chosen = "Min" if select else "Max"
    made = spec(rules(("Pods", up, 60), select=chosen), rules(("Percent", down, 60), select=chosen, window=120))
    for one in (made, spec()):
        settled = settle(one, current, wanted, History(recommendations=list(past)), NOW)
        known = [wanted, current, *(number for _, number in past), 2, 50]
        assert min(known) <= settled.replicas <= max(known)
        if settled.limited == WITHIN and 2 <= current <= 50:
            assert settled.replicas <= max(50, *known)

"""How far and how fast an autoscaler may go: stabilisation windows, rates, bounds. Pure.

A recommendation comes in, the number of replicas to ask for goes out, with the conditions that say why. `History` is
what one autoscaler remembers between two looks: past recommendations and past changes, as (seconds, number).
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wherry.api.types.autoscaling_v2 import HorizontalPodAutoscalerSpec, HPAScalingPolicy, HPAScalingRules

DOWNSCALE_STABILISATION = 300.0
"""Seconds for which the highest recommendation counts where no behaviour says otherwise."""
_FACTOR, _LEAST = 2, 4
_MOST = 2**31 - 1

Verdict = tuple[str, str, str]
"""Status, reason and message of a condition."""
READY: Verdict = ("True", "ReadyForNewScale", "recommended size matches current size")
WITHIN: Verdict = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
_LOWEST = "recent recommendations were lower than current one, applying the lowest recent recommendation"
_HIGHEST = "recent recommendations were higher than current one, applying the highest recent recommendation"
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_UP_RATE = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_RATE = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")


@dataclass(slots=True)
class History:
    """What one autoscaler recommended, and by how much it scaled up and down, each as (epoch seconds, number)."""

    recommendations: list[tuple[float, int]] = field(default_factory=list)
    ups: list[tuple[float, int]] = field(default_factory=list)
    downs: list[tuple[float, int]] = field(default_factory=list)
    known: bool = False

    def begin(self, now: float, current: int) -> None:
        """Take what there is for the first recommendation: what was set before counts until its window is over."""
        if not self.known:
            self.known = True
            self.recommendations.append((now, current))

    def scaled(self, now: float, before: int, after: int) -> None:
        """Remember a change."""
        (self.ups if after > before else self.downs).append((now, abs(after - before)))

    def forget(self, before: float) -> None:
        """Drop what is older than this moment."""
        for kept in (self.recommendations, self.ups, self.downs):
            kept[:] = [one for one in kept if one[0] >= before]


@dataclass(frozen=True, slots=True)
class Settled:
    """How many replicas to ask for, and the conditions AbleToScale and ScalingLimited."""

    replicas: int
    able: Verdict
    limited: Verdict


def settle(spec: HorizontalPodAutoscalerSpec, current: int, wanted: int, history: History, now: float) -> Settled:
    """From what the metrics want to what may be. Notes the recommendation in `history`."""
    behavior = spec.behavior
    least = 1 if spec.min_replicas is None else spec.min_replicas
    if behavior is None or behavior.scale_up is None or behavior.scale_down is None:
        stable = _highest(wanted, history, now - DOWNSCALE_STABILISATION)
        able = READY if stable == wanted else ("True", "ScaleDownStabilized", _HIGHEST)
        history.recommendations.append((now, wanted))
        replicas, limited = _plainly_bounded(current, stable, least, spec.max_replicas)
        return Settled(replicas, able, limited)
    up, down = behavior.scale_up, behavior.scale_down
    stable = _stable(current, wanted, history, now - _window(up, 0), now - _window(down, DOWNSCALE_STABILISATION))
    able = READY
    if stable != wanted:
        rising = wanted >= current
        able = ("True", "ScaleUpStabilized", _LOWEST) if rising else ("True", "ScaleDownStabilized", _HIGHEST)
    history.recommendations.append((now, wanted))
    if stable > current:
        replicas, limited = _up(current, stable, spec.max_replicas, _up_limit(current, up, history, now))
    elif stable < current:
        replicas, limited = _down(current, stable, least, _down_limit(current, down, history, now))
    else:
        replicas, limited = stable, WITHIN
    return Settled(replicas, able, limited)


def longest_memory(spec: HorizontalPodAutoscalerSpec) -> float:
    """Seconds for which `History` matters to this autoscaler."""
    longest = DOWNSCALE_STABILISATION
    for rules in (spec.behavior.scale_up, spec.behavior.scale_down) if spec.behavior else ():
        if rules is not None:
            longest = max(longest, _window(rules, 0), *(policy.period_seconds for policy in rules.policies))
    return longest


def _window(rules: HPAScalingRules, usual: float) -> float:
    return usual if rules.stabilization_window_seconds is None else rules.stabilization_window_seconds


def _highest(wanted: int, history: History, since: float) -> int:
    return max((wanted, *(number for at, number in history.recommendations if at > since)))


def _stable(current: int, wanted: int, history: History, up_since: float, down_since: float) -> int:
    """As far up as every recommendation of the window for scaling up asks, as far down as every one for down."""
    up = min((wanted, *(number for at, number in history.recommendations if at > up_since)))
    down = _highest(wanted, history, down_since)
    return min(max(current, up), down)


def _plainly_bounded(current: int, wanted: int, least: int, most: int) -> tuple[int, Verdict]:
    rate = max(_FACTOR * current, _LEAST)
    if wanted < least:
        return least, ("True", *_TOO_FEW)
    if wanted > min(most, rate):
        return min(most, rate), ("True", *(_UP_RATE if most > rate else _TOO_MANY))
    return wanted, WITHIN


def _up(current: int, wanted: int, most: int, rate: int) -> tuple[int, Verdict]:
    rate = max(rate, current)
    if wanted > min(most, rate):
        return min(most, rate), ("True", *(_UP_RATE if most > rate else _TOO_MANY))
    return wanted, WITHIN


def _down(current: int, wanted: int, least: int, rate: int) -> tuple[int, Verdict]:
    rate = min(rate, current)
    if wanted < max(least, rate):
        return max(least, rate), ("True", *(_DOWN_RATE if least < rate else _TOO_FEW))
    return wanted, WITHIN


def _changed(changes: Iterable[tuple[float, int]], period: float, now: float) -> int:
    return sum(number for at, number in changes if at > now - period)


def _up_limit(current: int, rules: HPAScalingRules, history: History, now: float) -> int:
    """The most replicas that the policies for scaling up allow now."""

    def allowed(policy: HPAScalingPolicy, start: int) -> int:
        # in floating point and rounded up, as upstream: 10 % more than 100 are 111
        return start + policy.value if policy.type == "Pods" else math.ceil(start * (1 + policy.value / 100))

    return _limit(current, rules, history, now, (allowed, min if rules.select_policy == "Min" else max))


def _down_limit(current: int, rules: HPAScalingRules, history: History, now: float) -> int:
    """The fewest replicas that the policies for scaling down allow now."""

    def allowed(policy: HPAScalingPolicy, start: int) -> int:
        return start - policy.value if policy.type == "Pods" else int(start * (1 - policy.value / 100))

    return _limit(current, rules, history, now, (allowed, max if rules.select_policy == "Min" else min))


def _limit(
    current: int, rules: HPAScalingRules, history: History, now: float,
    how: tuple[Callable[[HPAScalingPolicy, int], int], Callable[[list[int]], int]],
) -> int:  # fmt: skip
    if rules.select_policy == "Disabled" or not rules.policies:
        return current
    allowed, choose = how
    limits = []
    for policy in rules.policies:
        period = policy.period_seconds
        start = current - _changed(history.ups, period, now) + _changed(history.downs, period, now)
        limits.append(allowed(policy, start))
    return min(choose(limits), _MOST)

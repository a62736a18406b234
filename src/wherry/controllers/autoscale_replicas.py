"""How many replicas a metric asks for, from what pods use and what they should. Pure.

Amounts are thousandths (of a core, a byte, a unit). Pods that are not ready yet, or of which nothing is known, are
counted so that they never cause a scaling themselves: they are taken to use nothing when the others say "more", and
all they may when the others say "less".
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wherry.api.core.pod import condition
from wherry.api.types.core import Container, Pod
from wherry.machinery.quantity import amount
from wherry.machinery.time import seconds

CPU_INITIALISATION = 300.0
"""Seconds after its start in which a pod's processor time counts only while it is ready."""
INITIAL_READINESS = 30.0
"""Seconds after its start in which being unready means never having been ready."""


class MetricsError(Exception):
    """No number of replicas can be said; the text is what users are told."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one pod uses: thousandths, when it was measured (epoch seconds), over how many seconds."""

    value: int
    at: float
    window: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By which part of the target the measured value may be off before anything is done."""

    up: float = 0.1
    down: float = 0.1

    def takes(self, ratio: float) -> bool:
        """Whether the ratio of measured to wanted is near enough to 1."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(slots=True)
class _Groups:
    """Pods by what is known of them."""

    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Replicas, and the value they follow from: `average` thousandths per pod, `utilization` percent of requests."""

    replicas: int
    average: int = 0
    utilization: int = 0


def thousandths(text: str) -> int:
    """A quantity as thousandths, rounded up."""
    return math.ceil(amount(text) * 1000)


def group(pods: Sequence[Pod], samples: Mapping[str, Sample], resource: str, now: float) -> _Groups:
    """Sort the pods of a target."""
    groups = _Groups()
    for pod in pods:
        name, sample = pod.metadata.name, samples.get(pod.metadata.name)
        if pod.metadata.deletion_timestamp is not None or pod.status.phase == "Failed":
            groups.ignored.add(name)
        elif pod.status.phase == "Pending":
            groups.unready.add(name)
        elif sample is None:
            groups.missing.add(name)
        elif resource == "cpu" and _unready(pod, sample, now):
            groups.unready.add(name)
        else:
            groups.ready += 1
    return groups


def _unready(pod: Pod, sample: Sample, now: float) -> bool:
    """Whether its processor time says nothing about load: it is starting, or was when it was measured."""
    ready = condition(pod, "Ready")
    if ready is None or pod.status.start_time is None:
        return True
    started = seconds(pod.status.start_time)
    moved = seconds(ready.last_transition_time) if ready.last_transition_time else started
    if started + CPU_INITIALISATION > now:
        return ready.status == "False" or sample.at < moved + sample.window
    return ready.status == "False" and started + INITIAL_READINESS > moved


def by_utilization(
    pods: Sequence[Pod], samples: Mapping[str, Sample], resource: tuple[str, str], target: tuple[int, int, Tolerance],
    now: float,
) -> Proposal:  # fmt: skip
    """From use in percent of requests. `resource`: its name and, for one container's, the container. `target`:
    current replicas, percent wanted, tolerance. Raises MetricsError."""
    current, percent, tolerance = target
    groups, known = _known(pods, samples, resource[0], now)
    requests = _requests(pods, *resource)
    ratio, used = _utilization(known, requests, percent)
    average = sum(known.values()) // len(known)
    more = bool(groups.unready) and ratio > 1.0
    if not more and not groups.missing:
        replicas = current if tolerance.takes(ratio) else math.ceil(ratio * groups.ready)
        return Proposal(replicas, average, used)
    filled = dict(known)
    if ratio < 1.0:
        filled |= {name: requests[name] * max(100, percent) // 100 for name in groups.missing}
    elif ratio > 1.0:
        filled |= dict.fromkeys(groups.missing, 0)
    if more:
        filled |= dict.fromkeys(groups.unready, 0)
    again, _ = _utilization(filled, requests, percent)
    return Proposal(_cautious(current, ratio, again, len(filled), tolerance), average, used)


def by_average(
    pods: Sequence[Pod], samples: Mapping[str, Sample], resource: str, target: tuple[int, int, Tolerance], now: float
) -> Proposal:
    """From use in absolute amounts per pod. `target`: current replicas, thousandths wanted, tolerance. `resource` is ""
    for metrics of the application. Raises MetricsError."""
    current, wanted, tolerance = target
    groups, known = _known(pods, samples, resource, now)
    average = sum(known.values()) // len(known)
    ratio = average / wanted
    more = bool(groups.unready) and ratio > 1.0
    if not more and not groups.missing:
        replicas = current if tolerance.takes(ratio) else math.ceil(ratio * groups.ready)
        return Proposal(replicas, average)
    filled = dict(known)
    if ratio < 1.0:
        filled |= dict.fromkeys(groups.missing, wanted)
    else:
        filled |= dict.fromkeys(groups.missing, 0)
    if more:
        filled |= dict.fromkeys(groups.unready, 0)
    again = sum(filled.values()) // len(filled) / wanted
    return Proposal(_cautious(current, ratio, again, len(filled), tolerance), average)


def by_value(current: int, ready: int, value: int, wanted: int, tolerance: Tolerance) -> int:
    """From one value that all replicas bring down together."""
    ratio = value / wanted
    if current == 0:
        return math.ceil(ratio)
    return current if tolerance.takes(ratio) else math.ceil(ratio * ready)


def by_shared_average(current: int, value: int, wanted: int, tolerance: Tolerance) -> Proposal:
    """From one value that the replicas share evenly; `wanted` is each one's part."""
    if current == 0:
        return Proposal(math.ceil(value / wanted), 0)
    ratio = value / (wanted * current)
    replicas = current if tolerance.takes(ratio) else math.ceil(value / wanted)
    return Proposal(replicas, math.ceil(value / current))


def ready_count(pods: Iterable[Pod]) -> int:
    """How many are running and ready. Raises MetricsError when there is no pod at all."""
    listed = list(pods)
    if not listed:
        raise MetricsError("no pods returned by selector while calculating replica count")
    return sum(pod.status.phase == "Running" and _is_ready(pod) for pod in listed)


def _is_ready(pod: Pod) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.status == "True"


def _known(
    pods: Sequence[Pod], samples: Mapping[str, Sample], resource: str, now: float
) -> tuple[_Groups, dict[str, int]]:  # fmt: skip
    if not pods:
        raise MetricsError("no pods returned by selector while calculating replica count")
    groups = group(pods, samples, resource, now)
    left_out = groups.ignored | groups.unready
    named = {pod.metadata.name for pod in pods}
    known = {name: s.value for name, s in samples.items() if name in named and name not in left_out}
    if not known:
        raise MetricsError("did not receive metrics for targeted pods (pods might be unready)")
    return groups, known


def _utilization(known: Mapping[str, int], requests: Mapping[str, int], percent: int) -> tuple[float, int]:
    asked = sum(requests[name] for name in known if name in requests)
    if asked == 0:
        raise MetricsError("no metrics returned matched known pods")
    used = sum(value for name, value in known.items() if name in requests) * 100 // asked
    return used / percent, used


def _cautious(current: int, before: float, after: float, counted: int, tolerance: Tolerance) -> int:
    """The replicas once guesses are counted in: a guess may keep from scaling, never turn it round."""
    if tolerance.takes(after) or (before < 1.0) != (after < 1.0) or (before > 1.0) != (after > 1.0):
        return current
    replicas = math.ceil(after * counted)
    if (after < 1.0 and replicas > current) or (after > 1.0 and replicas < current):
        return current
    return replicas


def _requests(pods: Sequence[Pod], resource: str, container: str) -> dict[str, int]:
    """Thousandths requested by each pod, or by one container of each."""
    return {pod.metadata.name: _requested(pod, resource, container) for pod in pods}


def _requested(pod: Pod, resource: str, container: str) -> int:
    whole = pod.spec.resources.requests.get(resource) if pod.spec.resources is not None and not container else None
    if whole is not None:
        return thousandths(whole)
    counted: list[Container] = [one for one in pod.spec.init_containers if one.restart_policy == "Always"]
    asked = 0
    for one in (*pod.spec.containers, *counted):
        if container and one.name != container:
            continue
        found = one.resources.requests.get(resource)
        if found is None:
            raise MetricsError(
                f"missing request for {resource} in container {one.name} of Pod {pod.metadata.namespace}/"
                f"{pod.metadata.name}"
            )
        asked += thousandths(found)
    return asked

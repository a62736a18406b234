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
from wherry.api.core.pod_resources import is_sidecar, pod_level, pod_requests
from wherry.api.types.core import Container, Pod
from wherry.machinery.quantity import amount
from wherry.machinery.time import seconds

CPU_INITIALISATION = 300.0
"""Seconds after its start in which a pod's processor time counts only while it is ready."""
INITIAL_READINESS = 30.0
"""Seconds after its start in which being unready means never having been ready."""

MOST = 2**31 - 1
"""Replicas: no metric asks for more."""
_NO_PODS = "no pods returned by selector while calculating replica count"


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
    ratio, used, average = _utilization(known, requests, percent)
    full = {name: requests[name] * max(100, percent) // 100 for name in groups.missing}
    filled = _filled(groups, known, full, ratio)
    if filled is None:
        replicas = current if tolerance.takes(ratio) else math.ceil(ratio * groups.ready)
        return Proposal(replicas, average, used)
    again, _, _ = _utilization(filled, requests, percent)
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
    filled = _filled(groups, known, dict.fromkeys(groups.missing, wanted), ratio)
    if filled is None:
        replicas = current if tolerance.takes(ratio) else math.ceil(ratio * groups.ready)
        return Proposal(replicas, average)
    again = sum(filled.values()) // len(filled) / wanted
    return Proposal(_cautious(current, ratio, again, len(filled), tolerance), average)


def by_value(current: int, pods: Iterable[Pod], value: int, wanted: int, tolerance: Tolerance) -> int:
    """From one value that all replicas bring down together. Raises MetricsError."""
    ratio = value / wanted
    if current == 0:
        return math.ceil(ratio)
    if tolerance.takes(ratio):
        return current
    try:
        return min(math.ceil(ratio * ready_count(pods)), MOST)
    except MetricsError as error:
        raise MetricsError(f"unable to calculate ready pods: {error}") from None


def by_shared_average(current: int, value: int, wanted: int, tolerance: Tolerance) -> Proposal:
    """From one value that the replicas share evenly; `wanted` is each one's part."""
    if current == 0:
        return Proposal(min(math.ceil(value / wanted), MOST), 0)
    ratio = value / (wanted * current)
    replicas = current if tolerance.takes(ratio) else min(math.ceil(value / wanted), MOST)
    return Proposal(replicas, math.ceil(value / current))


def ready_count(pods: Iterable[Pod]) -> int:
    """How many are running and ready. Raises MetricsError when there is no pod at all."""
    listed = list(pods)
    if not listed:
        raise MetricsError(_NO_PODS)
    return sum(pod.status.phase == "Running" and _is_ready(pod) for pod in listed)


def _is_ready(pod: Pod) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.status == "True"


def _known(
    pods: Sequence[Pod], samples: Mapping[str, Sample], resource: str, now: float
) -> tuple[_Groups, dict[str, int]]:  # fmt: skip
    if not pods:
        raise MetricsError(_NO_PODS)
    groups = group(pods, samples, resource, now)
    left_out = groups.ignored | groups.unready
    known = {name: sample.value for name, sample in samples.items() if name not in left_out}
    if not known:
        raise MetricsError("did not receive metrics for targeted pods (pods might be unready)")
    return groups, known


def _filled(
    groups: _Groups, known: Mapping[str, int], full: Mapping[str, int], ratio: float
) -> dict[str, int] | None:  # fmt: skip
    """What is known, with guesses for the other pods; None where there is nothing to guess. `full`: what a pod of
    which nothing is known may use."""
    more = bool(groups.unready) and ratio > 1.0
    if not more and not groups.missing:
        return None
    filled = dict(known)
    if ratio < 1.0:
        filled |= full
    elif ratio > 1.0:
        filled |= dict.fromkeys(groups.missing, 0)
    if more:
        filled |= dict.fromkeys(groups.unready, 0)
    return filled


def _utilization(known: Mapping[str, int], requests: Mapping[str, int], percent: int) -> tuple[float, int, int]:
    """The ratio to what is wanted, use in percent of requests, and use per pod."""
    counted = [name for name in known if name in requests]
    asked = sum(requests[name] for name in counted)
    if asked == 0:
        raise MetricsError("no metrics returned matched known pods")
    total = sum(known[name] for name in counted)
    used = total * 100 // asked
    return used / percent, used, total // len(counted)


def _cautious(current: int, before: float, after: float, counted: int, tolerance: Tolerance) -> int:
    """The replicas once guesses are counted in: a guess may keep from scaling, never turn it round."""
    if tolerance.takes(after) or (before < 1.0 < after) or (before > 1.0 > after):
        return current
    replicas = math.ceil(after * counted)
    if (after < 1.0 and replicas > current) or (after > 1.0 and replicas < current):
        return current
    return replicas


def _requests(pods: Sequence[Pod], resource: str, container: str) -> dict[str, int]:
    """Thousandths requested by each pod, or by one container of each."""
    return {pod.metadata.name: _requested(pod, resource, container) for pod in pods}


def _requested(pod: Pod, resource: str, container: str) -> int:
    """By the pod as a whole where it says so, else by its containers and sidecars together."""
    whole = pod.spec.resources
    if whole is not None and not container and any(map(pod_level, whole.requests)):
        asked = pod_requests(pod.spec).get(resource)
        if asked is None:
            raise MetricsError(f"missing pod-level request for {resource} in Pod {pod.metadata.name}")
        return asked if resource == "cpu" else asked * 1000
    parts = [*pod.spec.containers, *(one for one in pod.spec.init_containers if is_sidecar(one))]
    counted = [one for one in parts if container in ("", one.name)]
    if not counted:
        raise MetricsError(f"container {container} not found in Pod {pod.metadata.name}")
    return sum(_asked(one, resource, pod.metadata.name) for one in counted)


def _asked(one: Container, resource: str, pod: str) -> int:
    found = one.resources.requests.get(resource)
    if found is None:
        raise MetricsError(f"missing request for {resource} in container {one.name} of Pod {pod}")
    return thousandths(found)

"""What the autoscalers have done, in numbers, under the names that upstream's controller gives them.

https://kubernetes.io/docs/reference/instrumentation/metrics/ (horizontal_pod_autoscaler_controller_*)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from wherry.machinery.meta import Key
from wherry.machinery.metrics import Counter, Family, Gauge, Histogram, Reading

Error = Literal["none", "spec", "internal"]
_PREFIX = "horizontal_pod_autoscaler_controller_"
_SECONDS = tuple(0.001 * 2**power for power in range(15))
_LABELS = ("action", "error")


def direction(current: int, wanted: int) -> str:
    """The label `action` of going from so many replicas to so many."""
    return "scale_up" if wanted > current else "scale_down" if wanted < current else "none"


class AutoscaleCounts:
    """Counts of one controller; `monotonic` gives seconds that never go back."""

    def __init__(self, monotonic: Callable[[], float] = lambda: 0.0) -> None:
        self.now = monotonic
        self._known: set[Key] = set()
        self._looks = Counter(
            f"{_PREFIX}reconciliations_total", "[BETA] Number of reconciliations of HPA controller.", _LABELS
        )
        self._took = Histogram(
            f"{_PREFIX}reconciliation_duration_seconds",
            "[BETA] The time(seconds) that the HPA controller takes to reconcile once.",
            _LABELS, _SECONDS,
        )  # fmt: skip
        self._metrics = Counter(
            f"{_PREFIX}metric_computation_total", "[BETA] Number of metric computations.", (*_LABELS, "metric_type")
        )
        self._metrics_took = Histogram(
            f"{_PREFIX}metric_computation_duration_seconds",
            "[BETA] The time(seconds) that the HPA controller takes to calculate one metric.",
            (*_LABELS, "metric_type"), _SECONDS,
        )  # fmt: skip
        self._desired = Gauge(
            f"{_PREFIX}desired_replicas",
            "[ALPHA] Current desired replica count for HPA objects.",
            ("namespace", "hpa_name"),
        )

    def families(self) -> tuple[Family, ...]:
        """The metrics."""
        many = Reading(
            f"{_PREFIX}num_horizontal_pod_autoscalers", "[ALPHA] Current number of controlled HPA objects.", (),
            lambda: {(): float(len(self._known))},
        )  # fmt: skip
        return (self._looks, self._took, self._metrics, self._metrics_took, self._desired, many)

    def looked(self, key: Key, action: str, error: Error, began: float) -> None:
        """An autoscaler has been looked at, since `began`."""
        self._known.add(key)
        self._looks.add((action, error))
        self._took.observe((action, error), self.now() - began)

    def measured(self, action: str, error: Error, type_: str, began: float) -> None:
        """One metric of an autoscaler has been worked out, since `began`."""
        self._metrics.add((action, error, type_))
        self._metrics_took.observe((action, error, type_), self.now() - began)

    def wants(self, key: Key, replicas: int) -> None:
        """An autoscaler wants so many replicas."""
        self._desired.set((key.namespace, key.name), replicas)

    def forget(self, key: Key) -> None:
        """It is gone."""
        self._known.discard(key)
        self._desired.values.pop((key.namespace, key.name), None)

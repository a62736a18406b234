"""What the scheduler has done and what waits for it, under the names that upstream's scheduler gives them.

https://kubernetes.io/docs/reference/instrumentation/metrics/ (scheduler_*)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from wherry.machinery.metrics import Counter, Family, Histogram, Labels, Reading

Result = Literal["scheduled", "unschedulable", "error"]
PROFILE = "default-scheduler"


class SchedulerCounts:
    """Counts of one scheduler; they outlive it when it is started again."""

    def __init__(self) -> None:
        self.pending: Callable[[], Mapping[str, int]] = dict
        """Queue -> how many pods wait in it: active, backoff, unschedulable, gated."""
        labels = ("result", "profile")
        self._attempts = Counter(
            "scheduler_schedule_attempts_total",
            "[STABLE] Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be "
            "scheduled, while 'error' means an internal scheduler problem.",
            labels,
        )
        self._took = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "[STABLE] Scheduling attempt latency in seconds (scheduling algorithm + binding)",
            labels, tuple(0.001 * 2**power for power in range(15)),
        )  # fmt: skip
        self._tries = Histogram(
            "scheduler_pod_scheduling_attempts",
            "[STABLE] Number of attempts to successfully schedule a pod.", (), (1, 2, 4, 8, 16),
        )  # fmt: skip
        self._preemptions = Counter(
            "scheduler_preemption_attempts_total", "[STABLE] Total preemption attempts in the cluster till now"
        )
        self._victims = Histogram(
            "scheduler_preemption_victims", "[STABLE] Number of selected preemption victims", (),
            (1, 2, 4, 8, 16, 32, 64),
        )  # fmt: skip

    def families(self) -> tuple[Family, ...]:
        """The metrics."""

        def read() -> dict[Labels, float]:
            return {(queue,): float(many) for queue, many in self.pending().items()}

        waiting = Reading(
            "scheduler_pending_pods",
            "[STABLE] Number of pending pods, by the queue type.", ("queue",), read,
        )  # fmt: skip
        return (self._attempts, self._took, self._tries, self._preemptions, self._victims, waiting)

    def tried(self, result: Result, seconds: float) -> None:
        """A pod was tried, which took so long."""
        self._attempts.add((result, PROFILE))
        self._took.observe((result, PROFILE), seconds)

    def scheduled(self, seconds: float, tries: int) -> None:
        """A pod has its node, at the so-many-th try."""
        self.tried("scheduled", seconds)
        self._tries.observe((), tries)

    def preempting(self, victims: int) -> None:
        """Room was looked for: so many pods have to go, 0 where that would not help."""
        self._preemptions.add()
        if victims:
            self._victims.observe((), victims)

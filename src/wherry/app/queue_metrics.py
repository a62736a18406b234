"""workqueue_* and what controllers count themselves, under upstream's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wherry.controllers.autoscale_counts import AutoscaleCounts
from wherry.machinery.metrics import Family, Reading
from wherry.reconcile.queue import KeyQueue


class QueueMetrics:
    """Knows the queues once the controllers run."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.autoscaling = AutoscaleCounts(monotonic)
        self._queues: Sequence[tuple[str, KeyQueue]] = ()

    def know(self, queues: Sequence[tuple[str, KeyQueue]]) -> None:
        """These are the queues now."""
        self._queues = queues

    def families(self) -> tuple[Family, ...]:
        """The metrics."""
        return (
            *self.autoscaling.families(),
            Reading(
                "workqueue_depth",
                "[BETA] Current depth of workqueue",
                ("name",),
                lambda: {(name,): float(queue.depth) for name, queue in self._queues},
            ),
            Reading(
                "workqueue_adds_total",
                "[BETA] Total number of adds handled by workqueue",
                ("name",),
                lambda: {(name,): float(queue.added) for name, queue in self._queues},
                "counter",
            ),
            Reading(
                "workqueue_retries_total",
                "[BETA] Total number of retries handled by workqueue",
                ("name",),
                lambda: {(name,): float(queue.retried) for name, queue in self._queues},
                "counter",
            ),
        )

"""workqueue_*: what the controllers' queues hold, under upstream's names."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.machinery.metrics import Family, Reading
from wherry.reconcile.queue import KeyQueue


class QueueMetrics:
    """Knows the queues once the controllers run."""

    def __init__(self) -> None:
        self._queues: Sequence[tuple[str, KeyQueue]] = ()

    def know(self, queues: Sequence[tuple[str, KeyQueue]]) -> None:
        """These are the queues now."""
        self._queues = queues

    def families(self) -> tuple[Family, ...]:
        """The metrics."""
        return (
            Reading(
                "workqueue_depth",
                "[ALPHA] Current depth of workqueue",
                ("name",),
                lambda: {(name,): float(queue.depth) for name, queue in self._queues},
            ),
            Reading(
                "workqueue_adds_total",
                "[ALPHA] Total number of adds handled by workqueue",
                ("name",),
                lambda: {(name,): float(queue.added) for name, queue in self._queues},
                "counter",
            ),
        )

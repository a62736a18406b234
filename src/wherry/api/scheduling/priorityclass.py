"""scheduling.k8s.io/v1 PriorityClass: what the API adds to its schema (`wherry.api.types.scheduling`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.scheduling import PriorityClass
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[PriorityClass], ...] = (
    Column("Value", lambda c, _: c.value, type="integer"),
    Column("Global-Default", lambda c, _: c.global_default, type="boolean"),
    AGE,
    Column("PreemptionPolicy", lambda c, _: c.preemption_policy or ""),
)


def default(cls: PriorityClass) -> PriorityClass:
    """Higher priority may preempt."""
    return fill(cls, preemption_policy="PreemptLowerPriority")


PRIORITYCLASS = declare(PriorityClass, columns=COLUMNS, default=default)

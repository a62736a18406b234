"""scheduling.k8s.io/v1 PriorityClass: what the API adds to its schema (`wherry.api.types.scheduling`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable, one_of
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.scheduling import PriorityClass
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden

COLUMNS: tuple[Column[PriorityClass], ...] = (
    Column("Value", lambda c, _: c.value, type="integer"),
    Column("Global-Default", lambda c, _: c.global_default, type="boolean"),
    AGE,
    Column("PreemptionPolicy", lambda c, _: c.preemption_policy or ""),
)


def default(cls: PriorityClass) -> PriorityClass:
    """Higher priority may preempt."""
    return replace(cls, preemption_policy="PreemptLowerPriority") if cls.preemption_policy is None else cls


HIGHEST = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def validate(new: PriorityClass, old: PriorityClass | None) -> Errors:
    """User classes below a billion, names of the system's own; value and preemption stay."""
    if old is not None:
        if new.value != old.value:
            yield forbidden("value", "may not be changed in an update.")
        yield from immutable("preemptionPolicy", new.preemption_policy, old.preemption_policy)
        return
    name = new.metadata.name
    if name.startswith("system-"):
        if SYSTEM.get(name) != new.value or new.global_default:
            why = "priority class names with 'system-' prefix are reserved for system use only. error: "
            known = f"value of {name} PriorityClass must be {SYSTEM.get(name)}" if name in SYSTEM else (
                f"{name} is not a known system priority class"
            )  # fmt: skip
            yield forbidden("metadata.name", why + known)
    elif new.value > HIGHEST:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}")
    yield from one_of("preemptionPolicy", new.preemption_policy, ("PreemptLowerPriority", "Never"))


PRIORITYCLASS = declare(PriorityClass, columns=COLUMNS, default=default, validate=validate)

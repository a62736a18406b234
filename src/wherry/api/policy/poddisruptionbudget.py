"""policy/v1 PodDisruptionBudget: what the API adds to its schema (`wherry.api.types.policy`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.policy import PodDisruptionBudget
from wherry.machinery.resource import Column


def _amount(value: int | str | None) -> str:
    return "N/A" if value is None else str(value)


COLUMNS: tuple[Column[PodDisruptionBudget], ...] = (
    Column("Min Available", lambda b, _: _amount(b.spec.min_available)),
    Column("Max Unavailable", lambda b, _: _amount(b.spec.max_unavailable)),
    Column("Allowed Disruptions", lambda b, _: b.status.disruptions_allowed, type="integer"),
    AGE,
)

PODDISRUPTIONBUDGET = declare(PodDisruptionBudget, columns=COLUMNS)

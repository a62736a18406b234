"""policy/v1 PodDisruptionBudget: what the API adds to its schema (`wherry.api.types.policy`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.policy import PodDisruptionBudget

PODDISRUPTIONBUDGET = declare(PodDisruptionBudget)

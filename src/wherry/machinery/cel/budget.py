"""Budget: what the evaluations for one object may cost together. A unit is about 50 ns of upstream's time.

https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints
"""

from __future__ import annotations

from wherry.machinery.cel.errors import BudgetExceeded

PER_CALL_LIMIT = 1_000_000
"""What one evaluation may cost."""
RUNTIME_BUDGET = 10_000_000
"""What all rules of a custom resource, or all expressions of a policy for one binding, may cost together."""
MATCH_CONDITIONS_BUDGET = 2_500_000
"""What the match conditions of one webhook or policy may cost together."""
STATIC_RULE_LIMIT = 10_000_000
"""The highest estimate that one rule of a CustomResourceDefinition may have."""
STATIC_DEFINITION_LIMIT = 100_000_000
"""The highest estimate that all rules of a CustomResourceDefinition may have together."""


class Budget:
    """Counts down. `call_limit` bounds each evaluation by itself."""

    __slots__ = ("call_limit", "left")

    def __init__(self, limit: int = RUNTIME_BUDGET, *, call_limit: int = PER_CALL_LIMIT) -> None:
        self.left = limit
        self.call_limit = call_limit

    def spend(self, cost: int) -> None:
        """Raises BudgetExceeded when nothing is left."""
        self.left -= cost
        if self.left < 0:
            raise BudgetExceeded("validation failed due to running out of cost budget")

"""Program: an expression that has been parsed, checked and compiled. Callers keep programs; compiling is not cheap.

Values: None, bool, int, `values.Uint`, float, str, bytes, `values.Timestamp`, `values.Duration`, list, dict,
`values.Optional`, and what the libraries make. JSON is bound as it was decoded; `schema.bind` makes the few conversions
that a schema asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.types import Type


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an evaluation costs at least and at most, given the bounds (`max_elements`) of the variables' types."""

    least: int
    most: int


class Program:
    """A compiled expression. Immutable; may be evaluated any number of times."""

    result: Type
    """What it evaluates to."""
    names: frozenset[str]
    """The declared variables that occur: whether `oldSelf` is among them makes a rule a transition rule."""

    def evaluate(self, bindings: Mapping[str, object], budget: Budget) -> object:
        """Its value. Raises EvaluationError, CallCostExceeded, BudgetExceeded.

        A variable may be bound to a `values.Lazy`, which is asked at most once.
        """
        raise NotImplementedError

    def estimate(self) -> Estimate:
        """The static cost, as upstream estimates it."""
        raise NotImplementedError


def compile_expression(
    text: str,
    variables: Mapping[str, Type],
    *,
    result: Type | tuple[Type, ...] | None = None,
    patches: bool = False,
) -> Program:
    """Compile an expression over these variables.

    `result`: the type, or types, that it must have; None: any. `patches`: with `Object{...}`, `JSONPatch{...}` and
    `jsonpatch.escapeKey`, as mutations have them. Raises CompileError, WrongResult.
    """
    raise NotImplementedError

"""Program: an expression that has been parsed, checked and compiled. Callers keep programs; compiling is not cheap.

Values: None, bool, int, `values.Uint`, float, str, bytes, `values.Timestamp`, `values.Duration`, list, dict,
`values.Optional`, and what the libraries make. JSON is bound as it was decoded; `schema.bind` makes the few conversions
that a schema asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wherry.machinery.cel.ast import Ident, Node
from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.checker import Names, check
from wherry.machinery.cel.errors import CallCostExceeded, CompileError, EvaluationError, WrongResult
from wherry.machinery.cel.estimate import Estimate, estimate
from wherry.machinery.cel.frame import Frame, LimitReached, Run
from wherry.machinery.cel.library.registry import FUNCTIONS, PATCH_FUNCTIONS, TYPE_NAMES
from wherry.machinery.cel.literals import walk
from wherry.machinery.cel.parser import parse
from wherry.machinery.cel.planner import Planner
from wherry.machinery.cel.source import Source
from wherry.machinery.cel.types import Type

__all__ = ["Estimate", "Program", "compile_expression"]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. Immutable; may be evaluated any number of times."""

    result: Type
    """What it evaluates to."""
    names: frozenset[str]
    """The declared variables that occur: whether `oldSelf` is among them makes a rule a transition rule."""
    _run: Run
    _size: int
    _tree: Node
    _variables: Mapping[str, Type]

    def evaluate(self, bindings: Mapping[str, object], budget: Budget) -> object:
        """Its value. Raises EvaluationError, CallCostExceeded, BudgetExceeded.

        A variable may be bound to a `values.Lazy`, which is asked at most once.
        """
        frame = Frame(bindings, self._size, min(budget.call_limit, budget.left))
        try:
            value = self._run(frame)
            frame.check()
        except LimitReached:
            budget.spend(frame.cost)
            raise CallCostExceeded("operation cancelled: actual cost limit exceeded") from None
        except EvaluationError:
            budget.spend(frame.cost)
            raise
        except RecursionError:
            raise EvaluationError("the expression or its values are nested too deeply") from None
        budget.spend(frame.cost)
        return value

    def estimate(self) -> Estimate:
        """The static cost, as upstream estimates it."""
        return estimate(self._tree, self._variables)


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
    try:
        return _compile(text, variables, result, patches=patches)
    except RecursionError:
        raise CompileError("ERROR: <input>:-1:0: expression recursion limit exceeded: 250") from None


def _compile(
    text: str, variables: Mapping[str, Type], result: Type | tuple[Type, ...] | None, *, patches: bool
) -> Program:
    names = Names(variables, PATCH_FUNCTIONS if patches else FUNCTIONS, TYPE_NAMES, patches=patches)
    source = Source(text)
    tree = check(source, parse(source), names)
    _must_be(tree.type, result)
    planner = Planner(names)
    run = planner.plan(tree).run
    used = frozenset(node.name for node in walk(tree) if isinstance(node, Ident)) & variables.keys()
    return Program(tree.type, used, run, planner.size, tree, variables)


def _must_be(kind: Type, wanted: Type | tuple[Type, ...] | None) -> None:
    if wanted is None:
        return
    if isinstance(wanted, Type):
        if kind != wanted:
            raise WrongResult(f"must evaluate to {wanted.declared} but got {kind.declared}")
    elif kind not in wanted:
        listed = " ".join(one.declared for one in wanted)
        raise WrongResult(f"must evaluate to one of [{listed}] but got {kind.declared}")

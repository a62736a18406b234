"""CelError: everything that can go wrong with an expression. Messages are those that clients of Kubernetes see."""

from __future__ import annotations


class CelError(Exception):
    """Any failure of an expression; `str()` is the message."""


class CompileError(CelError):
    """The text does not parse or check. The message has a line for each problem, with the source and a caret:

    `ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\\n | x\\n | ^`
    """


class WrongResult(CompileError):
    """The expression compiles, but evaluates to another type than it must: `must evaluate to bool but got int`."""


class EvaluationError(CelError):
    """The expression failed on these values: `no such key: foo`, `no such overload`, `division by zero`, ..."""


class CallCostExceeded(EvaluationError):
    """One evaluation cost more than one may: `operation cancelled: actual cost limit exceeded`."""


class BudgetExceeded(CelError):
    """The budget shared by several evaluations ran out."""

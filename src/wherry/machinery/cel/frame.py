"""Frame: the state of one evaluation: what variables are bound to, local variables, and what it has cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wherry.machinery.cel.errors import EvaluationError

Run = Callable[["Frame"], Any]


class LimitReached(Exception):
    """The evaluation costs more than it may. No expression absorbs this."""


class Frame:
    """`cost` grows with every step; whoever adds more than a little calls `check`."""

    __slots__ = ("bindings", "cost", "limit", "locals")

    def __init__(self, bindings: Mapping[str, Any], size: int, limit: int) -> None:
        self.bindings = bindings
        self.locals: list[Any] = [None] * size
        self.cost = 0
        self.limit = limit

    def check(self) -> None:
        """Raises LimitReached."""
        if self.cost > self.limit:
            raise LimitReached


class Failed:
    """An error as the value of an accumulator: raised when somebody reads it, absorbed by && and ||."""

    __slots__ = ("error",)

    def __init__(self, error: EvaluationError) -> None:
        self.error = error


class Pending:
    """The value of a binding that nobody has asked for yet."""

    __slots__ = ("make",)

    def __init__(self, make: Run) -> None:
        self.make = make

"""One call as its price is estimated: its arguments, what they cost by themselves, and how large they may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from wherry.machinery.cel.ast import Call, Node
from wherry.machinery.cel.ranges import NOTHING, UNKNOWN, Range
from wherry.machinery.cel.types import Type

Priced = tuple[Range, Range | None]


class Argument(NamedTuple):
    """An argument: where its value comes from (a path from a variable, or ()), and its size if that is known."""

    node: Node
    path: tuple[str, ...]
    size: Range | None


class Sizes(Protocol):
    """What the estimator knows."""

    def bound(self, path: tuple[str, ...]) -> Range | None:
        """The size that a variable's type allows at a path."""

    def join_entries(self, node: Call, one: Node, other: Node) -> None:
        """The result may hold what either holds."""


class Calls(NamedTuple):
    """One call: its target and arguments, and what the arguments cost by themselves."""

    sizes: Sizes
    target: Argument | None
    args: Sequence[Argument]
    arg_costs: Sequence[Range]

    def before(self) -> Range:
        """The arguments' own costs."""
        total = NOTHING
        for cost in self.arg_costs:
            total = total.plus(cost)
        return total

    def size(self, argument: Argument) -> Range:
        """The size of an argument."""
        if argument.size is not None:
            return argument.size
        return self.sizes.bound(argument.path) or UNKNOWN

    def items(self, argument: Argument) -> tuple[Type, Range] | None:
        """The type and size of the items of a list."""
        parameters = argument.node.type.parameters
        if not parameters:
            return None
        path = (*argument.path, "@items") if argument.path else ()
        return parameters[0], self.sizes.bound(path) or UNKNOWN

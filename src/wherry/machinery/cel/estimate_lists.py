"""What calls of the list and set libraries cost at least and at most, by overload."""

from __future__ import annotations

from collections.abc import Callable

from wherry.machinery.cel import costs
from wherry.machinery.cel.ast import Literal
from wherry.machinery.cel.estimate_arguments import Argument, Calls, Priced
from wherry.machinery.cel.ranges import ONE, Range, fixed
from wherry.machinery.cel.types import UNBOUNDED


def _allocating(factor: float, size: Range) -> Priced:
    return size.scaled(factor).plus(ONE).plus(fixed(costs.MAKE_LIST)), size


def _number(argument: Argument, otherwise: int) -> int:
    node = argument.node
    value = node.value if isinstance(node, Literal) else None
    return value if isinstance(value, int) and value >= 0 else otherwise


def _slice(calls: Calls) -> Priced | None:
    if calls.target is None:
        return None
    size = calls.size(calls.target)
    start, end = _number(calls.args[0], 0), _number(calls.args[1], size.most)
    return _allocating(1, fixed((end - start) & UNBOUNDED))


def _range(calls: Calls) -> Priced | None:
    return _allocating(1, fixed(_number(calls.args[0], UNBOUNDED)))


def _flatten(calls: Calls) -> Priced | None:
    if calls.target is None:
        return None
    depth = _number(calls.args[0], UNBOUNDED) if calls.args else 1
    return _allocating(float(depth), calls.size(calls.target))


def _reverse(calls: Calls) -> Priced | None:
    return None if calls.target is None else _allocating(1, calls.size(calls.target))


def _distinct(calls: Calls) -> Priced | None:
    if calls.target is None:
        return None
    size = calls.size(calls.target)
    return _allocating(2.0, size.times(size))


def sorted_cost(keys: Argument | None, calls: Calls) -> Priced | None:
    """A list sorted by keys of its length."""
    if keys is None:
        return None
    size = calls.size(keys)
    parameters = keys.node.type.parameters
    texts = bool(parameters) and parameters[0].kind in ("string", "bytes")
    return _allocating(2.0 + (costs.PER_CHARACTER if texts else 0), size.times(size))


def _sets(factor: int) -> Callable[[Calls], Priced | None]:
    def cost(calls: Calls) -> Priced | None:
        one, other = calls.size(calls.args[0]), calls.size(calls.args[1])
        return one.times(other).scaled(factor).plus(ONE), None

    return cost


LISTS: dict[str, Callable[[Calls], Priced | None]] = {
    "list_slice": _slice,
    "lists_range": _range,
    "list_flatten": _flatten,
    "list_flatten_int": _flatten,
    "list_reverse": _reverse,
    "list_distinct": _distinct,
    "list_sets_contains_list": _sets(1),
    "list_sets_intersects_list": _sets(1),
    "list_sets_equivalent_list": _sets(2),
}

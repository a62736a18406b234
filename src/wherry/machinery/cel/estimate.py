"""Estimate: what an expression may cost at most, from the bounds of its variables, as upstream works it out.

A CustomResourceDefinition whose rules could cost too much is refused by this.
https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from wherry.machinery.cel import costs
from wherry.machinery.cel.ast import Call, Fold, Ident, ListNode, Literal, MapNode, Node, Select, Struct
from wherry.machinery.cel.estimate_arguments import Argument, Calls
from wherry.machinery.cel.estimate_calls import cost_of_call
from wherry.machinery.cel.macros import ACCU
from wherry.machinery.cel.ranges import EMPTY, NOTHING, ONE, UNKNOWN, Range, fixed
from wherry.machinery.cel.types import Type

_SCALAR = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an evaluation costs at least and at most, given the bounds (`max_elements`) of the variables' types."""

    least: int
    most: int


class Entries(NamedTuple):
    """The sizes of what is in a list or map. `kind` is list or map."""

    kind: str
    key: Range
    value: Range


class _Local(NamedTuple):
    path: Path
    size: Range | None
    entries: Entries | None


def estimate(tree: Node, variables: Mapping[str, Type]) -> Estimate:
    """The range of costs."""
    least, most = _Estimator(variables).cost(tree)
    return Estimate(least, most)


class _Estimator:
    def __init__(self, variables: Mapping[str, Type]) -> None:
        self._variables = variables
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, Entries] = {}
        self._locals: dict[str, list[_Local]] = {}

    def cost(self, node: Node) -> Range:
        return _COSTS[type(node)](self, node)

    # --- Sizes ---

    def size(self, node: Node) -> Range | None:
        """How large its value is, if that can be told."""
        known = self._sizes.get(id(node)) or _written_size(node)
        if known is not None:
            return known
        path = self._path(node)
        bound = self.bound(path)
        if bound is not None:
            self._sizes[id(node)] = bound
            return bound
        kind = node.type.parameters[0] if node.type.kind == "optional" else node.type
        if kind.kind in _SCALAR:
            return ONE
        local = self._local(node)
        return None if local is None else local.size

    def size_or_unknown(self, node: Node) -> Range:
        return self.size(node) or UNKNOWN

    def bound(self, path: Path) -> Range | None:
        """The size that a variable's type allows at a path."""
        kind = self._variables.get(path[0]) if path else None
        for name in path[1:]:
            if kind is None:
                return None
            kind = _within(kind, name)
        if kind is None or path[0].startswith("@"):
            return None
        return Range(0, kind.max_elements or 0) if self._has_bounds(path[0]) else None

    def _has_bounds(self, variable: str) -> bool:
        return self._variables[variable].kind != "dyn" or self._variables[variable].max_elements is not None

    def entries(self, node: Node) -> Entries | None:
        """The sizes of what is in it, if they can be told."""
        known = self._entries.get(id(node))
        if known is not None:
            return known
        local = self._local(node)
        return None if local is None else local.entries

    def set_entries(self, node: Node, entries: Entries | None) -> None:
        if entries is not None:
            self._entries[id(node)] = entries

    def join_entries(self, node: Call, one: Node, other: Node) -> None:
        """The result may hold what either holds."""
        left, right = self.entries(one), self.entries(other)
        if left is not None and right is not None:
            self._entries[id(node)] = Entries(left.kind, left.key.union(right.key), left.value.union(right.value))

    def _local(self, node: Node) -> _Local | None:
        if isinstance(node, Ident) and self._locals.get(node.name):
            return self._locals[node.name][-1]
        return None

    def _path(self, node: Node) -> Path:
        local = self._local(node)
        return self._paths.get(id(node), ()) if local is None else local.path

    def argument(self, node: Node) -> Argument:
        path = self._path(node)
        if path and path[0] in (ACCU, "__result__"):
            path = ()
        return Argument(node, path, self.size(node))

    # --- Nodes ---

    def literal(self, _: Literal) -> Range:
        return NOTHING

    def ident(self, node: Ident) -> Range:
        local = self._local(node)
        self._paths[id(node)] = (node.name,) if local is None else local.path
        return ONE

    def select(self, node: Select) -> Range:
        if node.optional:
            return self.cost(node.operand).plus(ONE)
        total = self.cost(node.operand)
        if node.test:
            return total
        self._paths[id(node)] = (*self._path(node.operand), node.field)
        return total.plus(ONE) if node.operand.type.kind in ("map", "object", "param") else total

    def list(self, node: ListNode) -> Range:
        total = fixed(costs.MAKE_LIST)
        item = EMPTY if node.items else Range(0, 0)
        for one in node.items:
            total = total.plus(self.cost(one))
            item = item.union(self.size_or_unknown(one))
        self.set_entries(node, Entries("list", ONE, item))
        return total

    def map(self, node: MapNode) -> Range:
        total = fixed(costs.MAKE_MAP)
        key = value = EMPTY if node.entries else Range(0, 0)
        for entry in node.entries:
            total = total.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            key = key.union(self.size_or_unknown(entry.key))
            value = value.union(self.size_or_unknown(entry.value))
        self.set_entries(node, Entries("map", key, value))
        return total

    def struct(self, node: Struct) -> Range:
        total = fixed(costs.MAKE_OBJECT)
        for entry in node.fields:
            total = total.plus(self.cost(entry.value))
        return total

    def call(self, node: Call) -> Range:
        if node.function == "dyn":
            total = self.cost(node.args[0]).plus(ONE)
            self._copy(node, node.args[0])
            return total
        arg_costs = [self.cost(arg) for arg in node.args]
        args = [self.argument(arg) for arg in node.args]
        total = NOTHING
        target: Argument | None = None
        if node.target is not None:
            total = self.cost(node.target)
            target = self.argument(node.target)
        return total.plus(self._overloads(node, Calls(self, target, args, arg_costs)))

    def _overloads(self, node: Call, calls: Calls) -> Range:
        cost = EMPTY
        size: Range | None = None
        for overload in node.overloads:
            one, own = cost_of_call(node, overload, calls)
            cost = cost.union(one)
            if own is not None:
                size = own if size is None else size.union(own)
            size = self._indexed(node, overload, size)
            if size is None:
                size = self.size(node)
        if size is not None:
            self._sizes[id(node)] = size
        return cost

    def _indexed(self, node: Call, overload: str, size: Range | None) -> Range | None:
        if overload not in ("index_list", "index_map"):
            return size
        entries = self.entries(node.args[0])
        self._paths[id(node)] = (*self._path(node.args[0]), "@items" if overload == "index_list" else "@values")
        return None if entries is None else entries.value

    def _copy(self, to: Node, source: Node) -> None:
        size = self.size(source)
        if size is not None:
            self._sizes[id(to)] = size
        self.set_entries(to, self.entries(source))

    # --- Folds ---

    def fold(self, node: Fold) -> Range:
        if _is_binding(node):
            return self._binding(node)
        total = self.cost(node.over).plus(self.cost(node.init))
        self._push(node.accu, _Local(self._path(node.init), self.size(node.init), self.entries(node.init)))
        self._push_variables(node)
        each = self.cost(node.condition).plus(self.cost(node.step))
        for name in filter(None, (node.var, node.second)):
            self._locals[name].pop()
        total = total.plus(self.cost(node.result))
        self._locals[node.accu].pop()
        count = self.size_or_unknown(node.over)
        self._fold_size(node, count)
        return total.plus(count.times(each))

    def _binding(self, node: Fold) -> Range:
        total = self.cost(node.over).plus(self.cost(node.init))
        self._push(node.accu, _Local(self._path(node.init), self.size(node.init), self.entries(node.init)))
        total = total.plus(self.cost(node.result))
        self._locals[node.accu].pop()
        self._copy(node, node.result)
        return total

    def _fold_size(self, node: Fold, count: Range) -> None:
        if isinstance(node.init, Literal):
            size = self.size(node.init)
            if size is not None:
                self._sizes[id(node)] = size
        elif isinstance(node.init, (ListNode, MapNode)):
            self._sizes[id(node)] = count
            self.set_entries(node, self.entries(node.step))

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _push_variables(self, node: Fold) -> None:
        entries = self.entries(node.over)
        path = self._path(node.over)
        is_list = (entries.kind if entries is not None else node.over.type.kind) == "list"
        key = None if entries is None else entries.key
        value = None if entries is None else entries.value
        if node.second:
            self._push(node.var, _Local((*path, "@indices" if is_list else "@keys"), key, None))
            self._push(node.second, _Local((*path, "@items" if is_list else "@values"), value, None))
        else:
            self._push(node.var, _Local((*path, "@items" if is_list else "@keys"), value if is_list else key, None))


_COSTS: dict[type, Callable[[_Estimator, Any], Range]] = {
    Literal: _Estimator.literal,
    Ident: _Estimator.ident,
    Select: _Estimator.select,
    Call: _Estimator.call,
    ListNode: _Estimator.list,
    MapNode: _Estimator.map,
    Struct: _Estimator.struct,
    Fold: _Estimator.fold,
}


def _is_binding(node: Fold) -> bool:
    return isinstance(node.condition, Literal) and node.condition.value is False and node.accu != "__result__"


def _within(kind: Type, name: str) -> Type | None:
    if name in ("@items", "@values"):
        return kind.parameters[-1] if kind.kind in ("list", "map") else None
    if name == "@keys":
        return kind.parameters[0] if kind.kind == "map" else None
    found = (kind.fields or {}).get(name)
    return None if found is None else found.type


def _written_size(node: Node) -> Range | None:
    if isinstance(node, Literal):
        return fixed(len(node.value)) if isinstance(node.value, (str, bytes)) else ONE
    if isinstance(node, ListNode):
        return fixed(len(node.items))
    if isinstance(node, MapNode):
        return fixed(len(node.entries))
    return None

"""Planner: from a checked tree to closures that evaluate it and count what that costs, as upstream does.

Constants are worked out beforehand and cost nothing, as upstream's optimiser has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from wherry.machinery.cel import attributes, closures, folds
from wherry.machinery.cel.ast import Call, Entry, Fold, Ident, ListNode, Literal, MapNode, Node, Select, Struct
from wherry.machinery.cel.checker import Names
from wherry.machinery.cel.dispatch import Dispatch
from wherry.machinery.cel.errors import CompileError, EvaluationError
from wherry.machinery.cel.frame import Frame, Run
from wherry.machinery.cel.functions import Overload
from wherry.machinery.cel.macros import ACCU
from wherry.machinery.cel.values import TypeValue

_CONVERSIONS = frozenset({"bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"})


class Step(NamedTuple):
    """A compiled node. `constant`: `value` is what it evaluates to, always."""

    run: Run
    constant: bool = False
    value: Any = None


class Planner:
    """Compiles one tree. Afterwards `size` is how many local variables its evaluation needs."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._scope: dict[str, int] = {}
        self.size = 0

    def plan(self, node: Node) -> Step:
        """The closure of a node. Raises CompileError for a constant conversion that fails."""
        return _PLANS[type(node)](self, node)

    def _run(self, node: Node) -> Run:
        return self.plan(node).run

    # --- Leaves ---

    def literal(self, node: Literal) -> Step:
        return _constant(node.value)

    def ident(self, node: Ident, charge: int = 1) -> Step:
        slot = self._scope.get(node.name)
        if slot is not None:
            return Step(folds.local(slot, charge))
        if node.name not in self._names.variables:
            return _constant(TypeValue(self._names.types[node.name]))
        return Step(closures.variable(node.name, charge))

    # --- Attributes ---

    def select(self, node: Select) -> Step:
        return Step(self._attribute(node))

    def _attribute(self, node: Node, charge: int = 1) -> Run:
        """The look-up that a chain of selections and indices stands for. `charge` is for its base."""
        if isinstance(node, Ident):
            return self.ident(node, charge).run
        if isinstance(node, Select):
            field = _json_name(node)
            base = self._attribute(node.operand, charge)
            if node.test:
                return attributes.presence(base, field)
            step = attributes.optional_field_step if node.optional else attributes.field_step
            return step(base, field)
        if isinstance(node, Call) and node.function in ("_[_]", "_[?_]"):
            base = self._attribute(node.args[0], charge)
            at = self._attribute(node.args[1], 0) if _is_attribute(node.args[1]) else self._run(node.args[1])
            return (attributes.index_step if node.function == "_[_]" else attributes.optional_index_step)(base, at)
        if isinstance(node, Call) and node.function == "_?_:_":
            return self._run(node)
        return closures.charged(self._run(node), charge)

    # --- Calls ---

    def call(self, node: Call) -> Step:
        special = _SPECIAL.get(node.function)
        if special is not None:
            return Step(special(self, node))
        args = [self.plan(arg) for arg in ([node.target] if node.target is not None else []) + node.args]
        overloads = [one for one in self._names.functions[node.function] if one.id in node.overloads]
        if node.function in _CONVERSIONS and args[0].constant:
            return _converted(overloads, args[0].value)
        if node.function == "@in" and args[1].constant and _primitive(args[1].value):
            return Step(closures.membership(args[0].run, args[1].value))
        return Step(closures.called(node.function, overloads, tuple(arg.run for arg in args)))

    def _logic(self, node: Call) -> Run:
        return closures.either(self._run(node.args[0]), self._run(node.args[1]), decisive=node.function == "_||_")

    def _conditional(self, node: Call) -> Run:
        condition, then, other = node.args
        return closures.choice(self._run(condition), self._branch(then), self._branch(other))

    def _branch(self, node: Node) -> Run:
        return self._attribute(node, 0) if _is_attribute(node) else self._run(node)

    def _not_strictly_false(self, node: Call) -> Run:
        return folds.not_strictly_false(self._run(node.args[0]))

    def _or_value(self, node: Call) -> Run:
        assert node.target is not None
        make = attributes.or_value if node.function == "orValue" else attributes.or_optional
        return make(self._run(node.target), self._run(node.args[0]))

    # --- Aggregates ---

    def list(self, node: ListNode) -> Step:
        steps = [self.plan(item) for item in node.items]
        if all(step.constant for step in steps) and not node.optional:
            return _constant([step.value for step in steps])
        return Step(closures.make_list([(index in node.optional, step.run) for index, step in enumerate(steps)]))

    def map(self, node: MapNode) -> Step:
        keys = [self.plan(entry.key) for entry in node.entries]
        values = [self.plan(entry.value) for entry in node.entries]
        run = closures.make_map([
            (key.run, entry.optional, value.run)
            for key, entry, value in zip(keys, node.entries, values, strict=True)
        ])  # fmt: skip
        if all(step.constant for step in (*keys, *values)) and not any(entry.optional for entry in node.entries):
            try:
                return _constant(run(Frame({}, 0, 1 << 62)))
            except EvaluationError:
                return Step(run)
        return Step(run)

    def struct(self, node: Struct) -> Step:
        return Step(closures.make_struct(node.name, [self._field(entry) for entry in node.fields]))

    def _field(self, entry: Entry) -> tuple[str, bool, Run]:
        return entry.key, entry.optional, self._run(entry.value)

    # --- Folds ---

    def fold(self, node: Fold) -> Step:
        over = self._run(node.over)
        outer = dict(self._scope)
        if _is_binding(node):
            make = self._run(node.init)
            slot = self._slot(node.accu)
            run = folds.binding(slot, make, self._run(node.result))
        else:
            run = self._loop(node, over)
        self._scope = outer
        return Step(run)

    def _loop(self, node: Fold, over: Run) -> Run:
        init = self._init(node.init)
        before = dict(self._scope)
        accu = self._slot(node.accu)
        slots = folds.Slots(accu, self._slot(node.var), self._slot(node.second) if node.second else -1)
        always = isinstance(node.condition, Literal) and node.condition.value is True
        condition = None if always else self._run(node.condition)
        step = self._step(node.step, accu)
        self._scope = {**before, node.accu: accu}
        return folds.fold(slots, folds.Parts(over, init, condition, step, self._run(node.result)))

    def _init(self, node: Node) -> Run:
        """A fresh list or map each time, as the loop adds to it in place."""
        if isinstance(node, ListNode) and not node.items:
            return lambda _: []
        if isinstance(node, MapNode) and not node.entries:
            return lambda _: {}
        return self._run(node)

    def _step(self, node: Node, accu: int) -> Run:
        if isinstance(node, Call) and node.function == "_?_:_" and _grows(node.args[1]):
            return closures.choice(self._run(node.args[0]), self._step(node.args[1], accu), folds.local(accu, 0))
        if _grows(node) and isinstance(node, Call):
            if node.function == "_+_" and isinstance(node.args[1], ListNode):
                return folds.appending(accu, self._run(node.args[1].items[0]))
            return folds.inserting(accu, tuple(self._run(arg) for arg in node.args[1:]))
        return self._run(node)

    def _slot(self, name: str) -> int:
        self._scope[name] = slot = self.size
        self.size += 1
        return slot


_PLANS: dict[type, Callable[[Planner, Any], Step]] = {
    Literal: Planner.literal,
    Ident: Planner.ident,
    Select: Planner.select,
    Call: Planner.call,
    ListNode: Planner.list,
    MapNode: Planner.map,
    Struct: Planner.struct,
    Fold: Planner.fold,
}
_SPECIAL: dict[str, Callable[[Planner, Call], Run]] = {
    "_&&_": Planner._logic,
    "_||_": Planner._logic,
    "_?_:_": Planner._conditional,
    "_[_]": Planner._attribute,
    "_[?_]": Planner._attribute,
    "@not_strictly_false": Planner._not_strictly_false,
    "orValue": Planner._or_value,
    "or": Planner._or_value,
}


# --- What nodes are ---


def _is_attribute(node: Node) -> bool:
    """Whether upstream looks it up rather than evaluates it."""
    if isinstance(node, Select):
        return not node.test and _is_attribute(node.operand)
    if isinstance(node, Call):
        return node.function in ("_[_]", "_[?_]") and _is_attribute(node.args[0])
    return isinstance(node, Ident)


def _is_binding(node: Fold) -> bool:
    return isinstance(node.condition, Literal) and node.condition.value is False


def _grows(node: Node) -> bool:
    """`accu + [one]`, or an insertion into accu."""
    if not isinstance(node, Call) or not node.args:
        return False
    first = node.args[0]
    if not isinstance(first, Ident) or first.name != ACCU:
        return False
    if node.function == "cel.@mapInsert":
        return True
    second = node.args[-1]
    return node.function == "_+_" and isinstance(second, ListNode) and len(second.items) == 1 and not second.optional


def _json_name(node: Select) -> str:
    kind = node.operand.type
    if kind.kind == "optional":
        kind = kind.parameters[0]
    fields = kind.fields or {}
    found = fields.get(node.field) or fields.get(f"__{node.field}__")
    return node.field if found is None else found.json


def _primitive(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, closures.PRIMITIVE) for one in value)


def _constant(value: Any) -> Step:
    return Step(lambda _: value, constant=True, value=value)


def _converted(overloads: list[Overload], value: Any) -> Step:
    try:
        return _constant(Dispatch(overloads).find([value]).run(value))
    except EvaluationError as error:
        raise CompileError(f"program instantiation failed: {error}") from None

"""Checker: gives every node its type, resolves names and overloads, and reports what does not fit, in upstream's words.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wherry.machinery.cel.ast import Call, Entry, Fold, Ident, ListNode, Literal, MapNode, Node, Select, Struct
from wherry.machinery.cel.functions import Overload
from wherry.machinery.cel.literals import check_literals
from wherry.machinery.cel.source import Source
from wherry.machinery.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    UINT,
    ListOf,
    MapOf,
    ObjectType,
    Optional,
    Type,
    TypeOf,
)
from wherry.machinery.cel.unify import Mapping as Known
from wherry.machinery.cel.unify import most_general, with_parameters
from wherry.machinery.cel.values import Uint

_LITERALS: dict[type, Type] = {
    type(None): NULL, bool: BOOL, int: INT, Uint: UINT, float: DOUBLE, str: STRING, bytes: BYTES,
}  # fmt: skip
_OPTIONAL_SELECT = "select_optional_field"
PATCH_FIELDS = {"op": STRING, "path": STRING, "from": STRING, "value": DYN}


class Names:
    """What an expression may refer to: variables, functions, the names of types."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        functions: Mapping[str, tuple[Overload, ...]],
        types: Mapping[str, Type],
        *,
        patches: bool,
    ) -> None:
        self.variables = variables
        self.functions = functions
        self.types = types
        self.patches = patches

    def resolve(self, name: str) -> Type | None:
        """The type of a variable, or of a type's name."""
        found = self.variables.get(name)
        if found is not None:
            return found
        named = self.types.get(name)
        return None if named is None else TypeOf(named)


def check(source: Source, tree: Node, names: Names) -> Node:
    """The tree with its types; selections that name something become names. Raises CompileError."""
    checker = _Checker(source, names)
    tree = checker.check(tree)
    checker.settle()
    if not source.problems:
        check_literals(source, tree)
    source.check()
    return tree


class _Checker:
    def __init__(self, source: Source, names: Names) -> None:
        self._source = source
        self._names = names
        self._known = Known()
        self._scopes: list[dict[str, Type]] = []
        self._seen: list[Node] = []

    def settle(self) -> None:
        """Replace the type parameters that are left."""
        for node in self._seen:
            node.type = self._known.substitute(node.type, unknown_is_dyn=True)

    def check(self, node: Node) -> Node:
        """Check a node and those below it; returns what takes its place."""
        node = _CHECKS[type(node)](self, node)
        self._seen.append(node)
        return node

    def _report(self, at: int, message: str) -> Type:
        self._source.report(at, message)
        return ERROR

    def _undeclared(self, at: int, name: str) -> Type:
        return self._report(at, f"undeclared reference to '{name}' (in container '')")

    def _resolve(self, name: str) -> Type | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return self._names.resolve(name)

    def _mismatch(self, at: int, expected: Type, actual: Type) -> Type:
        return self._report(at, f"expected type '{expected}' but found '{actual}'")

    # --- Leaves ---

    def literal(self, node: Literal) -> Node:
        node.type = _LITERALS[type(node.value)]
        return node

    def ident(self, node: Ident) -> Node:
        name = node.name.removeprefix(".")
        found = self._names.resolve(name) if node.name.startswith(".") else self._resolve(name)
        node.type = self._undeclared(node.at, node.name) if found is None else found
        node.name = name
        return node

    # --- Selections ---

    def select(self, node: Select) -> Node:
        if not node.test and not node.optional:
            name = _qualified(node)
            if name is not None and name.partition(".")[0] not in {key for scope in self._scopes for key in scope}:
                found = self._names.resolve(name.removeprefix("."))
                if found is not None:
                    named = Ident(node.at, name.removeprefix("."))
                    named.type = found
                    return named
        node.operand = self.check(node.operand)
        result = self._field(node)
        node.type = BOOL if node.test else self._known.substitute(result)
        return node

    def _field(self, node: Select) -> Type:
        operand = self._known.substitute(node.operand.type)
        inner = operand.parameters[0] if operand.kind == "optional" else operand
        match inner.kind:
            case "map":
                result = inner.parameters[1]
            case "object":
                result = self._member(node.at, inner, node.field)
            case "param":
                self._known.assignable([DYN], [inner])
                result = DYN
            case "dyn" | "error":
                result = DYN
            case _:
                opaque = inner.kind == "opaque" and inner.name.startswith("kubernetes.")
                what = f"unexpected failed resolution of '{inner}'"
                self._report(node.at, what if opaque else f"type '{inner}' does not support field selection")
                result = DYN
        return Optional(result) if operand.kind == "optional" or node.optional else result

    def _member(self, at: int, kind: Type, field: str) -> Type:
        if kind.fields is None:
            return DYN
        found = kind.fields.get(field) or kind.fields.get(f"__{field}__")
        return self._report(at, f"undefined field '{field}'") if found is None else found.type

    # --- Calls ---

    def call(self, node: Call) -> Node:
        node.args = [self.check(arg) for arg in node.args]
        if node.target is not None:
            prefix = _qualified(node.target)
            if prefix is not None and f"{prefix}.{node.function}" in self._names.functions:
                node.function, node.target = f"{prefix}.{node.function}", None
        if node.target is not None:
            node.target = self.check(node.target)
        overloads = self._names.functions.get(node.function.removeprefix("."))
        if overloads is None:
            node.type = self._undeclared(node.at, node.function)
        else:
            node.function = node.function.removeprefix(".")
            node.type = self._result(node, overloads)
        return node

    def _result(self, node: Call, overloads: tuple[Overload, ...]) -> Type:
        args = [arg.type for arg in ([node.target] if node.target is not None else []) + node.args]
        if node.function in ("_&&_", "_||_"):
            node.overloads = (overloads[0].id,)
            return self._logic(node)
        result: Type | None = None
        found: list[str] = []
        for overload in overloads:
            if overload.member != (node.target is not None):
                continue
            params, returned = self._instance(overload)
            if self._known.assignable(args, params):
                found.append(overload.id)
                own = self._known.substitute(returned)
                result = own if result is None or result == own or (result.kind == "dyn" and own.kind == "dyn") else DYN
        if result is None:
            return self._no_overload(node, args)
        node.overloads = tuple(found)
        return result

    def _logic(self, node: Call) -> Type:
        wrong = [arg for arg in node.args if not self._known.assignable([arg.type], [BOOL])]
        for arg in wrong:
            self._mismatch(arg.at, BOOL, self._known.substitute(arg.type))
        return ERROR if wrong else BOOL

    def _instance(self, overload: Overload) -> tuple[list[Type], Type]:
        """The signature with parameters of its own."""
        fresh: dict[str, Type] = {}

        def own(kind: Type) -> Type:
            if kind.kind == "param":
                if kind.name not in fresh:
                    fresh[kind.name] = self._known.fresh()
                return fresh[kind.name]
            return with_parameters(kind, tuple(map(own, kind.parameters))) if kind.parameters else kind

        return [own(arg) for arg in overload.args], own(overload.result)

    def _no_overload(self, node: Call, args: list[Type]) -> Type:
        shown = [str(self._known.substitute(arg, unknown_is_dyn=True)) for arg in args]
        signature = f"{shown[0]}.({', '.join(shown[1:])})" if node.target is not None else f"({', '.join(shown)})"
        return self._report(node.at, f"found no matching overload for '{node.function}' applied to '{signature}'")

    # --- Aggregates ---

    def list(self, node: ListNode) -> Node:
        item: Type | None = None
        for index, one in enumerate(node.items):
            one = node.items[index] = self.check(one)
            kind = self._unwrapped(one) if index in node.optional else one.type
            item = self._join(item, kind)
        node.type = ListOf(item or self._known.fresh())
        return node

    def _unwrapped(self, node: Node) -> Type:
        kind = node.type
        if kind.kind == "optional":
            return kind.parameters[0]
        if kind.kind != "dyn":
            self._mismatch(node.at, Optional(kind), kind)
        return kind

    def _join(self, before: Type | None, kind: Type) -> Type:
        if before is None:
            return kind
        return most_general(before, kind) if self._known.assignable([before], [kind]) else DYN

    def map(self, node: MapNode) -> Node:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            entry.key = self.check(entry.key)
            key = self._join(key, entry.key.type)
            entry.value = self.check(entry.value)
            value = self._join(value, self._entry_type(entry))
        node.type = MapOf(key or self._known.fresh(), value or self._known.fresh())
        return node

    def _entry_type(self, entry: Entry) -> Type:
        return self._unwrapped(entry.value) if entry.optional else entry.value.type

    def struct(self, node: Struct) -> Node:
        fields = self._struct_fields(node.name)
        if fields is None:
            node.type = self._undeclared(node.at, node.name)
            return node
        node.type = ObjectType(node.name, {})
        if node.name != "JSONPatch":
            node.type = Type("object", node.name, fields=None)
        for entry in node.fields:
            entry.value = self.check(entry.value)
            kind = self._entry_type(entry)
            expected = fields.get(entry.key, ERROR if fields else DYN)
            if expected is ERROR or not self._known.assignable([expected], [kind]):
                shown = "" if expected is ERROR else expected
                why = f"expected type of field '{entry.key}' is '{shown}' but provided type is '{kind}'"
                self._report(entry.at, why)
        return node

    def _struct_fields(self, name: str) -> dict[str, Type] | None:
        if not self._names.patches:
            return None
        if name == "JSONPatch":
            return PATCH_FIELDS
        return {} if name == "Object" or name.startswith("Object.") else None

    # --- Comprehensions ---

    def fold(self, node: Fold) -> Node:
        node.over = self.check(node.over)
        node.init = self.check(node.init)
        over = self._known.substitute(node.over.type)
        accu = node.init.type
        self._scopes.append({node.accu: accu})
        self._scopes.append(self._variables(node, over))
        node.condition = self.check(node.condition)
        self._assert(node.condition, BOOL)
        node.step = self.check(node.step)
        self._assert(node.step, accu)
        self._scopes.pop()
        node.result = self.check(node.result)
        self._scopes.pop()
        node.type = self._known.substitute(node.result.type)
        return node

    def _variables(self, node: Fold, over: Type) -> dict[str, Type]:
        match over.kind:
            case "list":
                first, second = (INT, over.parameters[0]) if node.second else (over.parameters[0], DYN)
            case "map":
                first, second = over.parameters
            case "dyn" | "error" | "param":
                self._known.assignable([DYN], [over])
                first = second = DYN
            case _:
                why = f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)"
                first = second = self._report(node.over.at, why)
        return {node.var: first, node.second: second} if node.second else {node.var: first}

    def _assert(self, node: Node, kind: Type) -> None:
        if not self._known.assignable([kind], [node.type]):
            self._mismatch(node.at, kind, node.type)


_CHECKS: dict[type, Callable[[_Checker, Any], Node]] = {
    Literal: _Checker.literal,
    Ident: _Checker.ident,
    Select: _Checker.select,
    Call: _Checker.call,
    ListNode: _Checker.list,
    MapNode: _Checker.map,
    Struct: _Checker.struct,
    Fold: _Checker.fold,
}


def _qualified(node: Node) -> str | None:
    """`a.b.c` as a name; None when it is something else."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.test and not node.optional:
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return None
    return ".".join([node.name, *reversed(parts)])

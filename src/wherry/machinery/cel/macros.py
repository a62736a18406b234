"""Macros: calls that are rewritten before checking: has, all, exists, map, filter, optMap, sortBy, transformList, ...

https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros
"""

from __future__ import annotations

from collections.abc import Callable

from wherry.machinery.cel.ast import Call, Fold, Ident, ListNode, Literal, MapNode, Node, Select

ACCU = "@result"


class MacroError(Exception):
    """A macro's arguments are wrong; `at` is where."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


Expand = Callable[[int, Node, list[Node]], Node]


def expand(at: int, function: str, target: Node | None, args: list[Node]) -> Node | None:
    """The expression that a call stands for; None when it is no macro. Raises MacroError."""
    if target is None:
        if function == "has" and len(args) == 1:
            return _has(at, args[0])
        return None
    macro = _MACROS.get((function, len(args)))
    return None if macro is None else macro(at, target, args)


def _has(at: int, arg: Node) -> Node:
    if not isinstance(arg, Select) or arg.optional:
        raise MacroError(arg.at, "invalid argument to has() macro")
    return Select(at, arg.operand, arg.field, test=True)


def _name(node: Node, why: str = "argument must be a simple name") -> str:
    if not isinstance(node, Ident):
        raise MacroError(node.at, why)
    if node.name in (ACCU, "__result__"):
        raise MacroError(node.at, "iteration variable overwrites accumulator variable")
    return node.name


def _names(args: list[Node], count: int, why: str = "argument must be a simple name") -> tuple[str, str, str]:
    first = _name(args[0], why)
    if count == 1:
        return first, "", ACCU
    second = _name(args[1], why)
    if first == second:
        raise MacroError(args[1].at, f"duplicate variable name: {first}")
    return first, second, ACCU


def _accu(at: int) -> Node:
    return Ident(at, ACCU)


def _all(at: int, target: Node, args: list[Node]) -> Node:
    names = _names(args, len(args) - 1)
    condition = Call(at, "@not_strictly_false", [_accu(at)])
    step = Call(at, "_&&_", [_accu(at), args[-1]])
    return Fold(at, target, names, (Literal(at, True), condition, step, _accu(at)))  # noqa: FBT003


def _exists(at: int, target: Node, args: list[Node]) -> Node:
    names = _names(args, len(args) - 1)
    condition = Call(at, "@not_strictly_false", [Call(at, "!_", [_accu(at)])])
    step = Call(at, "_||_", [_accu(at), args[-1]])
    return Fold(at, target, names, (Literal(at, False), condition, step, _accu(at)))  # noqa: FBT003


def _exists_one(at: int, target: Node, args: list[Node]) -> Node:
    names = _names(args, len(args) - 1)
    one = Call(at, "_+_", [_accu(at), Literal(at, 1)])
    step = Call(at, "_?_:_", [args[-1], one, _accu(at)])
    result = Call(at, "_==_", [_accu(at), Literal(at, 1)])
    return Fold(at, target, names, (Literal(at, 0), Literal(at, True), step, result))  # noqa: FBT003


def _map(at: int, target: Node, args: list[Node]) -> Node:
    return _collect(at, target, _names(args, 1, "argument is not an identifier"), args[1:])


def _transform_list(at: int, target: Node, args: list[Node]) -> Node:
    return _collect(at, target, _names(args, 2), args[2:])


def _collect(at: int, target: Node, names: tuple[str, str, str], rest: list[Node]) -> Node:
    step: Node = Call(at, "_+_", [_accu(at), ListNode(at, [rest[-1]])])
    return _loop(at, target, names, (ListNode(at, []), _filtered(at, rest, step)))


def _filtered(at: int, rest: list[Node], step: Node) -> Node:
    return step if len(rest) == 1 else Call(at, "_?_:_", [rest[0], step, _accu(at)])


def _loop(at: int, target: Node, names: tuple[str, str, str], parts: tuple[Node, Node]) -> Node:
    return Fold(at, target, names, (parts[0], Literal(at, True), parts[1], _accu(at)))  # noqa: FBT003


def _filter(at: int, target: Node, args: list[Node]) -> Node:
    names = _names(args, 1, "argument is not an identifier")
    step = Call(at, "_+_", [_accu(at), ListNode(at, [args[0]])])
    return _loop(at, target, names, (ListNode(at, []), Call(at, "_?_:_", [args[1], step, _accu(at)])))


def _transform_map(at: int, target: Node, args: list[Node]) -> Node:
    names = _names(args, 2)
    step = Call(at, "cel.@mapInsert", [_accu(at), Ident(at, names[0]), args[-1]])
    return _loop(at, target, names, (MapNode(at, []), _filtered(at, args[2:], step)))


def _transform_entry(at: int, target: Node, args: list[Node]) -> Node:
    names = _names(args, 2)
    step = Call(at, "cel.@mapInsert", [_accu(at), args[-1]])
    return _loop(at, target, names, (MapNode(at, []), _filtered(at, args[2:], step)))


def bind(at: int, name: str, value: Node, result: Node) -> Node:
    """`result`, with a name for a value that is worked out once."""
    return Fold(at, ListNode(at, []), ("#unused", "", name), (value, Literal(at, False), Ident(at, name), result))  # noqa: FBT003


def _opt_map(at: int, target: Node, args: list[Node]) -> Node:
    value = _bound_value(at, target, args, "optMap")
    return _if_present(at, target, Call(at, "optional.of", [value]))


def _opt_flat_map(at: int, target: Node, args: list[Node]) -> Node:
    return _if_present(at, target, _bound_value(at, target, args, "optFlatMap"))


def _bound_value(at: int, target: Node, args: list[Node], macro: str) -> Node:
    if not isinstance(args[0], Ident):
        raise MacroError(args[0].at, f"{macro}() variable name must be a simple identifier")
    return bind(at, args[0].name, Call(at, "value", [], target), args[1])


def _if_present(at: int, target: Node, then: Node) -> Node:
    return Call(at, "_?_:_", [Call(at, "hasValue", [], target), then, Call(at, "optional.none", [])])


def _sort_by(at: int, target: Node, args: list[Node]) -> Node:
    if not isinstance(target, (ListNode, Select, Ident, Fold, Call)):
        why = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        raise MacroError(target.at, why)
    name = "@__sortBy_input__"
    keys = _map(at, Ident(at, name), args)
    return bind(at, name, target, Call(at, "@sortByAssociatedKeys", [keys], Ident(at, name)))


_MACROS: dict[tuple[str, int], Expand] = {
    ("all", 2): _all,
    ("all", 3): _all,
    ("exists", 2): _exists,
    ("exists", 3): _exists,
    ("exists_one", 2): _exists_one,
    ("existsOne", 2): _exists_one,
    ("existsOne", 3): _exists_one,
    ("map", 2): _map,
    ("map", 3): _map,
    ("filter", 2): _filter,
    ("transformList", 3): _transform_list,
    ("transformList", 4): _transform_list,
    ("transformMap", 3): _transform_map,
    ("transformMap", 4): _transform_map,
    ("transformMapEntry", 3): _transform_entry,
    ("transformMapEntry", 4): _transform_entry,
    ("optMap", 2): _opt_map,
    ("optFlatMap", 2): _opt_flat_map,
    ("sortBy", 2): _sort_by,
}

"""The syntax tree. `at` is the offset that problems point to; the checker fills in `type` and what calls resolve to."""

from __future__ import annotations

from typing import Any

from wherry.machinery.cel.types import DYN, Type


class Node:
    """Any expression."""

    __slots__ = ("at", "type")

    def __init__(self, at: int) -> None:
        self.at = at
        self.type: Type = DYN


class Literal(Node):
    """A constant: None, bool, int, Uint, float, str or bytes."""

    __slots__ = ("value",)

    def __init__(self, at: int, value: Any) -> None:
        super().__init__(at)
        self.value = value


class Ident(Node):
    """A variable, or the name of a type."""

    __slots__ = ("name",)

    def __init__(self, at: int, name: str) -> None:
        super().__init__(at)
        self.name = name


class Select(Node):
    """`operand.field`; with `test`, `has(operand.field)`; with `optional`, `operand.?field`."""

    __slots__ = ("field", "operand", "optional", "test")

    def __init__(self, at: int, operand: Node, field: str, *, test: bool = False, optional: bool = False) -> None:
        super().__init__(at)
        self.operand = operand
        self.field = field
        self.test = test
        self.optional = optional


class Call(Node):
    """`function(args)` or `target.function(args)`. Operators are functions with names such as `_+_`."""

    __slots__ = ("args", "function", "overloads", "target")

    def __init__(self, at: int, function: str, args: list[Node], target: Node | None = None) -> None:
        super().__init__(at)
        self.function = function
        self.args = args
        self.target = target
        self.overloads: tuple[str, ...] = ()  # ids of those that may apply


class ListNode(Node):
    """`[a, ?b]`; `optional` has the indices with a question mark."""

    __slots__ = ("items", "optional")

    def __init__(self, at: int, items: list[Node], optional: frozenset[int] = frozenset()) -> None:
        super().__init__(at)
        self.items = items
        self.optional = optional


class Entry:
    """One entry of a map or object."""

    __slots__ = ("at", "key", "optional", "value")

    def __init__(self, at: int, key: Any, value: Node, *, optional: bool) -> None:
        self.at = at
        self.key = key  # a Node in maps, the field's name in objects
        self.value = value
        self.optional = optional


class MapNode(Node):
    """`{a: b, ?c: d}`"""

    __slots__ = ("entries",)

    def __init__(self, at: int, entries: list[Entry]) -> None:
        super().__init__(at)
        self.entries = entries


class Struct(Node):
    """`Name{field: value}`"""

    __slots__ = ("fields", "name")

    def __init__(self, at: int, name: str, fields: list[Entry]) -> None:
        super().__init__(at)
        self.name = name
        self.fields = fields


class Fold(Node):
    """What macros become: start with `init`, and for each item of `over`, while `condition`, make `step` the result.

    `second` names the value (of a map) or item (of a list) when there are two variables, "" otherwise. Over an empty
    list with a false condition it binds `accu` in `result`.
    """

    __slots__ = ("accu", "condition", "init", "over", "result", "second", "step", "var")

    def __init__(self, at: int, over: Node, names: tuple[str, str, str], parts: tuple[Node, Node, Node, Node]) -> None:
        super().__init__(at)
        self.over = over
        self.var, self.second, self.accu = names
        self.init, self.condition, self.step, self.result = parts

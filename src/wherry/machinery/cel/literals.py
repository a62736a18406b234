"""What is checked once the types are right: constants that must parse, lists and maps of one type, formats that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wherry.machinery.cel.ast import Call, Fold, ListNode, Literal, MapNode, Node, Select, Struct
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.library.formatting import check_format
from wherry.machinery.cel.regexes import pattern
from wherry.machinery.cel.source import Source
from wherry.machinery.cel.times import parse_duration, parse_timestamp
from wherry.machinery.cel.types import Type


def check_literals(source: Source, tree: Node) -> None:
    """Report constants that can never be what they are used as, and aggregates of several types."""
    for node, exempt in _walk(tree):
        if isinstance(node, Call):
            _check_call(source, node)
        elif not exempt and isinstance(node, ListNode):
            kinds = [_inner(item.type, index in node.optional) for index, item in enumerate(node.items)]
            _check_same(source, [item.at for item in node.items], kinds)
        elif not exempt and isinstance(node, MapNode):
            _check_same(source, [entry.key.at for entry in node.entries], [entry.key.type for entry in node.entries])
            kinds = [_inner(entry.value.type, entry.optional) for entry in node.entries]
            _check_same(source, [entry.value.at for entry in node.entries], kinds)


def _check_call(source: Source, node: Call) -> None:
    arg = node.args[-1] if node.args else None
    if isinstance(arg, Literal) and isinstance(arg.value, str):
        _check_text(source, node, arg, arg.value)
    if "string_format" in node.overloads and isinstance(node.target, Literal) and isinstance(arg, ListNode):
        for index, why in check_format(node.target.value, [item.type for item in arg.items]):
            source.report(node.at if index < 0 else arg.items[index].at, why)


def _check_text(source: Source, node: Call, arg: Literal, text: str) -> None:
    try:
        match node.function:
            case "duration":
                parse_duration(text)
            case "timestamp":
                parse_timestamp(text)
            case "matches":
                pattern(text)
            case _:
                pass
    except EvaluationError:
        source.report(arg.at, f"invalid {node.function} argument")


def _inner(kind: Type, optional: bool) -> Type:  # noqa: FBT001
    return kind.parameters[0] if optional and kind.parameters else kind


def _check_same(source: Source, places: Sequence[int], kinds: Sequence[Type]) -> None:
    for at, kind in zip(places, kinds, strict=True):
        if kind != kinds[0]:
            source.report(at, f"expected type '{kinds[0]}' but found '{kind}'")
            return


def _walk(tree: Node) -> Iterator[tuple[Node, bool]]:
    """All nodes, and whether each is (within lists and maps) an argument of `format`, which takes any mixture."""
    waiting = [(tree, False)]
    while waiting:
        node, exempt = waiting.pop()
        yield node, exempt
        within = (exempt and isinstance(node, (ListNode, MapNode))) or (
            isinstance(node, Call) and node.function == "format"
        )
        waiting.extend((child, within) for child in children(node))


def children(node: Node) -> list[Node]:
    """The nodes directly below."""
    found: list[Node] = []
    match node:
        case Select():
            found = [node.operand]
        case Call():
            found = [*([node.target] if node.target is not None else []), *node.args]
        case ListNode():
            found = list(node.items)
        case MapNode():
            found = [part for entry in node.entries for part in (entry.key, entry.value)]
        case Struct():
            found = [entry.value for entry in node.fields]
        case Fold():
            found = [node.over, node.init, node.condition, node.step, node.result]
        case _:
            pass
    return found


def walk(tree: Node) -> Iterator[Node]:
    """All nodes. Without recursion."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(children(node))

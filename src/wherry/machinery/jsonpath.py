"""JSONPath as kubectl knows it, without its template words: what printer columns and selectable fields say.

https://kubernetes.io/docs/reference/kubectl/jsonpath/
`.a.b`, `['a.b']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `..name`, `[?(@.type=="Ready")]`. Missing fields are no error.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_STEP = re.compile(
    r"""
    \.\.(?P<deep>[^.\[\]\s]+) | \.(?P<name>(?:\\.|[^.\[\]\s\\])+) | (?P<dot>\.(?=\[|$))
    | \[(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]
    | \[\?\((?P<filter>.*?)\)\] | \[(?P<index>[-0-9:,*\s]+)\]
    """,
    re.VERBOSE,
)
_FILTER = re.compile(r"^\s*@(?P<left>.*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>.+?))?\s*$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class BadJsonPath(ValueError):
    """The text is no path."""


def compile_path(text: str) -> Callable[[Any], list[Any]]:
    """`find(value)` gives everything at the path. Raises BadJsonPath."""
    steps: list[Step] = []
    at = 0
    text = text.strip()
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise BadJsonPath(f"unrecognized path at {text[at:]!r}")
        step = _step(found)
        if step is not None:
            steps.append(step)
        at = found.end()

    def find(value: Any) -> list[Any]:
        present = [value]
        for step in steps:
            present = [inner for one in present for inner in step(one)]
        return present

    return find


def _step(found: re.Match[str]) -> Step | None:
    if found["deep"] is not None:
        name = found["deep"]
        return lambda value: _deep(value, name)
    if found["name"] is not None:
        return _field(re.sub(r"\\(.)", r"\1", found["name"]))
    if found["quoted"] is not None:
        return _field(re.sub(r"\\(.)", r"\1", found["quoted"][1:-1]))
    if found["filter"] is not None:
        return _filter(found["filter"])
    return None if found["index"] is None else _index(found["index"])


def _field(name: str) -> Step:
    if name == "*":
        return _all
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _all(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _deep(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict) and name in value:
        yield value[name]
    for child in _all(value):
        yield from _deep(child, name)


def _index(text: str) -> Step:
    if text.strip() == "*":
        return _all
    parts = [part.strip() for part in text.split(",")]
    try:
        cuts = [
            slice(*(int(p) if p else None for p in part.split(":"))) if ":" in part else int(part) for part in parts
        ]
    except (ValueError, TypeError):
        raise BadJsonPath(f"invalid array index {text}") from None

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            for cut in cuts:
                if isinstance(cut, slice):
                    yield from value[cut]
                elif -len(value) <= cut < len(value):
                    yield value[cut]

    return step


def _filter(text: str) -> Step:
    found = _FILTER.match(text)
    if found is None:
        raise BadJsonPath(f"unrecognized filter {text!r}")
    left = compile_path(found["left"])
    if found["op"] is None:
        return lambda value: (one for one in _all(value) if left(one))
    compare, right = _COMPARE[found["op"]], _literal(found["right"])

    def step(value: Any) -> Iterator[Any]:
        for one in _all(value):
            got = left(one)
            other = right(one)
            if got and _holds(compare, got[0], other):
                yield one

    return step


def _holds(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    try:
        return compare(left, right)
    except TypeError:
        return False


def _literal(text: str) -> Callable[[Any], Any]:
    if text.startswith("@"):
        path = compile_path(text[1:])
        return lambda value: next(iter(path(value)), None)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        inner = re.sub(r"\\(.)", r"\1", text[1:-1])
        return lambda _: inner
    try:
        known = json.loads(text)
    except ValueError:
        raise BadJsonPath(f"unrecognized literal {text!r}") from None
    return lambda _: known


def as_text(value: Any) -> str:
    """A result as it is printed: text as it is, objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

"""Function declarations: how a library says what it has, what that costs and what it does.

`overload(id, "[string] contains(string) -> bool", run)`: in brackets the type it is called on, if any. Single letters
are type parameters. At run time an overload is chosen by the kinds of the values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.machinery.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    ListOf,
    MapOf,
    Opaque,
    Optional,
    Param,
    Type,
    TypeOf,
)

Run = Callable[..., Any]
Cost = Callable[[Sequence[Any], Any], int]
"""(arguments, result) -> units"""


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function. `cost` None: one unit."""

    id: str
    function: str
    args: tuple[Type, ...]
    result: Type
    member: bool
    run: Run
    cost: Cost | None = None


_SIGNATURE = re.compile(r"(?:\[(?P<target>.*)\] )?(?P<name>[^\s(\[]\S*?)\((?P<args>.*)\) -> (?P<result>.*)")
_SIMPLE = {
    str(kind): kind for kind in (DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION, NULL)
}  # fmt: skip


def overload(name: str, signature: str, run: Run, cost: Cost | None = None) -> Overload:
    """Declare one overload; `name` is its id upstream."""
    found = _SIGNATURE.fullmatch(signature)
    assert found is not None, signature
    target = () if found["target"] is None else (_type(found["target"]),)
    args = (*target, *map(_type, _split(found["args"])))
    return Overload(name, found["name"], args, _type(found["result"]), bool(target), run, cost)


def _split(text: str) -> list[str]:
    parts: list[str] = []
    depth = start = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()] if text.strip() else []


def _type(text: str) -> Type:
    name, _, rest = text.partition("(")
    if not rest:
        return _SIMPLE.get(text) or (Param(text) if len(text) == 1 else Opaque(text))
    inner = [_type(part) for part in _split(rest[:-1])]
    match name:
        case "list":
            return ListOf(inner[0])
        case "map":
            return MapOf(inner[0], inner[1])
        case "optional":
            return Optional(inner[0])
        case _:
            return TypeOf(inner[0])

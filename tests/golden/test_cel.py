"""Expressions, with what upstream's API server (1.37) makes of each: messages, types, values, costs, estimates."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.errors import CompileError, EvaluationError
from wherry.machinery.cel.library.conversions import double_text
from wherry.machinery.cel.operators import type_of
from wherry.machinery.cel.program import compile_expression
from wherry.machinery.cel.schema import bind, from_schema
from wherry.machinery.cel.types import DYN, Type
from wherry.machinery.cel.values import Duration, Optional, Timestamp, Uint, UniqueList

HERE = Path(__file__).parent / "cel"
PLENTY = 1 << 60


@lru_cache
def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return found


def _cases() -> list[Any]:
    return [
        pytest.param(name, index, id=f"{name}: {case['expression']}"[:80])
        for name in ("dynamic", "schema", "patches")
        for index, case in enumerate(_read(name)["cases"])
    ]


_SHOWN: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: f"bool:{str(value).lower()}",
    Uint: lambda value: f"uint:{int(value)}",
    int: lambda value: f"int:{value}",
    float: lambda value: f"double:{double_text(value)}",
    str: lambda value: f"string:{_quoted(value)}",
    bytes: lambda value: f"bytes:{value.hex()}",
    Timestamp: lambda value: "timestamp:{}.{:09}".format(*divmod(value.nanos, 10**9)),
    Duration: lambda value: f"duration:{value.nanos}",
    Optional: lambda value: f"optional({_show(value.value)})" if value.present else "optional.none",
    list: lambda value: "[" + ",".join(map(_show, value)) + "]",
    UniqueList: lambda value: "[" + ",".join(map(_show, value)) + "]",
}


def _quoted(text: str) -> str:
    shown = json.dumps(text, ensure_ascii=False)
    return shown.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _show(value: Any) -> str:
    show = _SHOWN.get(type(value))
    shown = type_of(value).runtime_name if show is None else show(value)
    return "map" if "map" in (shown, shown.removeprefix("optional(")[:3], shown[1:4]) else shown


def _outcome(case: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The case as wherry would have it."""
    types: dict[str, Type] = dict.fromkeys(document.get("untyped", ()), DYN)
    for variable, schema in document.get("schemas", {}).items():
        kind = from_schema(schema, name=f"Self{variable}")
        assert kind is not None
        types[variable] = kind
    found: dict[str, Any] = {"expression": case["expression"]}
    try:
        program = compile_expression(case["expression"], types, patches=document.get("patches", False))
    except CompileError as error:
        return {**found, "refused": str(error)}
    estimate = program.estimate()
    found |= {"type": program.result.declared, "estimate": [estimate.least, estimate.most]}
    budget = Budget(PLENTY)
    bindings = {variable: bind(value, types[variable]) for variable, value in document["data"].items()}
    try:
        value = program.evaluate(bindings, budget)
    except EvaluationError as error:
        return {**found, "error": str(error)}
    return {**found, "value": _show(value), "cost": PLENTY - budget.left}


@pytest.mark.parametrize(("name", "index"), _cases())
def test_an_expression_is_what_upstream_makes_of_it(name: str, index: int) -> None:
    document = _read(name)
    case = document["cases"][index]
    assert _outcome(case, document) == case

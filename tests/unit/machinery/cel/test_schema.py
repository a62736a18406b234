"""Types and values from schemas: names, bounds, conversions."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.program import compile_expression
from wherry.machinery.cel.schema import MAX_REQUEST, bind, escape, from_schema
from wherry.machinery.cel.types import STRING, Type
from wherry.machinery.cel.values import Duration, Lazy, Timestamp

Json = dict[str, Any]


def the_type(schema: Json, *, root: bool = False) -> Type:
    found = from_schema(schema, root=root, name="Self")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("plain", "plain"), ("a-b", "a__dash__b"), ("a.b/c", "a__dot__b__slash__c"), ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"), ("in", "__in__"), ("9a", None), ("a b", None), ("", None), ("é", None),
    ],
)  # fmt: skip
def test_names_are_escaped(name: str, escaped: str | None) -> None:
    assert escape(name) == escaped


def test_what_has_no_type_is_not_seen() -> None:
    assert from_schema({}) is None
    assert from_schema({"type": "array", "items": {}}) is None
    assert from_schema({"type": "object", "additionalProperties": {}}) is None
    own = the_type({"type": "object", "properties": {"a": {}, "b": {"type": "string"}}})
    assert set(own.fields or {}) == {"b"}


def test_a_whole_object_has_identity() -> None:
    own = the_type({"type": "object", "properties": {"spec": {"type": "object"}}}, root=True)
    assert set(own.fields or {}) == {"spec", "kind", "apiVersion", "metadata"}
    assert (own.fields or {})["spec"].type.name == "Self.spec"


def test_bounds_come_from_limits_or_from_the_size_of_a_request() -> None:
    assert the_type({"type": "string", "maxLength": 5}).max_elements == 20
    assert the_type({"type": "string", "enum": ["a", "abc"]}).max_elements == 3
    assert the_type({"type": "string"}).max_elements == MAX_REQUEST - 2
    assert the_type({"type": "array", "items": {"type": "integer"}}).max_elements == (MAX_REQUEST - 2) // 2
    assert the_type({"type": "array", "maxItems": 7, "items": {"type": "integer"}}).max_elements == 7
    nested = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert the_type(nested).min_size == 2 + 1 + 2 + 4


def test_json_becomes_values_where_a_schema_says_so() -> None:
    own = the_type({
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date-time"},
            "day": {"type": "string", "format": "date"},
            "span": {"type": "string", "format": "duration"},
            "raw": {"type": "string", "format": "byte"},
            "ratio": {"type": "number"},
            "list": {"type": "array", "items": {"type": "number"}},
        },
    })  # fmt: skip
    given = {"when": "1970-01-01T00:00:01Z", "day": "1970-01-02", "span": "1m", "raw": "aGk=", "ratio": 1, "list": [1]}
    bound = bind(given, own)
    assert bound == {
        "when": Timestamp(10**9), "day": Timestamp(86400 * 10**9), "span": Duration(60 * 10**9), "raw": b"hi",
        "ratio": 1.0, "list": [1.0],
    }  # fmt: skip
    assert isinstance(bound["ratio"], float)
    assert given["ratio"] == 1
    with pytest.raises(EvaluationError):
        bind({"when": "yesterday"}, own)


def test_plain_json_is_not_copied() -> None:
    own = the_type({"type": "object", "properties": {"a": {"type": "string"}}})
    given = {"a": "x"}
    assert bind(given, own) is given


def test_a_lazy_value_is_made_once_and_only_when_asked_for() -> None:
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return "x"

    program = compile_expression("b || (a == 'x' && a == 'x')", {"a": STRING, "b": the_type({"type": "boolean"})})
    assert program.evaluate({"a": Lazy(make), "b": True}, Budget()) is True
    assert not made
    assert program.evaluate({"a": Lazy(make), "b": False}, Budget()) is True
    assert made == [1]
    assert program.names == {"a", "b"}

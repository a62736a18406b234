"""Structural schemas: what is pruned, filled in and refused; JSON Schema's own implementation is the oracle."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.machinery.jsonpath import BadJsonPath, as_text, compile_path
from wherry.machinery.structural.defaulting import default
from wherry.machinery.structural.fieldpath import BadPath, resolve
from wherry.machinery.structural.formats import fits
from wherry.machinery.structural.pruning import prune
from wherry.machinery.structural.rules import check_rules, rules_of
from wherry.machinery.structural.schema import structural
from wherry.machinery.structural.uniqueness import repeated
from wherry.machinery.structural.values import ABSENT, Check, validate
from wherry.machinery.validation import FieldError

NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, 1.5, -2.5]), st.text("xyz", max_size=4)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "minimum": st.integers(-3, 3), "maximum": st.integers(-3, 3), "multipleOf": st.sampled_from([2, 3]),
        "minLength": st.integers(0, 3), "maxLength": st.integers(0, 3), "pattern": st.sampled_from(["^x", "y+z?$"]),
        "minItems": st.integers(0, 2), "maxItems": st.integers(0, 2),
        "minProperties": st.integers(0, 2), "maxProperties": st.integers(0, 2),
        "enum": st.lists(st.one_of(st.integers(0, 3), st.text("xy", max_size=2)), min_size=1, max_size=3),
        "required": st.lists(NAMES, max_size=2, unique=True),
    },
)  # fmt: skip


def _deeper(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    more = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean"]),
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    )
    return st.builds(lambda limits, rest: {**limits, **rest}, LIMITS, more)


SCHEMAS = st.recursive(LIMITS, _deeper, max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, VALUES)
def test_what_the_oracle_accepts_is_accepted(schema: dict[str, Any], value: Any) -> None:
    expected = jsonschema.Draft4Validator(schema).is_valid(value)
    if value is None and "type" not in schema:  # upstream looks at nothing but the type and enum of null
        expected = "enum" not in schema or None in schema["enum"]
    if _holds_null(value):  # the same, further down
        return
    assert (not validate(Check(schema), value)) is expected


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(child is None or _holds_null(child) for child in value.values())
    return isinstance(value, list) and any(child is None or _holds_null(child) for child in value)


@settings(max_examples=80, deadline=None)
@given(SCHEMAS, VALUES)
def test_what_has_not_changed_is_fine(schema: dict[str, Any], value: Any) -> None:
    assert validate(Check(schema), value, copy.deepcopy(value)) == []


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
KEEP = {"x-kubernetes-preserve-unknown-fields": True}


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_pruning_twice_is_pruning_once(value: Any) -> None:
    schema = structural(_object(a=_object(b=TEXT, c={"type": "array", "items": _object(a=NUMBER)})))
    obj = {"a": copy.deepcopy(value), "kind": "K"}
    prune(obj, schema)
    again = copy.deepcopy(obj)
    assert prune(again, schema) == []
    assert again == obj


@pytest.mark.parametrize(
    ("schema", "value", "left", "gone"),
    [
        (_object(a=TEXT), {"a": "x", "b": 1}, {"a": "x"}, ["b"]),
        (_object(a=_object(b=TEXT)), {"a": {"b": "x", "c": 1}}, {"a": {"b": "x"}}, ["a.c"]),
        ({**_object(a=_object(b=TEXT)), **KEEP}, {"a": {"c": 1}, "z": 1}, {"a": {}, "z": 1}, ["a.c"]),
        (_object(a={"type": "array", "items": _object(b=TEXT)}), {"a": [{"c": 1}]}, {"a": [{}]}, ["a[0].c"]),
        (_object(a={"type": "object", "additionalProperties": _object(b=TEXT)}), {"a": {"k": {"c": 1}}},
         {"a": {"k": {}}}, ["a.k.c"]),
        (_object(a={"type": "object"}), {"a": {"b": 1}}, {"a": {}}, ["a.b"]),
        (_object(a={"type": "object", **KEEP, "x-kubernetes-embedded-resource": True}),
         {"a": {"kind": "K", "x": 1}}, {"a": {"kind": "K", "x": 1}}, []),
        (_object(a={"x-kubernetes-int-or-string": True}), {"a": 1, "metadata": {}}, {"a": 1, "metadata": {}}, []),
    ],
)  # fmt: skip
def test_pruning(schema: dict[str, Any], value: Any, left: Any, gone: list[str]) -> None:
    assert prune(value, structural(schema)) == gone
    assert value == left


@pytest.mark.parametrize(
    ("schema", "value", "becomes"),
    [
        (_object(a={**TEXT, "default": "x"}), {}, {"a": "x"}),
        (_object(a={**TEXT, "default": "x"}), {"a": None}, {"a": "x"}),
        (_object(a={**TEXT, "default": "x", "nullable": True}), {"a": None}, {"a": None}),
        (_object(a=TEXT), {"a": None}, {}),
        (_object(a={**_object(b={**NUMBER, "default": 1})}), {}, {}),
        (_object(a={**_object(b={**NUMBER, "default": 1}), "default": {}}), {}, {"a": {"b": 1}}),
        (_object(a={"type": "array", "items": _object(b={**NUMBER, "default": 1})}), {"a": [{}, {"b": 2}]},
         {"a": [{"b": 1}, {"b": 2}]}),
        (_object(a={"type": "object", "additionalProperties": {**NUMBER, "default": 5}}), {"a": {"k": None}},
         {"a": {"k": 5}}),
    ],
)  # fmt: skip
def test_defaulting(schema: dict[str, Any], value: Any, becomes: Any) -> None:
    before = copy.deepcopy(value)
    assert default(value, structural(schema)) is (before != becomes)
    assert value == becomes
    assert default(value, structural(schema)) is False


def _texts(errors: list[FieldError]) -> list[str]:
    return [f"{error.path}: {error.message}" for error in errors]


def test_logic_tells_of_the_closest_alternative() -> None:
    schema = _object(a={"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})
    assert _texts(validate(Check(schema), {"a": True}))[0] == (
        '<nil>: Invalid value: "": "a" must validate at least one schema (anyOf)'
    )
    schema = _object(a={"oneOf": [{"type": "integer"}, {"minimum": 1}]})
    assert _texts(validate(Check(schema), {"a": 2})) == [
        '<nil>: Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]


def test_items_with_keys_are_compared_by_them() -> None:
    items = {**_object(k=TEXT, v={**TEXT, "maxLength": 2}), "required": ["k"]}
    keyed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": items}
    old = [{"k": "a", "v": "long"}, {"k": "b", "v": "x"}]
    new = [{"k": "b", "v": "y"}, {"k": "a", "v": "long"}]
    assert validate(Check(keyed), new, old) == []
    assert len(validate(Check({**keyed, "x-kubernetes-list-type": "atomic"}), new, old)) == 1
    assert _texts(list(repeated([{"k": "a"}, {"k": "a"}], structural(keyed), "x"))) == [
        'x[1]: Duplicate value: {"k":"a"}'
    ]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2020-01-01T00:00:00Z", "2020-01-01"), ("date", "2020-01-01", "01.01.2020"),
        ("ipv4", "10.0.0.1", "10.0.0"), ("ipv6", "::1", "10.0.0.1"), ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"), ("byte", "YQ==", "?"), ("duration", "1h30m", "h"),
        ("email", "a@b.c", "a.b"), ("uri", "https://x/y", "x y"), ("hostname", "a.b-c", "a..b"),
        ("mac", "00:11:22:33:44:55", "00:11"), ("k8s-short-name", "a-b", "A"), ("unknown", "anything", ""),
    ],
)  # fmt: skip
def test_formats(name: str, good: str, bad: str) -> None:
    assert fits(name, good)
    assert bad == "" or not fits(name, bad)


def test_rules() -> None:
    schema = {
        **_object(a=NUMBER, b={**TEXT, "maxLength": 10}, items={"type": "array", "maxItems": 9, "items": NUMBER}),
        "x-kubernetes-validations": [
            {"rule": "self.a > 0"},
            {"rule": "self.b.size() > 2", "messageExpression": "'b is ' + self.b", "fieldPath": ".b"},
            {"rule": "self.a >= oldSelf.a", "message": "may not shrink", "reason": "FieldValueForbidden"},
        ],
    }
    rules = rules_of(schema)
    assert rules is not None
    assert _texts(check_rules(rules, {"a": 0, "b": "x"}, ABSENT, "spec")) == [
        "spec: Invalid value: failed rule: self.a > 0", "spec.b: Invalid value: b is x",
    ]  # fmt: skip
    assert check_rules(rules, {"a": 1, "b": "xyz"}) == []
    assert _texts(check_rules(rules, {"a": 1, "b": "xyz"}, {"a": 2, "b": "xyz"}, "spec")) == [
        "spec: Forbidden: may not shrink"
    ]
    stuck = {"a": 0, "b": "x"}
    assert check_rules(rules, stuck, dict(stuck), "spec") == []


def test_optional_old_values() -> None:
    rule = {"rule": "oldSelf.hasValue() ? self == oldSelf.value() : self == 1", "optionalOldSelf": True}
    rules = rules_of(_object(a={**NUMBER, "x-kubernetes-validations": [rule]}))
    assert rules is not None
    assert check_rules(rules, {"a": 1}) == []
    assert len(check_rules(rules, {"a": 2})) == 1
    assert check_rules(rules, {"a": 2}, {"a": 2}) == []


def test_field_paths() -> None:
    schema = _object(a={"type": "object", "additionalProperties": _object(b=TEXT)})
    assert resolve(".a['x.y'].b", schema) == (".a[x.y].b", TEXT)
    for bad in (".z", ".a.x.c", "a", ".a[", ".a[b]"):
        with pytest.raises(BadPath):
            resolve(bad, schema)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]), (".list[0].n", ["x"]), (".list[-1].n", ["y"]), (".list[*].n", ["x", "y"]),
        ('.list[?(@.n=="y")].v', [2]), (".list[?(@.v>1)].n", ["y"]), ("..n", ["x", "y"]), (".z", []),
        (r".a.c\.d", [3]), (".a['c.d']", [3]), (".list[0:1].v", [1]),
    ],
)  # fmt: skip
def test_json_paths(path: str, found: list[Any]) -> None:
    value = {"a": {"b": 1, "c.d": 3}, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}]}
    assert compile_path(path)(value) == found


def test_no_json_path() -> None:
    with pytest.raises(BadJsonPath):
        compile_path(".a[x")
    assert [as_text(v) for v in ("a", 1.0, {"b": [True]})] == ["a", "1", '{"b":[true]}']


NUMBERS = [*range(-4, 5), -2.5, 0.5, 1.5]
EDGES: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("number", {"minimum": n, "exclusiveMinimum": e}, NUMBERS) for n in (-3, 0, 1.5) for e in (False, True)
]
EDGES += [("number", {"maximum": n, "exclusiveMaximum": e}, NUMBERS) for n in (-3, 0, 1.5) for e in (False, True)]
EDGES += [("number", {"multipleOf": n}, NUMBERS) for n in (2, 3, 0.5)]
EDGES += [("integer", {"minimum": 1, "maximum": 2}, NUMBERS), ("boolean", {}, [True, 1, 0, "x"])]
EDGES += [("string", {word: 2}, ["", "x", "xx", "xxx", "ä" * 2]) for word in ("minLength", "maxLength")]
EDGES += [("string", {"pattern": "^x|y$"}, ["x", "ax", "ay", "ya"]), ("string", {"enum": ["a", "b"]}, ["a", "c"])]
EDGES += [("array", {word: 1}, [[], [1], [1, 2]]) for word in ("minItems", "maxItems")]
EDGES += [("object", {word: 1}, [{}, {"a": 1}, {"a": 1, "b": 2}]) for word in ("minProperties", "maxProperties")]
EDGES += [("object", {"required": ["a"], "additionalProperties": False, "properties": {"a": {}}},
           [{}, {"a": 1}, {"a": 1, "b": 2}])]  # fmt: skip


@pytest.mark.parametrize(("kind", "limits", "values"), EDGES)
def test_limits_hold_at_their_edges(kind: str, limits: dict[str, Any], values: list[Any]) -> None:
    schema = {"type": kind, **limits}
    oracle = jsonschema.Draft4Validator(schema)
    found = {repr(value): not validate(Check(schema), value) for value in values}
    if kind == "number":  # whole numbers are compared with limits cut to whole ones, as upstream does
        values = [v for v in values if isinstance(v, float) or float(next(iter(limits.values()))).is_integer()]
    assert {repr(v): found[repr(v)] for v in values} == {repr(v): oracle.is_valid(v) for v in values}

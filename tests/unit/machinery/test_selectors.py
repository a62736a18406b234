"""Selectors: the query grammar with upstream's errors, LabelSelectors, node terms and field selectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement
from wherry.machinery.selectors import (
    compile_selector,
    format_labels,
    format_selector,
    matches,
    node_requirement,
    parse_fields,
    parse_labels,
)


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("app=web,tier in (b,a),!legacy,size>3", "app=web,!legacy,size>3,tier in (a,b)"),
        ("a==b , c != d", "a==b,c!=d"),
        ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
        ("in in (in)", "in in (in)"),
        ("a=", "a="),
        ("", ""),
    ],
)
def test_queries(query: str, canonical: str) -> None:
    assert str(parse_labels(query)) == canonical


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("x notin (a", "unable to parse requirement: found '', expected: ',', or identifier"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a>b", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("_x=1", '<nil>: Invalid value: "_x": name part must consist of'),
        ("a=-x", 'values[0][a]: Invalid value: "-x": a valid label must be'),
    ],
)
def test_refused_queries(query: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_labels(query)
    assert problem in str(caught.value)


@given(st.text(alphabet="ab=!,()<> in\t/-é\0", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse_labels(text)
    except ValueError:
        return
    assert str(parse_labels(str(query))) == str(query)


@pytest.mark.parametrize(
    ("query", "labels", "selected"),
    [
        ("a=1", {"a": "1"}, True),
        ("a!=1", {}, True),
        ("a notin (1)", {"a": "1"}, False),
        ("a in (1,2)", {"a": "2"}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a>5", {"a": "10"}, True),
        ("a>5", {"a": "x"}, False),
        ("a<5", {}, False),
        ("", {"b": "1"}, True),
    ],
)
def test_matching(query: str, labels: dict[str, str], *, selected: bool) -> None:
    assert parse_labels(query)(labels) is selected


def _selector(operator: str, *values: str) -> LabelSelector:
    return LabelSelector(match_expressions=(LabelSelectorRequirement(key="a", operator=operator, values=values),))


def test_label_selectors() -> None:
    web = LabelSelector(match_labels={"app": "web"})
    assert matches(web, {"app": "web", "x": "y"})
    assert not matches(web, {})
    assert matches(LabelSelector(), {})
    assert not matches(None, {})
    assert not compile_selector(None)({})
    assert matches(_selector("NotIn", "1"), {})
    assert compile_selector(_selector("In", "1", "2"))({"a": "2"})
    with pytest.raises(ValueError, match='"Near" is not a valid label selector operator'):
        matches(_selector("Near"), {})


def test_as_kubectl_prints_them() -> None:
    both = LabelSelector(
        match_labels={"b": "1"},
        match_expressions=(LabelSelectorRequirement(key="a", operator="In", values=("y", "x")),),
    )
    assert format_selector(both) == "a in (x,y),b=1"
    assert format_selector(None) == format_selector(LabelSelector()) == "<none>"
    assert format_selector(_selector("Near")) == "<error>"
    assert format_labels({"b": "2", "a": "1"}) == "a=1,b=2"
    assert format_labels({}) == "<none>"


@pytest.mark.parametrize(
    ("operator", "values", "labels", "selected"),
    [
        ("In", ["a"], {"k": "a"}, True),
        ("NotIn", ["a"], {}, True),
        ("Exists", [], {"k": ""}, True),
        ("DoesNotExist", [], {}, True),
        ("Gt", ["3"], {"k": "4"}, True),
        ("Lt", ["3"], {"k": "2"}, True),
        ("Lt", ["3"], {}, False),
        ("Gt", ["x"], {"k": "4"}, False),
        ("Other", [], {"k": "4"}, False),
    ],
)
def test_node_terms(operator: str, values: list[str], labels: dict[str, str], *, selected: bool) -> None:
    assert node_requirement("k", operator, values, labels) is selected


def test_field_selectors() -> None:
    found = parse_fields(r"status.phase!=Running,metadata.name==a,spec.x=p\,q\=r")
    assert found == (("metadata.name", "=", "a"), ("spec.x", "=", "p,q=r"), ("status.phase", "!=", "Running"))
    assert parse_fields("") == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=b\\d", "invalid field selector: invalid escape sequence: \\d"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_refused_field_selectors(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_fields(text)
    assert str(caught.value) == problem

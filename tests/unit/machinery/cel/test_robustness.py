"""Whatever the text and the values: a CelError or a value, soon."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.errors import BudgetExceeded, CallCostExceeded, CelError, CompileError, EvaluationError
from wherry.machinery.cel.program import Program, compile_expression
from wherry.machinery.cel.types import BOOL, DYN, STRING

_WORDS = (
    "a object . ?. [ ] [? ( ) { } , : ? && || ! - + * / % == != < <= in 1 2u 1.5 b'y' true null has all exists map x"
    " filter size matches '(' format orValue optional.of optional.none() duration timestamp int string quantity ip cidr"
    " transformMap sort sum sets.contains lists.range self Object JSONPatch op type dyn sortBy @ ` \\"
)
PIECES = st.sampled_from(_WORDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
EXPRESSIONS = """
a.all(x, x == a); a + a; a.b.c; a[0]; a['b']; a.b.?c.orValue(1); string(a); a < a; int(a) + 1; a.size(); {a: a}; -a; !a
size(a) > 1 && a.exists(k, v, k == v); '%s %d'.format([a, a]); a.join(','); a.sum(); a.flatten(); a.matches('x'); a in a
type(a) == type(a); a.transformMap(k, v, v); [a, a].distinct(); a.split(''); a.sortBy(x, x); duration(a); timestamp(a)
quantity(a); ip(a); url(a); optional.ofNonZeroValue(a); a.format([a]); cidr(a); semver(a); a.isSorted(); a.find(a)
bytes(a); double(a)
""".replace("\n", ";").split(";")


@given(st.lists(PIECES, max_size=14))
@settings(max_examples=250, deadline=None)
def test_any_text_compiles_or_is_refused(pieces: list[str]) -> None:
    try:
        program = compile_expression(" ".join(pieces), {"a": DYN, "object": DYN}, patches=True)
    except CompileError:
        return
    _evaluate(program, {"a": [1], "object": {"x": 1}})
    assert program.estimate().most >= 0


@given(st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_characters_are_refused_or_compile(text: str) -> None:
    with suppress(CompileError):
        compile_expression(text, {"a": DYN})


@pytest.mark.parametrize("expression", [text.strip() for text in EXPRESSIONS if text.strip()])
@given(value=JSON)
@settings(max_examples=15, deadline=None)
def test_any_value_gives_a_value_or_an_error(expression: str, value: object) -> None:
    program = compile_expression(expression, {"a": DYN})
    _evaluate(program, {"a": value})


def _evaluate(program: Program, bindings: dict[str, object]) -> None:
    with suppress(CelError):
        program.evaluate(bindings, Budget(100_000))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "[" * 5000,
        "a" + ".b" * 20000,
        "1" + " + 1" * 20000,
        " ? 1 : ".join(["true"] * 3000),
        "a" + "[0]" * 20000,
        "a.all(x, " * 300 + "true" + ")" * 300,
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(CompileError, match="recursion limit exceeded: 250"):
        compile_expression(text, {"a": DYN})


def test_signs_cancel_each_other() -> None:
    assert compile_expression("!" * 20000 + "true", {}).evaluate({}, Budget()) is True
    assert compile_expression("-" * 20001 + "a", {"a": DYN}).evaluate({"a": 1}, Budget()) == -1


def test_long_chains_of_and_and_or_are_fine() -> None:
    program = compile_expression(" || ".join(["a == 1"] * 2000), {"a": DYN}, result=BOOL)
    assert program.evaluate({"a": 2}, Budget()) is False


def test_too_long_a_text_is_refused() -> None:
    with pytest.raises(CompileError, match="expression code point size exceeds limit: size: 100001, limit 100000"):
        compile_expression("'" + "x" * 99_999 + "'", {})


def test_one_evaluation_may_cost_a_million() -> None:
    program = compile_expression("a.all(x, a.all(y, a.all(z, x + y + z >= 0)))", {"a": DYN})
    with pytest.raises(CallCostExceeded, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate({"a": list(range(100))}, Budget())


def test_a_budget_is_shared() -> None:
    program = compile_expression("a.all(x, x >= 0)", {"a": DYN})
    budget = Budget(1200)
    program.evaluate({"a": list(range(100))}, budget)
    program.evaluate({"a": list(range(100))}, budget)
    with pytest.raises((BudgetExceeded, CallCostExceeded)):
        program.evaluate({"a": list(range(100))}, budget)


def test_no_pattern_hangs() -> None:
    program = compile_expression("a.matches('^(a+)+$')", {"a": STRING})
    assert program.evaluate({"a": "a" * 20000 + "b"}, Budget()) is False


def test_a_large_power_is_not_computed() -> None:
    program = compile_expression("quantity(a).isInteger()", {"a": STRING})
    with pytest.raises(EvaluationError):
        program.evaluate({"a": "1e999999999"}, Budget())

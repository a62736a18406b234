"""Variables from a file: the strict form, and what is refused with which line."""

from __future__ import annotations

import pytest

from wherry.node.envfile import BadEnvFile, parse


def test_values_are_taken_literally_over_several_lines() -> None:
    text = "# c\n\n  A='x $y \\\\n'  # why\nB='one\ntwo'\nA='later'\nC= 'not'\nD=''\n"
    assert parse(text) == {"A": "x $y \\\\n", "B": "one\ntwo", "C": "", "D": ""}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\nA", "at line 2: missing '='"), ("='x'", "at line 1: empty variable name"),
        ("A ='x'", "whitespace before '=' is not allowed"), ("A=x", "value must be enclosed in single quotes"),
        ("A='x'y", "unexpected content after closing quote"), ("B='1'\nA='x\n", "starting at line 2: unclosed"),
    ],
)  # fmt: skip
def test_what_is_not_of_that_form_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadEnvFile, match=why):
        parse(text)

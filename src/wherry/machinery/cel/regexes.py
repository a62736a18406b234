"""Regular expressions: RE2, whose time is linear in the text. Errors as Go words them."""

from __future__ import annotations

from typing import Any

from wherry.machinery import patterns
from wherry.machinery.cel.errors import EvaluationError

_WORDS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}


def pattern(text: str) -> Any:
    """The compiled pattern. Raises EvaluationError."""
    try:
        return patterns.pattern(text)
    except patterns.BadPattern as error:
        what, _, where = str(error).partition(": ")
        raise EvaluationError(f"error parsing regexp: {_WORDS.get(what, what)}: `{where}`") from None


def matches(text: str, regex: str) -> bool:
    """Whether the pattern occurs in the text."""
    return pattern(regex).search(text) is not None


def find(text: str, regex: str) -> str:
    """The first occurrence, or nothing."""
    found = _illegal(regex).search(text)
    return "" if found is None else found.group()


def find_all(text: str, regex: str, limit: int = -1) -> list[str]:
    """All occurrences that do not overlap; at most `limit` unless that is negative."""
    if limit == 0:
        return []
    out: list[str] = []
    for found in _illegal(regex).finditer(text):
        out.append(found.group())
        if len(out) == limit:
            break
    return out


def _illegal(regex: str) -> Any:
    try:
        return pattern(regex)
    except EvaluationError as error:
        raise EvaluationError(f"Illegal regex: {error}") from None

"""Regular expressions: RE2, whose time is linear in the text. Errors as Go words them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

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


@lru_cache(maxsize=512)
def pattern(text: str) -> Any:
    """The compiled pattern. Raises EvaluationError."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise EvaluationError(_worded(error)) from None


def _worded(error: Exception) -> str:
    raw = error.args[0] if error.args else b""
    what, _, where = (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)).partition(": ")
    return f"error parsing regexp: {_WORDS.get(what, what)}: `{where}`"


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

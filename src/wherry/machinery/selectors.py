"""Selectors: which labels, fields or node properties are meant. Pure; parsed once, then called per object.

Grammar of the query string: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
Parsers raise ValueError with the wording clients know from upstream; the API server turns it into a 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from wherry.machinery import names
from wherry.machinery.meta import LabelSelector
from wherry.machinery.validation import FieldError, invalid

Labels = Mapping[str, str]
FieldTerm = tuple[str, str, str]


class Requirement(NamedTuple):
    """`key operator values`; operator one of = == != in notin exists ! gt lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether these labels satisfy the requirement. An absent key satisfies != and notin."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "gt" | "lt":
                return value is not None and _ordered(value, self.operator, self.values)
            case _:
                return False

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{values}"
            case _:
                return f"{self.key}{self.operator}{values}"


@dataclass(frozen=True, slots=True)
class LabelQuery:
    """Requirements that must all hold, sorted by key; call it with labels. Its text is the canonical query."""

    requirements: tuple[Requirement, ...] = ()

    def __call__(self, labels: Labels) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64: Final = 2**63


def _integer(text: str) -> int | None:
    if len(text) > 20 or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -_INT64 <= number < _INT64 else None


def _ordered(value: str, operator: str, values: Sequence[str]) -> bool:
    left, right = _integer(value), _integer(values[0]) if len(values) == 1 else None
    if left is None or right is None:
        return False
    return left > right if operator == "gt" else left < right


# --- LabelSelector objects ------------------------------------------------------------------------------------------

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def matches(selector: LabelSelector | None, labels: Labels) -> bool:
    """Whether a LabelSelector selects these labels: an empty one everything, None nothing.

    Raises ValueError for an unknown operator, which validation refuses before.
    """
    if selector is None:
        return False
    for key, value in selector.match_labels.items():
        if labels.get(key) != value:
            return False
    return all(_requirement(e.key, e.operator, e.values).matches(labels) for e in selector.match_expressions)


def compile_selector(selector: LabelSelector | None) -> Callable[[Labels], bool]:
    """The predicate of a LabelSelector, for many objects. Raises ValueError as `matches` does."""
    if selector is None:
        return _nothing
    return as_query(selector)


def as_query(selector: LabelSelector) -> LabelQuery:
    """A LabelSelector as sorted requirements."""
    found = [Requirement(key, "=", (value,)) for key, value in selector.match_labels.items()]
    found += [_requirement(e.key, e.operator, e.values) for e in selector.match_expressions]
    return LabelQuery(tuple(sorted(found, key=lambda r: r.key)))


def format_selector(selector: LabelSelector | None) -> str:
    """A LabelSelector as kubectl prints it: `app=web,tier in (a,b)`, or `<none>`."""
    try:
        return str(as_query(selector)) if selector is not None and _restricts(selector) else "<none>"
    except ValueError:
        return "<error>"


def format_labels(labels: Labels) -> str:
    """Labels, or a plain map selector, as kubectl prints them: `a=1,b=2`, or `<none>`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>"


def _restricts(selector: LabelSelector) -> bool:
    return bool(selector.match_labels or selector.match_expressions)


def _nothing(labels: Labels) -> bool:
    return False


def _requirement(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
    own = _OPERATORS.get(operator)
    if own is None:
        raise ValueError(f'"{operator}" is not a valid label selector operator')
    return Requirement(key, own, values)


# --- node selector terms --------------------------------------------------------------------------------------------


def node_requirement(key: str, operator: str, values: Sequence[str], labels: Labels) -> bool:
    """One core/v1 NodeSelectorRequirement: In, NotIn, Exists, DoesNotExist, Gt, Lt; anything else matches nothing.

    Gt and Lt compare whole numbers; text that is none never matches. For matchFields pass {"metadata.name": ...}.
    """
    value = labels.get(key)
    match operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return value is not None and _ordered(value, operator.lower(), values)
        case _:
            return False


# --- query strings --------------------------------------------------------------------------------------------------

_TOKENS = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+)")
_SYMBOLS = frozenset(("==", "!=", "=", "!", "(", ")", ",", "<", ">"))
_BINARY = {"in": "in", "notin": "notin", "=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt"}


def parse_labels(text: str) -> LabelQuery:
    """Read a `labelSelector` parameter: `app=web,tier in (a,b),!legacy,size>3`. Raises ValueError."""
    return LabelQuery(tuple(sorted(_LabelParser(text).parse(), key=lambda r: r.key)))


class _LabelParser:
    """Recursive descent over the tokens; "" is the end of the text."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKENS.findall(text.rstrip(" \t\r\n"))
        self._at = 0

    def parse(self) -> Iterable[Requirement]:
        while (token := self._peek()) != "":
            if token in _SYMBOLS and token != "!":
                raise ValueError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                yield self._requirement()
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            after = self._next()
            if after not in ("", ","):
                raise ValueError(f"found '{after}', expected: ',' or 'end of string'")
            following = self._peek()
            if after == "," and (following == "" or (following in _SYMBOLS and following != "!")):
                raise ValueError(f"found '{following}', expected: identifier after ','")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        token = self._next()
        absent = token == "!"
        key = self._next() if absent else token
        if key == "" or key in _SYMBOLS:
            raise ValueError(f"found '{key}', expected: identifier")
        if problems := names.label_key(key):
            raise ValueError(_say([invalid("<nil>", key, "; ".join(problems))]))
        if absent:
            return Requirement(key, "!")
        if self._peek() in ("", ","):
            return Requirement(key, "exists")
        token = self._next()
        operator = _BINARY.get(token)
        if operator is None:
            raise ValueError(f"found '{token}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if operator in ("in", "notin") else (self._exact(),)
        return _checked(Requirement(key, operator, tuple(sorted(set(values)))))

    def _exact(self) -> str:
        if self._peek() in ("", ","):
            return ""
        token = self._next()
        if token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> Sequence[str]:
        token = self._next()
        if token != "(":
            raise ValueError(f"found '{token}' expected: '('")
        values, value = [], ""
        while (token := self._next()) != ")":
            if token == ",":
                values.append(value)
                value = ""
            elif token == "" or token in _SYMBOLS:
                raise ValueError(f"found '{token}', expected: ',', or identifier")
            elif value:
                raise ValueError(f"found '{token}', expected: ',' or ')'")
            else:
                value = token
        return (*values, value)


def _checked(requirement: Requirement) -> Requirement:
    errors = []
    for index, value in enumerate(requirement.values):
        if requirement.operator in ("gt", "lt") and _integer(value) is None:
            problem = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(invalid(f"values[{index}]", value, problem))
        if problems := names.label_value(value):
            errors.append(invalid(f"values[{index}][{requirement.key}]", value, "; ".join(problems)))
    if errors:
        raise ValueError(_say(errors))
    return requirement


def _say(errors: Sequence[FieldError]) -> str:
    said = [f"{error.path}: {error.message}" for error in errors]
    return said[0] if len(said) == 1 else f"[{', '.join(said)}]"


# --- field selectors ------------------------------------------------------------------------------------------------

_FIELD_TERM = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL)
_FIELD_TERMS = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)


def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """Read a `fieldSelector` parameter into (path, "=" or "!=", value), sorted. Raises ValueError.

    A backslash escapes backslash, comma and equals sign in a value. The caller checks which paths a kind knows.
    """
    terms = []
    for part in sorted(_FIELD_TERMS.findall(text)):
        found = _FIELD_TERM.fullmatch(part)
        if found is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = found[1], found[2], _unescape(found[3])
        if path or value:
            terms.append((path, "!=" if operator == "!=" else "=", value))
    return tuple(terms)


def _unescape(text: str) -> str:
    out: list[str] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in ("\\", ",", "="):
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            out.append(escaped)
        elif character in ",=":
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(character)}")
        else:
            out.append(character)
    return "".join(out)

"""Rules: the CEL expressions of a schema (x-kubernetes-validations), compiled when first needed.

https://kubernetes.io/docs/reference/using-api/cel/ Transition rules see `oldSelf`, and only run where there is an old
value to compare with; what has not changed is not refused again. All rules of one object share a budget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from wherry.machinery.cel import errors as cel
from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.program import Program, compile_expression
from wherry.machinery.cel.schema import bind, from_schema
from wherry.machinery.cel.types import BOOL, STRING, Optional, Type
from wherry.machinery.cel.values import NONE, Lazy, some
from wherry.machinery.structural.fieldpath import normal
from wherry.machinery.structural.schema import EMBEDDED, LIST_KEYS, LIST_TYPE, RULES, Json
from wherry.machinery.structural.values import ABSENT, key_of
from wherry.machinery.structural.words import place
from wherry.machinery.validation import FieldError, duplicate, forbidden, invalid, required, show

MESSAGE_LIMIT: Final = 5 * 1024
_SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"


class NotABoolean(cel.CompileError):
    """The rule is no condition."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled. `error`: why it could not be."""

    raw: Json
    program: Program | None
    message: Program | None = None
    error: str = ""
    message_error: str = ""
    path: str = ""
    """Where an error is shown, below the value: ".x['a-b']"."""

    @property
    def transition(self) -> bool:
        """Whether it compares with the old value."""
        return self.program is not None and "oldSelf" in self.program.names

    @property
    def shown(self) -> str:
        """What messages call it."""
        return str(self.raw.get("message") or self.raw.get("rule", "")).strip()


def compile_rule(raw: Json, kind: Type, schema: Json) -> Rule:
    """A rule over values of a type."""
    text = str(raw.get("rule", ""))
    if not text.strip():
        return Rule(raw, None)
    variables = {"self": kind, "oldSelf": Optional(kind) if raw.get("optionalOldSelf") else kind}
    try:
        program = compile_expression(text, variables, result=BOOL)
    except cel.WrongResult:
        return Rule(raw, None, error="cel expression must evaluate to a bool")
    except cel.CompileError as error:
        return Rule(raw, None, error=f"compilation failed: {error}")
    message, message_error = None, ""
    if str(raw.get("messageExpression", "")).strip():
        try:
            message = compile_expression(raw["messageExpression"], variables, result=STRING)
        except cel.WrongResult:
            message_error = "messageExpression must evaluate to a string"
        except cel.CompileError as error:
            message_error = f"messageExpression compilation failed: {error}"
    path = normal(raw["fieldPath"], schema) if raw.get("fieldPath") else ""
    return Rule(raw, program, message, message_error=message_error, path=path)


@dataclass(slots=True, eq=False)
class Rules:
    """The rules of one schema and of everything below it that has some. Make with `rules_of`."""

    schema: Json
    kind: Type | None
    own: tuple[Json, ...] = ()
    properties: dict[str, Rules] = field(default_factory=dict)
    additional: Rules | None = None
    items: Rules | None = None
    all_of: tuple[Rules, ...] = ()
    _compiled: tuple[Rule, ...] | None = None

    @property
    def compiled(self) -> tuple[Rule, ...]:
        """The own rules, compiled once."""
        if self._compiled is None:
            kind = self.kind
            self._compiled = () if kind is None else tuple(compile_rule(one, kind, self.schema) for one in self.own)
        return self._compiled

    def __bool__(self) -> bool:
        return bool(self.own or self.properties or self.additional or self.items or self.all_of)


def rules_of(schema: Json, *, root: bool = False) -> Rules | None:
    """The rules of a schema (`root`: of a whole resource); None when there are none."""
    return _rules(schema, schema, from_schema(schema, root=root) if _mentions(schema) else None)


def _mentions(schema: Any) -> bool:
    """Whether there is a rule anywhere."""
    if isinstance(schema, Mapping):
        return bool(schema.get(RULES)) or any(_mentions(part) for part in schema.values())
    return isinstance(schema, list) and any(_mentions(part) for part in schema)


def _rules(said: Json, node: Json, kind: Type | None) -> Rules | None:
    """Rules that `said` has for values of `node`, which is `said` itself unless it is within an allOf."""
    if kind is None:
        return None
    found = Rules(node, kind, tuple(said.get(RULES) or ()))
    parts = node.get("properties") or {}
    for name, part in (said.get("properties") or {}).items():
        if name in parts and (below := _rules(part, parts[name], _field(kind, name, parts[name]))) is not None:
            found.properties[name] = below
    inner = kind.parameters[-1] if kind.kind in ("list", "map") and kind.parameters else None
    for word in ("items", "additionalProperties"):
        part, own = said.get(word), node.get(word)
        if isinstance(part, Mapping) and isinstance(own, Mapping):
            below = _rules(part, own, inner)
            found.items, found.additional = (below, None) if word == "items" else (found.items, below)
    found.all_of = tuple(filter(None, (_rules(part, node, kind) for part in said.get("allOf") or ())))
    return found if found else None


def _field(kind: Type, name: str, schema: Json) -> Type | None:
    """The type of a field; one that expressions cannot name has its own all the same."""
    own = next((f.type for f in (kind.fields or {}).values() if f.json == name), None)
    return own or from_schema(schema, root=bool(schema.get(EMBEDDED)))


# --- on values --------------------------------------------------------------------------------------------------------


def check_rules(rules: Rules, value: Any, old: Any = ABSENT, path: str = "", budget: Budget | None = None) -> list[
    FieldError
]:  # fmt: skip
    """Everything that the rules refuse. `old` makes it an update."""
    walk = _Walk(budget or Budget())
    with contextlib.suppress(_Stop):
        walk.visit(rules, value, None if old is ABSENT else old, path, (old is not ABSENT, False))
    return walk.errors


class _Stop(Exception):
    """The budget is spent: no rule is looked at any more."""


Ratchet = tuple[bool, bool]
"""(the value can be compared with the old one, something that holds it has not changed)."""


class _Walk:
    __slots__ = ("budget", "errors")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.errors: list[FieldError] = []

    def visit(self, rules: Rules, value: Any, old: Any, path: str, ratchet: Ratchet) -> None:
        """A value and what is below it."""
        if value is None:
            return
        if rules.own:
            self._own(rules, value, old, path, ratchet)
        for more in rules.all_of:
            self.visit(more, value, old, path, (False, ratchet[1]))
        if isinstance(value, dict):
            self._entries(rules, value, old if isinstance(old, dict) else {}, path, ratchet)
        elif isinstance(value, list) and rules.items is not None:
            self._items(rules, value, old, path, ratchet)

    def _entries(self, rules: Rules, value: dict[str, Any], old: dict[str, Any], path: str, ratchet: Ratchet) -> None:
        comparable, settled = ratchet
        settled = settled or (comparable and value == old)
        for name, child in value.items():
            below, here = rules.properties.get(name), f"{path}.{name}"
            if below is None:
                below, here = rules.additional, f"{path}[{name}]"
            if below is not None:
                known = comparable and name in old and (bool(path) or name not in ("apiVersion", "kind"))
                self.visit(below, child, old.get(name), here, (known, settled))

    def _items(self, rules: Rules, value: list[Any], old: Any, path: str, ratchet: Ratchet) -> None:
        comparable, settled = ratchet
        settled = settled or (comparable and value == old)
        keys, before = tuple(rules.schema.get(LIST_KEYS) or ()), {}
        if rules.schema.get(LIST_TYPE) == "map" and isinstance(old, list):
            before = {key_of(item, keys): item for item in old if isinstance(item, dict)}
        assert rules.items is not None
        for index, item in enumerate(value):
            then = before.get(key_of(item, keys)) if isinstance(item, dict) else None
            self.visit(rules.items, item, then, f"{path}[{index}]", (then is not None, settled))

    def _own(self, rules: Rules, value: Any, old: Any, path: str, ratchet: Ratchet) -> None:
        kind, word = rules.kind, rules.schema.get("type", "")
        assert kind is not None
        now, then = Lazy(partial(bind, value, kind)), Lazy(partial(bind, old, kind))
        unchanged = ratchet[1] or (ratchet[0] and value == old)
        for rule in rules.compiled:
            if rule.error:
                self._say(invalid(place(path), word, f"rule compile error: {rule.error}"))
                continue
            optional = bool(rule.raw.get("optionalOldSelf"))
            if rule.program is None or (rule.transition and old is None and not optional):
                continue
            names: dict[str, object] = {"self": now}
            if rule.transition:
                names["oldSelf"] = (NONE if old is None else some(then.get())) if optional else then
            if not self._holds(rule, rule.program, names, path, word):
                error = self._refusal(rule, names, value, path, word)
                if rule.transition or not unchanged:
                    self._say(error)

    def _say(self, error: FieldError) -> None:
        self.errors.append(error)

    def _holds(self, rule: Rule, program: Program, names: Mapping[str, object], path: str, word: str) -> bool:
        """Whether a rule is satisfied; True also when that could not be found out, which is told."""
        try:
            return program.evaluate(names, self.budget) is True
        except cel.BudgetExceeded:
            self._say(invalid(place(path), word, _SPENT))
            raise _Stop from None
        except cel.CallCostExceeded as error:
            why = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: "
            self._say(invalid(place(path), word, why + rule.shown))
            raise _Stop from None
        except cel.EvaluationError as error:
            if str(error).startswith("no such overload"):
                why = "call arguments did not match a supported operator, function or macro signature for rule"
                self._say(invalid(place(path), word, f"'{error}': {why}: {rule.shown}"))
            else:
                self._say(invalid(place(path), word, f"{error} evaluating rule: {rule.shown}"))
        return True

    def _refusal(self, rule: Rule, names: Mapping[str, object], value: Any, path: str, word: str) -> FieldError:
        at = place(path + rule.path)
        text = self._message(rule, names, at, word)
        if text is None:
            said = str(rule.raw.get("message") or "").strip()
            text = said or f"failed rule: {rule.shown}"
        match rule.raw.get("reason"):
            case "FieldValueForbidden":
                return forbidden(at, text)
            case "FieldValueRequired":
                return required(at, text)
            case "FieldValueDuplicate":
                return duplicate(at, value)
            case _ if word in ("object", "array"):  # the value would be too long to show
                return FieldError(at, "FieldValueInvalid", f"Invalid value: {text}")
            case _:
                return invalid(at, value, text)

    def _message(self, rule: Rule, names: Mapping[str, object], at: str, word: str) -> str | None:
        """What a message expression says; None when it says nothing that may be shown."""
        if rule.message is None:
            return None
        try:
            text = rule.message.evaluate(names, self.budget)
        except cel.BudgetExceeded:
            spent = "messageExpression evaluation failed due to running out of cost budget, no further validation rules"
            self._say(invalid(at, word, f"{spent} will be run"))
            raise _Stop from None
        except cel.CallCostExceeded:
            why = "no further validation rules will be run due to call cost exceeds limit for messageExpression"
            self._say(invalid(at, word, f"{why}: {show(rule.raw['messageExpression'])}"))
            raise _Stop from None
        except cel.EvaluationError:
            return None
        text = text.strip() if isinstance(text, str) else ""
        return text if text and "\n" not in text and len(text.encode()) <= MESSAGE_LIMIT else None


def all_rules(rules: Rules) -> Iterator[Rules]:
    """The nodes that have rules of their own, and those below."""
    yield rules
    below = [*rules.properties.values(), rules.additional, rules.items, *rules.all_of]
    for part in below:
        if part is not None:
            yield from all_rules(part)

"""Whether the rules of a schema compile, and what they cost at most.

https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wherry.api.checks import Errors
from wherry.machinery.cel.budget import STATIC_DEFINITION_LIMIT, STATIC_RULE_LIMIT
from wherry.machinery.cel.program import Program
from wherry.machinery.cel.schema import MAX_REQUEST
from wherry.machinery.structural.rules import Rule, Rules, rules_of
from wherry.machinery.structural.schema import LIST_TYPE, RULES, Json
from wherry.machinery.validation import FieldError, forbidden, invalid

_MOST = 0xFFFF_FFFF_FFFF_FFFF
_TOP = 4


@dataclass(slots=True)
class _Costs:
    """What all rules cost together, and which of them most."""

    total: int = 0
    dear: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        """One expression."""
        self.total = min(_MOST, self.total + cost)
        if cost >= STATIC_DEFINITION_LIMIT // 100:
            self.dear = sorted([*self.dear, (cost, path)], key=lambda item: -item[0])[:_TOP]


def rules(path: str, own: Json) -> Errors:
    """Everything wrong with the rules of a whole schema."""
    found = rules_of(own, root=True)
    if found is None:
        return
    costs = _Costs()
    yield from _node(path, found, 1, "", costs)
    if costs.total > STATIC_DEFINITION_LIMIT:
        for _, at in costs.dear:
            why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield forbidden(at, why)
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        yield forbidden(path, _over(what, costs.total, STATIC_DEFINITION_LIMIT))


def _node(path: str, rules: Rules, times: int | None, loose: str, costs: _Costs) -> Errors:
    """`times`: how often this value occurs at most; None: nobody knows. `loose`: below which old and new cannot be
    compared."""
    for index, rule in enumerate(rules.compiled):
        known = times if times is not None else _unbounded(rules)
        yield from _rule(f"{path}.{RULES}[{index}]", rule, known, loose, costs)
    for at, part, many, free in _below(path, rules, times, loose):
        yield from _node(at, part, many, free, costs)


def _below(path: str, rules: Rules, times: int | None, loose: str) -> Iterator[tuple[str, Rules, int | None, str]]:
    own = rules.schema
    more = _multiplied(times, _elements(own))
    for name, part in rules.properties.items():
        yield f"{path}.properties[{name}]", part, more, loose
    if rules.additional is not None:
        yield f"{path}.additionalProperties", rules.additional, more, loose
    if rules.items is not None:
        free = loose or ("" if own.get(LIST_TYPE) == "map" else path)
        yield f"{path}.items", rules.items, more, free


def _elements(own: Json) -> int | None:
    """By how much a value multiplies what is in it."""
    if own.get("type") == "array":
        most = own.get("maxItems")
    elif own.get("type") == "object" and isinstance(own.get("additionalProperties"), (Mapping, bool)):
        most = own.get("maxProperties")
    else:
        return 1
    return None if most is None else max(0, most)


def _multiplied(times: int | None, more: int | None) -> int | None:
    return None if times is None or more is None else min(_MOST, times * more)


def _rule(path: str, rule: Rule, times: int, loose: str, costs: _Costs) -> Errors:
    if rule.error:
        yield invalid(f"{path}.rule", dict(rule.raw), rule.error)
    if rule.program is not None:
        yield from _cost(f"{path}.rule", "estimated rule cost", rule.program, times, costs)
    if rule.message_error:
        yield invalid(f"{path}.messageExpression", dict(rule.raw), rule.message_error)
    elif rule.message is not None:
        yield from _cost(f"{path}.messageExpression", "estimated messageExpression cost", rule.message, 1, costs)
    if rule.transition and loose:
        why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {loose}"
        yield invalid(f"{path}.rule", rule.raw.get("rule"), why)
    elif not rule.transition and rule.raw.get("optionalOldSelf") is not None:
        why = "may not be set if oldSelf is not used in rule"
        yield invalid(f"{path}.optionalOldSelf", rule.raw["optionalOldSelf"], why)


def _cost(path: str, what: str, program: Program, times: int, costs: _Costs) -> Iterator[FieldError]:
    cost = min(_MOST, program.estimate().most * times)
    if cost > STATIC_RULE_LIMIT:
        yield forbidden(path, _over(what, cost, STATIC_RULE_LIMIT))
    costs.add(path, cost)


def _unbounded(rules: Rules) -> int:
    """How often a value may occur in the largest request when the schema does not say."""
    size = 1 if rules.kind is None else rules.kind.min_size
    return MAX_REQUEST // (size + 1)


def _over(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and "
        "maxLength where arrays, maps, and strings are declared)"
    )

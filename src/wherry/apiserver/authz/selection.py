"""Selectors as authorisation sees them (KEP-4601): from a request's query, or from the attributes of a review. Pure.

A selector that cannot be read counts as none: it never makes anything allowed that would not be so for everything.
https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.types.authorization import FieldSelectorAttributes, LabelSelectorAttributes, ResourceAttributes
from wherry.apiserver.authn.user import User
from wherry.apiserver.authz.authorizer import attributes
from wherry.apiserver.authz.question import Question, Requirement
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.http import Query
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.selectors import parse_fields, parse_labels
from wherry.machinery.validation import FieldError, invalid, required

_SELECTING = ("list", "watch", "deletecollection")
_WORDS = {"=": "In", "==": "In", "in": "In", "!=": "NotIn", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist"}
_KNOWN = frozenset(_WORDS.values())


def of_request(user: User, info: RequestInfo, query: Query) -> Question:
    """What a request asks for."""
    asked = attributes(user, info)
    if not info.is_resource or info.verb not in _SELECTING:
        return Question(asked, info.version)
    return Question(asked, info.version, _fields(query.first("fieldSelector")), _labels(query.first("labelSelector")))


def of_review(user: User, spec: ResourceAttributes) -> Question:
    """What a review asks about."""
    asked = Attributes(user, spec.verb, spec.group, spec.resource, spec.subresource, spec.namespace, spec.name)
    return Question(
        asked,
        spec.version,
        _given(spec.field_selector, _fields),
        _given(spec.label_selector, _labels),
    )


def _given(selector: FieldSelectorAttributes | LabelSelectorAttributes | None, read: object) -> tuple[Requirement, ...]:
    if selector is None:
        return ()
    if selector.raw_selector:
        return _fields(selector.raw_selector) if read is _fields else _labels(selector.raw_selector)
    return tuple((r.key, r.operator, tuple(r.values)) for r in selector.requirements if r.operator in _KNOWN)


def _fields(text: str) -> tuple[Requirement, ...]:
    try:
        return tuple((path, _WORDS[operator], (value,)) for path, operator, value in parse_fields(text))
    except ValueError:
        return ()


def _labels(text: str) -> tuple[Requirement, ...]:
    try:
        found = parse_labels(text).requirements if text else ()
    except ValueError:
        return ()
    return tuple((r.key, _WORDS[r.operator], tuple(r.values)) for r in found if r.operator in _WORDS)


def problems(spec: ResourceAttributes) -> Iterator[FieldError]:
    """What is wrong with the selectors of a review."""
    at = "spec.resourceAttributes"
    both: tuple[tuple[str, FieldSelectorAttributes | LabelSelectorAttributes | None], ...] = (
        ("fieldSelector", spec.field_selector),
        ("labelSelector", spec.label_selector),
    )
    for name, selector in both:
        if selector is None:
            continue
        path = f"{at}.{name}"
        if selector.raw_selector and selector.requirements:
            why = "may not specified at the same time as requirements"
            yield invalid(f"{path}.rawSelector", selector.raw_selector, why)
        if not selector.raw_selector and not selector.requirements:
            why = f"when {path} is specified, requirements or rawSelector is required"
            yield required(f"{path}.requirements", why)
        for index, (key, operator, values) in enumerate(
            (r.key, r.operator, tuple(r.values)) for r in selector.requirements
        ):
            yield from _requirement(f"{path}.requirements[{index}]", key, operator, values)


def _requirement(path: str, key: str, operator: str, values: tuple[str, ...]) -> Iterator[FieldError]:
    if not key:
        yield required(f"{path}.key", "must be specified")
    if operator in ("In", "NotIn") and not values:
        yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in ("Exists", "DoesNotExist") and values:
        yield FieldError(f"{path}.values", "FieldValueForbidden",
                         "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'")  # fmt: skip

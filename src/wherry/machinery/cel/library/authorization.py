"""authorizer: asking, within an expression, what a user may do.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, NamedTuple

from wherry.machinery import names
from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.operators import size_of
from wherry.machinery.cel.types import Opaque, Type

_PACKAGE = "kubernetes.authorization"
AUTHORIZER = Opaque(f"{_PACKAGE}.Authorizer")
RESOURCE_CHECK = Opaque(f"{_PACKAGE}.ResourceCheck")


class Question(NamedTuple):
    """What is asked. `account`: namespace and name of a service account to ask for; () asks for the requesting user."""

    verb: str
    account: tuple[str, ...] = ()
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


_NOTHING_ASKED = Question("")


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer."""

    allowed: bool
    reason: str = ""
    error: str = ""

    @property
    def cel_type(self) -> Type:
        """The type's name."""
        return Opaque(f"{_PACKAGE}.Decision")


Ask = Callable[[Question], Decision]


@dataclass(frozen=True, slots=True)
class Check:
    """A question on its way: bind one of kind "Authorizer" as `authorizer`."""

    ask: Ask
    kind: str = "Authorizer"  # Authorizer | PathCheck | GroupCheck | ResourceCheck
    question: Question = _NOTHING_ASKED

    @property
    def cel_type(self) -> Type:
        """The type's name."""
        return Opaque(f"{_PACKAGE}.{self.kind}")


def _with(kind: str, field: str) -> Any:
    def run(own: Check, value: str) -> Check:
        changed: dict[str, Any] = {field: value}
        return replace(own, kind=kind, question=own.question._replace(**changed))

    return run


def _filled(kind: str, field: str, what: str) -> Any:
    def run(own: Check, value: str) -> Check:
        if not value.strip():
            raise EvaluationError(f"{what} must not be empty")
        changed: dict[str, Any] = {field: value}
        return replace(own, kind=kind, question=own.question._replace(**changed))

    return run


def _account(own: Check, namespace: str, name: str) -> Check:
    if names.dns_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if names.dns_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    return replace(own, question=own.question._replace(account=(namespace, name)))


def _check(own: Check, verb: str) -> Decision:
    return own.ask(own.question._replace(verb=verb))


def _asking(_: Sequence[Any], __: Any) -> int:
    return 350_000


def _selecting(args: Sequence[Any], _: Any) -> int:
    length = size_of(args[1])
    return costs.MAKE_LIST + costs.traversed(length) + ceil(length * 0.5) * (costs.MAKE_LIST + costs.MAKE_OBJECT)


def _is(kind: str) -> str:
    return f"{_PACKAGE}.{kind}"


AUTHORIZATION: tuple[Overload, ...] = (
    overload(
        "authorizer_path",
        f"[{_is('Authorizer')}] path(string) -> {_is('PathCheck')}",
        _filled("PathCheck", "path", "path"),
    ),
    overload(
        "authorizer_group", f"[{_is('Authorizer')}] group(string) -> {_is('GroupCheck')}", _with("GroupCheck", "group")
    ),
    overload(
        "authorizer_serviceaccount",
        f"[{_is('Authorizer')}] serviceAccount(string, string) -> {_is('Authorizer')}",
        _account,
    ),
    overload(
        "groupcheck_resource",
        f"[{_is('GroupCheck')}] resource(string) -> {_is('ResourceCheck')}",
        _filled("ResourceCheck", "resource", "resource"),
    ),
    *(
        overload(
            f"resourcecheck_{name}",
            f"[{_is('ResourceCheck')}] {name}(string) -> {_is('ResourceCheck')}",
            _with("ResourceCheck", name),
        )
        for name in ("subresource", "namespace", "name")
    ),
    overload(
        "authorizer_fieldselector",
        f"[{_is('ResourceCheck')}] fieldSelector(string) -> {_is('ResourceCheck')}",
        _with("ResourceCheck", "field_selector"),
        _selecting,
    ),
    overload(
        "authorizer_labelselector",
        f"[{_is('ResourceCheck')}] labelSelector(string) -> {_is('ResourceCheck')}",
        _with("ResourceCheck", "label_selector"),
        _selecting,
    ),
    overload("pathcheck_check", f"[{_is('PathCheck')}] check(string) -> {_is('Decision')}", _check, _asking),
    overload("resourcecheck_check", f"[{_is('ResourceCheck')}] check(string) -> {_is('Decision')}", _check, _asking),
    overload("decision_errored", f"[{_is('Decision')}] errored() -> bool", lambda own: bool(own.error)),
    overload("decision_error", f"[{_is('Decision')}] error() -> string", lambda own: own.error),
    overload("decision_allowed", f"[{_is('Decision')}] allowed() -> bool", lambda own: own.allowed),
    overload("decision_reason", f"[{_is('Decision')}] reason() -> string", lambda own: own.reason),
)

"""Evaluation: the expressions of policies and match conditions on one request, with one parameter.

Owns what variables are bound to, the policy's own variables (worked out at most once), the budget, and upstream's words
for what goes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wherry.api.admissionregistration.expressions import Compiled, namespace_type
from wherry.api.core.namespace import NAMESPACE
from wherry.apiserver.admission.matching import Place
from wherry.apiserver.admission.policies.authorizer import asking
from wherry.apiserver.admission.policies.compiled import Condition
from wherry.apiserver.admission.policies.views import seen
from wherry.apiserver.admission.request import Request
from wherry.machinery import codec
from wherry.machinery.cel.budget import MATCH_CONDITIONS_BUDGET, Budget
from wherry.machinery.cel.errors import BudgetExceeded, EvaluationError
from wherry.machinery.cel.library.authorization import Check, Question
from wherry.machinery.cel.schema import bind

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class Failed(Exception):
    """An expression could not be evaluated; the message is upstream's."""


class OutOfBudget(Failed):
    """The expressions cost more than they may together."""


class Variables(Mapping[str, Any]):
    """`variables`: each is evaluated when somebody first asks, on the budget of whoever asks."""

    def __init__(self, own: Sequence[tuple[str, Compiled]], bindings: Mapping[str, Any]) -> None:
        self._own = dict(own)
        self._bindings = bindings
        self._known: dict[str, Any] = {}
        self.budget = Budget()

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._evaluated(name, self._own[name])
        found = self._known[name]
        if isinstance(found, EvaluationError):
            raise found
        return found

    def _evaluated(self, name: str, own: Compiled) -> Any:
        if own.program is None:
            return EvaluationError(f'composited variable "{name}" fails to compile: {own.error}')
        try:
            return own.program.evaluate(self._bindings, self.budget)
        except EvaluationError as error:
            return EvaluationError(f'composited variable "{name}" fails to evaluate: {error}')

    def __contains__(self, name: object) -> bool:
        return name in self._own

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


async def bindings_of(request: Request, place: Place) -> dict[str, Any]:
    """What the expressions of anybody who sees this place are about, but for parameters and variables."""
    asked = request.asked
    ask = asking(request.api, request.ctx.user)
    here = Question("", group=asked.place.group, resource=asked.place.resource, subresource=asked.subresource,
                    namespace=asked.namespace, name=asked.name)  # fmt: skip
    return {
        "object": seen(await request.object_at(place), request.obj),
        "oldObject": seen(await request.old_at(place), request.old),
        "request": request.attributes(place),
        "namespaceObject": _namespace(request.api, request),
        "authorizer": Check(ask),
        "authorizer.requestResource": Check(ask, "ResourceCheck", here),
    }


def _namespace(api: Api, request: Request) -> Any:
    if not request.asked.namespace or request.asked.of_namespace:
        return None
    entry = api.find(NAMESPACE, "", request.asked.namespace)
    if entry is None:
        return None
    raw = codec.to_dict(entry.obj)
    raw["metadata"] = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    return bind(raw, namespace_type())


class Evaluation:
    """One policy on one request, with one parameter."""

    def __init__(
        self, bindings: Mapping[str, Any], variables: Sequence[tuple[str, Compiled]] = (), params: Any = None
    ) -> None:
        self._bindings: dict[str, Any] = {**bindings, "params": params}
        self._own = variables
        self._fresh()

    def _fresh(self) -> None:
        self._variables = Variables(self._own, self._bindings)
        self._bindings["variables"] = self._variables

    def bind_object(self, obj: Any) -> None:
        """Somebody has changed the object: variables are worked out anew."""
        self._bindings["object"] = obj
        self._fresh()

    def value(self, own: Compiled, budget: Budget) -> Any:
        """The value of an expression. Raises Failed, OutOfBudget."""
        if own.program is None:
            raise Failed(f"compilation error: {own.error}")
        self._variables.budget = budget
        try:
            return own.program.evaluate(self._bindings, budget)
        except BudgetExceeded:
            raise OutOfBudget(OUT_OF_BUDGET) from None
        except EvaluationError as error:
            raise Failed(f"expression '{own.text}' resulted in error: {error}") from None

    def matches(self, conditions: Sequence[Condition]) -> bool:
        """Whether all match conditions hold; one that is false decides, whatever else fails. Raises Failed."""
        budget = Budget(MATCH_CONDITIONS_BUDGET)
        errors: list[str] = []
        for condition in conditions:
            try:
                if self.value(condition.expression, budget) is False:
                    return False
            except OutOfBudget:
                raise
            except Failed as error:
                errors.append(str(error))
        if errors:
            raise Failed(errors[0] if len(errors) == 1 else f"[{', '.join(dict.fromkeys(errors))}]")
        return True

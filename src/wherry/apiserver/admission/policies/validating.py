"""ValidatingAdmissionPolicy: expressions that a request must satisfy.

A policy takes effect through its bindings: each names parameters, and what becomes of a violation (Deny, Warn, Audit).
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from wherry.apiserver.admission.matching import Place
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.policies.table import Bound
from wherry.apiserver.admission.request import Request
from wherry.apiserver.context import Context
from wherry.machinery.errors import APIError, Cause, Forbidden, Invalid, TooLarge

if TYPE_CHECKING:
    from wherry.apiserver.admission.policies.compiled import Check, Validating
    from wherry.apiserver.admission.policies.evaluation import Evaluation
    from wherry.apiserver.api import Api
    from wherry.machinery.cel.budget import Budget

_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_MESSAGE_LIMIT: Final = 5 * 1024
_ANNOTATION_LIMIT: Final = 10 * 1024
_FAILURES_LIMIT: Final = 50
_FAILURES: Final = "validation.policy.admission.k8s.io/validation_failure"
_ERRORS: Final[dict[str, type[APIError]]] = {
    "Forbidden": Forbidden,
    "Invalid": Invalid,
    "RequestEntityTooLarge": TooLarge,
}


class Violation(NamedTuple):
    """What a policy has against a request. `binding` "": the policy itself is the problem."""

    policy: str
    binding: str
    message: str
    reason: str = "Invalid"
    position: int = 0

    def __str__(self) -> str:
        bound = f" with binding '{self.binding}'" if self.binding else ""
        return f"ValidatingAdmissionPolicy '{self.policy}'{bound} denied request: {self.message}"


class _Verdict(NamedTuple):
    """What one evaluation came to: violations with the index of their expressions, and audit annotations."""

    violations: list[tuple[int, str, str]]  # index, message, reason
    annotations: list[tuple[str, str]]
    errors: list[str]  # annotations that could not be worked out, where that refuses the request


class _Findings:
    """What all policies together have to say about one request."""

    def __init__(self) -> None:
        self.denied: list[Violation] = []
        self.audited: list[dict[str, Any]] = []
        self.warnings: list[str] = []


async def _validate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    table = api.policies.validating
    if not table.bound:
        return
    request = Request(api, ctx, obj, old)
    relevant = table.relevant(request.asked)
    if not relevant:
        return
    findings = _Findings()
    for bound, place in relevant:
        await _policy(request, bound, place, findings)
    for text in findings.warnings:
        ctx.warn(text)
    if findings.audited:
        ctx.annotations[_FAILURES] = msgspec.json.encode(findings.audited[:_FAILURES_LIMIT]).decode()
    if findings.denied:
        raise _refusal(ctx, findings.denied[0])


def _refusal(ctx: Context[Any], first: Violation) -> APIError:
    named = f' "{ctx.name}"' if ctx.name else ""
    error = _ERRORS.get(first.reason, Invalid)
    return error(f"{ctx.resource}{named} is forbidden: {first}", details=ctx.details, causes=[Cause("", str(first))])


async def _policy(request: Request, bound: Bound[Validating], place: Place, findings: _Findings) -> None:
    from wherry.apiserver.admission.policies.evaluation import Failed, bindings_of
    from wherry.apiserver.admission.policies.scope import admitted, bound_here

    try:
        if not admitted(request, bound.policy.spec.match_constraints):
            return
    except Failed as error:
        _misconfigured(bound, "", error, findings)
        return
    annotations: dict[str, list[str]] = {}
    bindings: dict[str, Any] | None = None
    for binding in bound.bindings:
        try:
            if not bound_here(request, binding):
                continue
            params = _params(request, bound, binding)
        except Failed as error:
            _misconfigured(bound, binding.metadata.name, error, findings)
            continue
        if params and bindings is None:
            bindings = await bindings_of(request, place)
        for param in params:
            verdict = _evaluated(bound, bindings or {}, param)
            _collect(bound, binding, verdict, findings)
            _annotate(annotations, verdict)
    for key, values in annotations.items():
        request.ctx.annotations[f"{bound.name}/{key}"] = ", ".join(values)


def _params(request: Request, bound: Bound[Any], binding: Any) -> list[Any]:
    from wherry.apiserver.admission.policies.params import params_of

    return params_of(request.api, bound.policy.spec.param_kind, binding.spec.param_ref, request.asked.namespace)


def _misconfigured(bound: Bound[Any], binding: str, error: Exception, findings: _Findings) -> None:
    if not bound.ignores_failures:
        what = f"failed to configure {'binding' if binding else 'policy'}: {error}"
        findings.denied.append(Violation(bound.name, binding, what))


def _collect(bound: Bound[Any], binding: Any, verdict: _Verdict, findings: _Findings) -> None:
    name, actions = binding.metadata.name, binding.spec.validation_actions
    for index, message, reason in verdict.violations:
        violation = Violation(bound.name, name, message, reason, index)
        if "Deny" in actions:
            findings.denied.append(violation)
        if "Warn" in actions:
            who = f"Validation failed for ValidatingAdmissionPolicy '{bound.name}' with binding '{name}'"
            findings.warnings.append(f"{who}: {message}")
        if "Audit" in actions:
            findings.audited.append({
                "message": message,
                "policy": bound.name,
                "binding": name,
                "expressionIndex": index,
                "validationActions": list(actions),
            })  # fmt: skip
    findings.denied += [Violation(bound.name, name, message) for message in verdict.errors]


def _annotate(annotations: dict[str, list[str]], verdict: _Verdict) -> None:
    for key, value in verdict.annotations:
        values = annotations.setdefault(key, [])
        if value not in values:
            values.append(value)


# --- One policy, one parameter ---


def _evaluated(bound: Bound[Validating], bindings: dict[str, Any], param: Any) -> _Verdict:
    from wherry.apiserver.admission.policies.evaluation import Evaluation, Failed

    compiled = bound.compiled
    evaluation = Evaluation(bindings, compiled.common.variables, param)
    failing = not bound.ignores_failures
    try:
        if not evaluation.matches(compiled.common.conditions):
            return _Verdict([], [], [])
        violations = list(_violations(bound, evaluation, failing=failing))
        annotations, errors = _annotations(bound, evaluation)
    except Failed as error:
        return _Verdict([(0, str(error), "Invalid")] if failing else [], [], [])
    return _Verdict(violations, annotations, errors if failing else [])


def _violations(bound: Bound[Validating], evaluation: Evaluation, *, failing: bool) -> Iterator[tuple[int, str, str]]:
    from wherry.apiserver.admission.policies.evaluation import Failed, OutOfBudget
    from wherry.machinery.cel.budget import Budget

    budget = Budget()
    for index, check in enumerate(bound.compiled.checks):
        own = bound.policy.spec.validations[index]
        try:
            if evaluation.value(check.expression, budget) is True:
                continue
        except OutOfBudget:
            raise
        except Failed as error:
            if failing:
                yield index, str(error), "Invalid"
            continue
        yield index, _message(own, check, evaluation, budget), own.reason or "Invalid"


def _message(own: Any, check: Check, evaluation: Evaluation, budget: Budget) -> str:
    from wherry.apiserver.admission.policies.evaluation import Failed, OutOfBudget

    text = ""
    if check.message is not None:
        try:
            value = evaluation.value(check.message, budget)
            text = value.strip() if isinstance(value, str) else ""
        except OutOfBudget:
            raise
        except Failed:
            text = ""
        if len(text.encode()) > _MESSAGE_LIMIT or "\n" in text:
            text = ""
    return text or own.message.strip() or f"failed expression: {own.expression.strip()}"


def _annotations(bound: Bound[Validating], evaluation: Evaluation) -> tuple[list[tuple[str, str]], list[str]]:
    from wherry.apiserver.admission.policies.evaluation import Failed, OutOfBudget
    from wherry.machinery.cel.budget import Budget

    budget = Budget()
    found: list[tuple[str, str]] = []
    errors: list[str] = []
    for key, expression in bound.compiled.annotations:
        try:
            value = evaluation.value(expression, budget)
        except OutOfBudget:
            raise
        except Failed as error:
            errors.append(str(error))
            continue
        if isinstance(value, str) and value.strip():
            found.append((key, value.strip()[:_ANNOTATION_LIMIT]))
    return found, errors


PLUGIN = Plugin("ValidatingAdmissionPolicy", ask_validate=_validate, operations=_OPERATIONS, subresources=None)

"""admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.admissionregistration.expressions import Sight, check_conditions, check_expression, check_variables
from wherry.api.admissionregistration.policies import (
    check_constraints,
    check_failure_policy,
    check_param_kind,
    check_text,
)
from wherry.api.admissionregistration.webhooks import default_matches
from wherry.api.checks import Errors, unsupported
from wherry.api.columns import AGE, parameters_of
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.admissionregistration import AuditAnnotation, ValidatingAdmissionPolicy, Validation
from wherry.machinery.names import label_key
from wherry.machinery.resource import Column
from wherry.machinery.validation import duplicate, invalid, required

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
MAX_ANNOTATIONS = 20
MAX_VALUE_EXPRESSION = 5 * 1024

COLUMNS: tuple[Column[ValidatingAdmissionPolicy], ...] = (
    Column("Validations", lambda p, _: len(p.spec.validations), type="integer"),
    Column("ParamKind", lambda p, _: parameters_of(p.spec.param_kind)),
    AGE,
)


def default(policy: ValidatingAdmissionPolicy) -> ValidatingAdmissionPolicy:
    """Failing closed."""
    return within(
        policy, spec=lambda spec: within(fill(spec, failure_policy="Fail"), match_constraints=default_matches)
    )


def validate(new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy | None) -> Errors:
    """What it is about, and something to do there; expressions that compile."""
    spec = new.spec
    yield from check_failure_policy(spec.failure_policy)
    yield from check_param_kind(spec.param_kind)
    yield from check_constraints(spec.match_constraints)
    if old is None or (old.spec.param_kind, old.spec.match_conditions) != (spec.param_kind, spec.match_conditions):
        yield from check_conditions(
            "spec.matchConditions", spec.match_conditions, params=spec.param_kind is not None
        )  # fmt: skip
    problems, sight = check_variables("spec.variables", spec.variables, Sight(params=spec.param_kind is not None))
    yield from problems
    if not spec.validations and not spec.audit_annotations:
        why = "validations or auditAnnotations must contain at least one item"
        yield required("spec.validations", why)
        yield required("spec.auditAnnotations", why)
    for index, validation in enumerate(spec.validations):
        yield from _validation(f"spec.validations[{index}]", validation, sight)
    yield from _annotations("spec.auditAnnotations", new, sight)


def _validation(path: str, own: Validation, sight: Sight) -> Errors:
    from wherry.machinery.cel.types import BOOL, STRING

    if own.expression.strip():
        yield from check_expression(f"{path}.expression", own.expression, sight, BOOL)
    else:
        yield required(f"{path}.expression", "expression is not specified")
    at = f"{path}.messageExpression"
    if own.message_expression and not own.message_expression.strip():
        yield invalid(at, own.message_expression, "must be non-empty if specified")
    elif own.message_expression:
        yield from check_expression(at, own.message_expression, sight._replace(authorizer=False), STRING)
    yield from check_text(f"{path}.message", own.message)
    if own.reason is not None and own.reason not in REASONS:
        yield unsupported(f"{path}.reason", own.reason, REASONS)


def _annotations(path: str, policy: ValidatingAdmissionPolicy, sight: Sight) -> Errors:
    annotations = policy.spec.audit_annotations
    if len(annotations) > MAX_ANNOTATIONS:
        yield invalid(path, annotations, f"must not have more than {MAX_ANNOTATIONS} auditAnnotations")
    seen: set[str] = set()
    for index, own in enumerate(annotations):
        at = f"{path}[{index}]"
        yield from _annotation(at, policy.metadata.name, own, sight)
        if own.key in seen:
            yield duplicate(f"{at}.key", own.key)
        seen.add(own.key)


def _annotation(path: str, name: str, own: AuditAnnotation, sight: Sight) -> Errors:
    from wherry.machinery.cel.types import NULL, STRING

    if name:
        for problem in label_key(f"{name}/{own.key}"):
            yield invalid(f"{path}.key", f"{name}/{own.key}", problem)
    else:
        yield invalid(f"{path}.key", own.key, "requires metadata.name be non-empty")
    text = own.value_expression.strip()
    at = f"{path}.valueExpression"
    if not text:
        yield required(at, "valueExpression is not specified")
    elif len(text.encode()) > MAX_VALUE_EXPRESSION:
        yield required(at, f"must not exceed {MAX_VALUE_EXPRESSION} bytes in length")
    else:
        yield from check_expression(at, text, sight, (STRING, NULL), own.value_expression)


VALIDATINGADMISSIONPOLICY = declare(ValidatingAdmissionPolicy, columns=COLUMNS, default=default, validate=validate)

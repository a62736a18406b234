"""Policies with their expressions compiled, once for each version of a policy.

What does not compile is kept with its error: it fails when it is asked, as the failure policy says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from wherry.api.admissionregistration.expressions import Compiled, Sight, compiled, variable_type
from wherry.api.admissionregistration.mutatingadmissionpolicy import patch_result
from wherry.api.types.admissionregistration import (
    MatchCondition,
    MutatingAdmissionPolicy,
    ValidatingAdmissionPolicy,
    Variable,
)
from wherry.machinery.cel.types import BOOL, NULL, STRING


class Condition(NamedTuple):
    """A match condition."""

    name: str
    expression: Compiled


class Common(NamedTuple):
    """What both kinds of policy have: `variables` by name, in order."""

    variables: tuple[tuple[str, Compiled], ...]
    conditions: tuple[Condition, ...]


class Check(NamedTuple):
    """A validation: `message` is its messageExpression, if it has one."""

    expression: Compiled
    message: Compiled | None


class Validating(NamedTuple):
    """A ValidatingAdmissionPolicy."""

    common: Common
    checks: tuple[Check, ...]
    annotations: tuple[tuple[str, Compiled], ...]


class Mutating(NamedTuple):
    """A MutatingAdmissionPolicy: patch type and expression of each mutation."""

    common: Common
    mutations: tuple[tuple[str, Compiled], ...]


def compile_conditions(conditions: Sequence[MatchCondition], sight: Sight) -> tuple[Condition, ...]:
    """Match conditions of a policy or webhook."""
    return tuple(Condition(own.name, compiled(own.expression, sight, BOOL)) for own in conditions)


def compile_validating(policy: ValidatingAdmissionPolicy) -> Validating:
    """Everything that a validating policy says."""
    spec = policy.spec
    variables, sight = _variables(spec.variables, params=spec.param_kind is not None)
    silent = sight._replace(authorizer=False)
    checks = tuple(
        Check(
            compiled(own.expression, sight, BOOL),
            compiled(own.message_expression, silent, STRING) if own.message_expression.strip() else None,
        )
        for own in spec.validations
    )
    annotations = tuple(
        (own.key, compiled(own.value_expression.strip(), sight, (STRING, NULL))) for own in spec.audit_annotations
    )
    return Validating(Common(variables, compile_conditions(spec.match_conditions, sight)), checks, annotations)


def compile_mutating(policy: MutatingAdmissionPolicy) -> Mutating:
    """Everything that a mutating policy says."""
    spec = policy.spec
    variables, sight = _variables(spec.variables, params=spec.param_kind is not None)
    changing = sight._replace(patches=True)
    mutations: list[tuple[str, Compiled]] = []
    for own in spec.mutations:
        patch: Any = own.json_patch if own.patch_type == "JSONPatch" else own.apply_configuration
        text = "" if patch is None else patch.expression.strip()
        mutations.append((own.patch_type, compiled(text, changing, patch_result(own.patch_type))))
    common = Common(variables, compile_conditions(spec.match_conditions, sight))
    return Mutating(common, tuple(mutations))


def _variables(variables: Sequence[Variable], *, params: bool) -> tuple[tuple[tuple[str, Compiled], ...], Sight]:
    found: list[tuple[str, Compiled]] = []
    sight = Sight(params=params, variables={})
    for own in variables:
        program = compiled(own.expression, sight, None)
        found.append((own.name, program))
        sight = sight._replace(variables={**(sight.variables or {}), own.name: variable_type(program)})
    return tuple(found), sight

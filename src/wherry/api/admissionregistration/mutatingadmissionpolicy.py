"""admissionregistration.k8s.io/v1 MutatingAdmissionPolicy: what the API adds to its schema."""

from __future__ import annotations

from typing import Any

from wherry.api.admissionregistration.expressions import Sight, check_conditions, check_expression, check_variables
from wherry.api.admissionregistration.policies import (
    check_constraints,
    check_failure_policy,
    check_mutated,
    check_param_kind,
)
from wherry.api.admissionregistration.webhooks import default_matches
from wherry.api.checks import Errors, unsupported
from wherry.api.columns import AGE, parameters_of
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.admissionregistration import (
    ApplyConfiguration,
    JSONPatch,
    MutatingAdmissionPolicy,
    Mutation,
)
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required

REINVOCATION = ("IfNeeded", "Never")

COLUMNS: tuple[Column[MutatingAdmissionPolicy], ...] = (
    Column("Mutations", lambda p, _: len(p.spec.mutations), type="integer"),
    Column("ParamKind", lambda p, _: parameters_of(p.spec.param_kind)),
    AGE,
)


def default(policy: MutatingAdmissionPolicy) -> MutatingAdmissionPolicy:
    """Failing closed."""
    return within(
        policy, spec=lambda spec: within(fill(spec, failure_policy="Fail"), match_constraints=default_matches)
    )


def validate(new: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy | None) -> Errors:
    """What it is about, and something to do there; expressions that compile."""
    spec = new.spec
    yield from check_failure_policy(spec.failure_policy)
    yield from check_param_kind(spec.param_kind)
    yield from check_constraints(spec.match_constraints)
    yield from check_mutated("spec.matchConstraints", spec.match_constraints)
    if old is None or (old.spec.param_kind, old.spec.match_conditions) != (spec.param_kind, spec.match_conditions):
        yield from check_conditions(
            "spec.matchConditions", spec.match_conditions, params=spec.param_kind is not None
        )  # fmt: skip
    problems, sight = check_variables("spec.variables", spec.variables, Sight(params=spec.param_kind is not None))
    yield from problems
    if not spec.mutations:
        yield required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(spec.mutations):
        yield from _mutation(f"spec.mutations[{index}]", mutation, sight._replace(patches=True))
    if not spec.reinvocation_policy:
        yield required("spec.reinvocationPolicy")
    elif spec.reinvocation_policy not in REINVOCATION:
        yield unsupported("spec.reinvocationPolicy", spec.reinvocation_policy, REINVOCATION)


def _mutation(path: str, own: Mutation, sight: Sight) -> Errors:
    match own.patch_type:
        case "":
            yield required(f"{path}.patchType")
        case "JSONPatch":
            yield from _patch(f"{path}.jsonPatch", own.json_patch, "JSONPatch", sight)
            if own.apply_configuration is not None:
                why = "must not be specified when patchType is JSONPatch"
                yield invalid(f"{path}.applyConfiguration", "{applyConfiguration}", why)
        case "ApplyConfiguration":
            yield from _patch(f"{path}.applyConfiguration", own.apply_configuration, "ApplyConfiguration", sight)
            if own.json_patch is not None:
                why = "must not be specified when patchType is ApplyConfiguration"
                yield invalid(f"{path}.jsonPatch", "{jsonPatch}", why)
        case _:
            yield unsupported(f"{path}.patchType", own.patch_type, ("ApplyConfiguration", "JSONPatch"))


def _patch(path: str, own: JSONPatch | ApplyConfiguration | None, kind: str, sight: Sight) -> Errors:
    if own is None:
        yield required(path, f"must be specified when patchType is {kind}")
    elif not own.expression.strip():
        yield required(f"{path}.expression")
    else:
        yield from check_expression(f"{path}.expression", own.expression.strip(), sight, patch_result(kind))


def patch_result(kind: str) -> Any:
    """What the expression of a mutation must evaluate to."""
    from wherry.machinery.cel.types import ListOf, ObjectType

    return ListOf(ObjectType("JSONPatch", {})) if kind == "JSONPatch" else ObjectType("Object", {})


MUTATINGADMISSIONPOLICY = declare(MutatingAdmissionPolicy, columns=COLUMNS, default=default, validate=validate)

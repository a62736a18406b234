"""admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.admissionregistration.policies import check_mutated
from wherry.api.admissionregistration.webhooks import check_binding, default_matches
from wherry.api.checks import Errors
from wherry.api.columns import AGE, parameter_reference
from wherry.api.declare import declare
from wherry.api.defaulting import within
from wherry.api.types.admissionregistration import MutatingAdmissionPolicyBinding
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[MutatingAdmissionPolicyBinding], ...] = (
    Column("PolicyName", lambda b, _: b.spec.policy_name),
    Column("ParamRef", lambda b, _: parameter_reference(b.spec.param_ref)),
    AGE,
)


def default(binding: MutatingAdmissionPolicyBinding) -> MutatingAdmissionPolicyBinding:
    """What it is about, everywhere unless it says otherwise."""
    return within(binding, spec=lambda spec: within(spec, match_resources=default_matches))


def validate(new: MutatingAdmissionPolicyBinding, old: MutatingAdmissionPolicyBinding | None) -> Errors:
    """A policy and where it holds."""
    yield from check_binding(new.spec, actions=None)
    yield from check_mutated("spec.matchResources", new.spec.match_resources)


MUTATINGADMISSIONPOLICYBINDING = declare(
    MutatingAdmissionPolicyBinding, columns=COLUMNS, default=default, validate=validate
)

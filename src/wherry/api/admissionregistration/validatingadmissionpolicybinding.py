"""admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.columns import AGE, parameter_reference
from wherry.api.declare import declare
from wherry.api.types.admissionregistration import ValidatingAdmissionPolicyBinding
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ValidatingAdmissionPolicyBinding], ...] = (
    Column("PolicyName", lambda b, _: b.spec.policy_name),
    Column("ParamRef", lambda b, _: parameter_reference(b.spec.param_ref)),
    AGE,
)

VALIDATINGADMISSIONPOLICYBINDING = declare(ValidatingAdmissionPolicyBinding, columns=COLUMNS)

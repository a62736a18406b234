"""admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.columns import AGE, parameters_of
from wherry.api.declare import declare
from wherry.api.types.admissionregistration import ValidatingAdmissionPolicy
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ValidatingAdmissionPolicy], ...] = (
    Column("Validations", lambda p, _: len(p.spec.validations), type="integer"),
    Column("ParamKind", lambda p, _: parameters_of(p.spec.param_kind)),
    AGE,
)

VALIDATINGADMISSIONPOLICY = declare(ValidatingAdmissionPolicy, columns=COLUMNS)

"""admissionregistration.k8s.io/v1 MutatingAdmissionPolicy: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.columns import AGE, parameters_of
from wherry.api.declare import declare
from wherry.api.types.admissionregistration import MutatingAdmissionPolicy
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[MutatingAdmissionPolicy], ...] = (
    Column("Mutations", lambda p, _: len(p.spec.mutations), type="integer"),
    Column("ParamKind", lambda p, _: parameters_of(p.spec.param_kind)),
    AGE,
)

MUTATINGADMISSIONPOLICY = declare(MutatingAdmissionPolicy, columns=COLUMNS)

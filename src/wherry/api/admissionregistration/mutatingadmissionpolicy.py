"""admissionregistration.k8s.io/v1 MutatingAdmissionPolicy: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.admissionregistration.webhooks import check_matches, default_matches
from wherry.api.checks import Errors
from wherry.api.columns import AGE, parameters_of
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.admissionregistration import MutatingAdmissionPolicy
from wherry.machinery.resource import Column
from wherry.machinery.validation import required

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
    """What it is about, and something to do there. Expressions are compiled where they are run."""
    yield from check_matches("spec.matchConstraints", new.spec.match_constraints, needed=True)
    if not new.spec.mutations:
        yield required("spec.mutations", "mutations must contain at least one item")


MUTATINGADMISSIONPOLICY = declare(MutatingAdmissionPolicy, columns=COLUMNS, default=default, validate=validate)

"""rbac.authorization.k8s.io/v1 RoleBinding: what the API adds to its schema (`wherry.api.types.rbac`)."""

from __future__ import annotations

from wherry.api.checks import Errors, immutable
from wherry.api.columns import AGE, subjects_of
from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.rbac.rules import check_binding, default_role_ref, default_subject
from wherry.api.types.rbac import RoleBinding
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[RoleBinding], ...] = (
    Column("Role", lambda b, _: f"{b.role_ref.kind}/{b.role_ref.name}"),
    AGE,
    Column("Users", lambda b, _: subjects_of(b.subjects, "User"), wide=True),
    Column("Groups", lambda b, _: subjects_of(b.subjects, "Group"), wide=True),
    Column("ServiceAccounts", lambda b, _: subjects_of(b.subjects, "ServiceAccount"), wide=True),
)


def default(binding: RoleBinding) -> RoleBinding:
    """Roles, users and groups are of the RBAC group."""
    return within(binding, role_ref=default_role_ref, subjects=each(default_subject))


def validate(new: RoleBinding, old: RoleBinding | None) -> Errors:
    """A role that can be, and somebody to have it; the role stays."""
    yield from check_binding(new.role_ref, new.subjects, namespaced=True)
    if old is not None:
        yield from immutable("roleRef", new.role_ref, old.role_ref)


ROLEBINDING = declare(RoleBinding, columns=COLUMNS, default=default, validate=validate)

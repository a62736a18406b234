"""rbac.authorization.k8s.io/v1 Role: what the API adds to its schema (`wherry.api.types.rbac`)."""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.declare import declare
from wherry.api.rbac.rules import check_rules
from wherry.api.types.rbac import Role


def validate(new: Role, old: Role | None) -> Errors:
    """Rules that allow something."""
    return check_rules(new.rules, namespaced=True)


ROLE = declare(Role, validate=validate)

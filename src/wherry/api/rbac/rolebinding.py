"""rbac.authorization.k8s.io/v1 RoleBinding: what the API adds to its schema (`wherry.api.types.rbac`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.rbac import RoleBinding

ROLEBINDING = declare(RoleBinding)

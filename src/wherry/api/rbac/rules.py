"""Roles, references and subjects: what the four RBAC kinds share.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from wherry.api.defaulting import fill
from wherry.api.types.rbac import RoleRef, Subject

GROUP = "rbac.authorization.k8s.io"


def default_role_ref(ref: RoleRef) -> RoleRef:
    """Roles are of the RBAC group."""
    return fill(ref, api_group=GROUP)


def default_subject(subject: Subject) -> Subject:
    """Users and groups are of the RBAC group, service accounts of the core group."""
    return fill(subject, api_group=GROUP) if subject.kind in ("User", "Group") else subject

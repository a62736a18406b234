"""Generated from the Kubernetes API schema by hack/generate_types.py: rbac. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import LabelSelector, Model, Object, empty_text, no_items, shown


class AggregationRule(Model, frozen=True):
    """io.k8s.api.rbac.v1.AggregationRule"""

    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class ClusterRole(Object, frozen=True):
    """io.k8s.api.rbac.v1.ClusterRole"""

    kind: str = field(default_factory=lambda: "ClusterRole")
    api_version: str = field(default_factory=lambda: "rbac.authorization.k8s.io/v1")
    aggregation_rule: AggregationRule | None = None
    rules: tuple[PolicyRule, ...] = field(default_factory=no_items)


class RoleRef(Model, frozen=True):
    """io.k8s.api.rbac.v1.RoleRef"""

    api_group: str = field(default_factory=empty_text)
    kind: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class PolicyRule(Model, frozen=True):
    """io.k8s.api.rbac.v1.PolicyRule"""

    api_groups: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = field(default=(), name="nonResourceURLs")
    resource_names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = field(default_factory=no_items)


class Role(Object, frozen=True):
    """io.k8s.api.rbac.v1.Role"""

    kind: str = field(default_factory=lambda: "Role")
    api_version: str = field(default_factory=lambda: "rbac.authorization.k8s.io/v1")
    rules: tuple[PolicyRule, ...] = field(default_factory=no_items)


class Subject(Model, frozen=True):
    """io.k8s.api.rbac.v1.Subject"""

    api_group: str = ""
    kind: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    namespace: str = ""


class ClusterRoleBinding(Object, frozen=True):
    """io.k8s.api.rbac.v1.ClusterRoleBinding"""

    kind: str = field(default_factory=lambda: "ClusterRoleBinding")
    api_version: str = field(default_factory=lambda: "rbac.authorization.k8s.io/v1")
    role_ref: RoleRef = field(default_factory=shown(RoleRef))
    subjects: tuple[Subject, ...] = ()


class RoleBinding(Object, frozen=True):
    """io.k8s.api.rbac.v1.RoleBinding"""

    kind: str = field(default_factory=lambda: "RoleBinding")
    api_version: str = field(default_factory=lambda: "rbac.authorization.k8s.io/v1")
    role_ref: RoleRef = field(default_factory=shown(RoleRef))
    subjects: tuple[Subject, ...] = ()

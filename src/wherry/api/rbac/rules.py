"""Roles, references and subjects: what the four RBAC kinds share.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from wherry.api.checks import Errors, named, required_name, unsupported
from wherry.api.defaulting import fill
from wherry.api.types.rbac import PolicyRule, RoleRef, Subject
from wherry.machinery.names import dns_subdomain, path_segment
from wherry.machinery.validation import invalid, required

GROUP = "rbac.authorization.k8s.io"


def default_role_ref(ref: RoleRef) -> RoleRef:
    """Roles are of the RBAC group."""
    return fill(ref, api_group=GROUP)


def default_subject(subject: Subject) -> Subject:
    """Users and groups are of the RBAC group, service accounts of the core group."""
    return fill(subject, api_group=GROUP) if subject.kind in ("User", "Group") else subject


def check_rules(rules: tuple[PolicyRule, ...], *, namespaced: bool) -> Errors:
    """What a role allows: verbs on resources, or in a cluster role on paths."""
    for index, rule in enumerate(rules):
        at = f"rules[{index}]"
        if not rule.verbs:
            yield required(f"{at}.verbs")
        if rule.non_resource_urls:
            where = f"{at}.nonResourceURLs"
            if namespaced:
                yield invalid(where, rule.non_resource_urls, "namespaced rules cannot apply to non-resource URLs")
            if rule.api_groups or rule.resources or rule.resource_names:
                why = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid(where, rule.non_resource_urls, why)
            continue
        if not rule.api_groups:
            yield required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not rule.resources:
            yield required(f"{at}.resources", "resource rules must supply at least one resource")


def check_binding(ref: RoleRef, subjects: tuple[Subject, ...], *, namespaced: bool) -> Errors:
    """A role that can be, and somebody to have it."""
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if ref.api_group != GROUP:
        yield unsupported("roleRef.apiGroup", ref.api_group, (GROUP,))
    if ref.kind not in kinds:
        yield unsupported("roleRef.kind", ref.kind, kinds)
    yield from required_name("roleRef.name", ref.name, path_segment)
    for index, subject in enumerate(subjects):
        yield from _subject(f"subjects[{index}]", subject, namespaced=namespaced)


def _subject(path: str, subject: Subject, *, namespaced: bool) -> Errors:
    if not subject.name:
        yield required(f"{path}.name")
    if subject.kind == "ServiceAccount":
        if subject.name:
            yield from named(f"{path}.name", subject.name, dns_subdomain)
        if subject.api_group:
            yield unsupported(f"{path}.apiGroup", subject.api_group, ("",))
        if not namespaced and not subject.namespace:
            yield required(f"{path}.namespace")
    elif subject.kind in ("User", "Group"):
        if subject.api_group != GROUP:
            yield unsupported(f"{path}.apiGroup", subject.api_group, (GROUP,))
    else:
        yield unsupported(f"{path}.kind", subject.kind, ("ServiceAccount", "User", "Group"))

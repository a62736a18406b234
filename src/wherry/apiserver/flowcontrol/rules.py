"""Which FlowSchema a request belongs to. Pure.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#flowschema
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wherry.api.types.flowcontrol import (
    FlowSchema,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    ResourcePolicyRule,
    Subject,
)
from wherry.apiserver.authn.user import User
from wherry.apiserver.routes import RequestInfo

ALL = "*"


def in_order(schemas: Iterable[FlowSchema]) -> list[FlowSchema]:
    """Schemas in the order in which they are tried: by precedence, then by name."""
    return sorted(schemas, key=lambda schema: (schema.spec.matching_precedence, schema.metadata.name))


def matches(schema: FlowSchema, user: User, info: RequestInfo) -> bool:
    """Whether a request belongs to a schema."""
    return any(_rule(rule, user, info) for rule in schema.spec.rules)


def distinguisher(schema: FlowSchema, user: User, info: RequestInfo) -> str:
    """What sets the flows of a schema apart: the user's name, the namespace, or nothing."""
    method = schema.spec.distinguisher_method
    if method is None:
        return ""
    return user.name if method.type == "ByUser" else info.namespace


def _rule(rule: PolicyRulesWithSubjects, user: User, info: RequestInfo) -> bool:
    if not any(_subject(subject, user) for subject in rule.subjects):
        return False
    if info.is_resource:
        return any(_resource(one, info) for one in rule.resource_rules)
    return any(_plain(one, info) for one in rule.non_resource_rules)


def _subject(subject: Subject, user: User) -> bool:
    if subject.user is not None and subject.kind == "User":
        return subject.user.name in (ALL, user.name)
    if subject.group is not None and subject.kind == "Group":
        return subject.group.name == ALL or subject.group.name in user.groups
    account = subject.service_account
    if account is None or subject.kind != "ServiceAccount" or user.service_account is None:
        return False
    namespace, name = user.service_account
    return account.namespace == namespace and account.name in (ALL, name)


def _has(allowed: Sequence[str], value: str) -> bool:
    return ALL in allowed or value in allowed


def _resource(rule: ResourcePolicyRule, info: RequestInfo) -> bool:
    full = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (_has(rule.verbs, info.verb) and _has(rule.resources, full) and _has(rule.api_groups, info.group)):
        return False
    return _has(rule.namespaces, info.namespace) if info.namespace else rule.cluster_scope


def _plain(rule: NonResourcePolicyRule, info: RequestInfo) -> bool:
    return _has(rule.verbs, info.verb) and any(_path(pattern, info.path) for pattern in rule.non_resource_urls)


def _path(pattern: str, path: str) -> bool:
    if pattern in (ALL, path):
        return True
    prefix = pattern.removesuffix(ALL)
    return path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")

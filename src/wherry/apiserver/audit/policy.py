"""Policy: how much of which request is told, audit.k8s.io/v1 Policy. Pure.

The first rule that matches decides. Bodies of secrets, of token requests and reviews are never told, whatever it says.
https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#audit-policy
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from wherry.apiserver.authn.user import User
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.names import dns_subdomain

Level = Literal["None", "Metadata", "Request", "RequestResponse"]
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
LEVELS = ("None", "Metadata", "Request", "RequestResponse")
_BODILESS = frozenset({
    ("", "secrets", ""), ("", "serviceaccounts", "token"), ("authentication.k8s.io", "tokenreviews", ""),
    ("authentication.k8s.io", "tokenrequests", ""),
})  # fmt: skip
"""(group, resource, subresource) of bodies that hold credentials."""


class BadPolicy(ValueError):
    """The policy cannot be used; the text says where and why."""


class GroupResources(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Resources of one group; "" is the core group, "*" any."""

    group: str = ""
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One rule."""

    level: str = ""
    users: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool | None = None


class Policy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Rules in order."""

    kind: str = "Policy"
    api_version: str = "audit.k8s.io/v1"
    metadata: dict[str, Any] = {}
    rules: tuple[Rule, ...] = ()
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What is told of a request."""

    level: Level = "None"
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def tells(self, stage: str) -> bool:
        """Whether this stage is told."""
        return self.level != "None" and stage not in self.omit_stages


NOTHING = Decision()
_QUIET = Rule(level="None", resources=(
    GroupResources("coordination.k8s.io", ("leases",)), GroupResources("", ("events",)),
    GroupResources("events.k8s.io", ("events",)),
))  # fmt: skip
_REPORTS = Rule(
    level="None",
    user_groups=("system:nodes",),
    resources=(GroupResources("", ("nodes/status", "pods/status")),),
)
_REVIEWS = Rule(level="None", resources=(
    GroupResources("authorization.k8s.io"), GroupResources("authentication.k8s.io", ("selfsubjectreviews",)),
))  # fmt: skip
DEFAULT = Policy(
    omit_stages=("RequestReceived", "ResponseStarted"),
    rules=(
        _QUIET,
        _REPORTS,
        _REVIEWS,
        Rule(level="Metadata", verbs=("create", "update", "patch", "delete", "deletecollection")),
        Rule(level="Metadata", resources=(
            GroupResources("", ("pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy",
                                "nodes/proxy")),
        )),
    ),
)  # fmt: skip
"""Every change, and every way into a container; not the heartbeats, nor what is only read."""


def decide(policy: Policy, user: User, info: RequestInfo) -> Decision:
    """What is told of a request."""
    for rule in policy.rules:
        if _matches(rule, user, info):
            omit = policy.omit_managed_fields if rule.omit_managed_fields is None else rule.omit_managed_fields
            level: Any = rule.level
            if level in ("Request", "RequestResponse") and (info.group, info.resource, info.subresource) in _BODILESS:
                level = "Metadata"
            return Decision(level, frozenset(policy.omit_stages) | frozenset(rule.omit_stages), omit)
    return NOTHING


def names_objects(policy: Policy) -> bool:
    """Whether a decision may depend on an object's name."""
    return any(one.resource_names for rule in policy.rules for one in rule.resources)


def _matches(rule: Rule, user: User, info: RequestInfo) -> bool:
    if rule.users and user.name not in rule.users:
        return False
    if rule.user_groups and not any(group in rule.user_groups for group in user.groups):
        return False
    if rule.verbs and info.verb not in rule.verbs:
        return False
    if rule.namespaces or rule.resources:
        return info.is_resource and _matches_resource(rule, info)
    if rule.non_resource_urls:
        return not info.is_resource and any(_path(pattern, info.path) for pattern in rule.non_resource_urls)
    return True


def _path(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def _matches_resource(rule: Rule, info: RequestInfo) -> bool:
    if rule.namespaces and info.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_in(one, info) for one in rule.resources)


def _in(one: GroupResources, info: RequestInfo) -> bool:
    if one.group not in (info.group, "*"):
        return False
    if not one.resources:
        return True
    if one.resource_names and info.name not in one.resource_names:
        return False
    full = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    wanted = {full, "*", f"{info.resource}/*"}
    if info.subresource:
        wanted.add(f"*/{info.subresource}")
    return any(resource in wanted for resource in one.resources)


def read(data: object) -> Policy:
    """A decoded policy file as a Policy. Raises BadPolicy, with upstream's field paths."""
    try:
        policy = msgspec.convert(data, Policy)
    except msgspec.ValidationError as error:
        raise BadPolicy(f"the audit policy cannot be read: {error}") from None
    if (policy.kind, policy.api_version) != ("Policy", "audit.k8s.io/v1"):
        raise BadPolicy(f"expected kind Policy of audit.k8s.io/v1, got {policy.kind} of {policy.api_version}")
    problems = [*_bad_stages("omitStages", policy.omit_stages)]
    for at, rule in enumerate(policy.rules):
        problems += _bad_rule(f"rules[{at}]", rule)
    if problems:
        raise BadPolicy("; ".join(problems))
    return policy


def _bad_stages(path: str, stages: Sequence[str]) -> Iterator[str]:
    for at, stage in enumerate(stages):
        if stage not in STAGES:
            yield f'{path}[{at}]: Invalid value: "{stage}": allowed stages are {",".join(STAGES)}'


def _bad_rule(path: str, rule: Rule) -> Iterator[str]:
    if not rule.level:
        yield f"{path}.level: Required value"
    elif rule.level not in LEVELS:
        shown = ", ".join(f'"{level}"' for level in LEVELS)
        yield f'{path}.level: Unsupported value: "{rule.level}": supported values: {shown}'
    yield from _bad_paths(f"{path}.nonResourceURLs", rule)
    for one in rule.resources:
        if one.group not in ("", "*") and (why := dns_subdomain(one.group)):
            yield f'{path}.resources.group: Invalid value: "{one.group}": {",".join(why)}'
        if one.resource_names and not one.resources:
            yield f"{path}.resources.resourceNames: using resourceNames requires at least one resource"
    yield from _bad_stages(f"{path}.omitStages", rule.omit_stages)


def _bad_paths(path: str, rule: Rule) -> Iterator[str]:
    urls = rule.non_resource_urls
    for at, url in enumerate(urls):
        if url != "*" and not url.startswith("/"):
            yield f"{path}[{at}]: Invalid value: \"{url}\": non-resource URL rules must begin with a '/' character"
        if "*" in url[:-1]:
            yield (
                f"{path}[{at}]: Invalid value: \"{url}\": non-resource URL wildcards '*' must be the final character "
                "of the rule"
            )
    if urls and (rule.resources or rule.namespaces):
        yield f"{path}: Invalid value: rules cannot apply to both regular resources and non-resource URLs"

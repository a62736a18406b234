"""RBAC rules: what a PolicyRule allows, and whether rules cover others. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from wherry.api.types.rbac import PolicyRule
from wherry.apiserver.authn.user import User


@dataclass(frozen=True, slots=True)
class Attributes:
    """What somebody wants to do. `path` is set for non-resource requests, everything else for resources."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """`pods/log`, or `pods`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def allows(rule: PolicyRule, asked: Attributes) -> bool:
    """Whether one rule allows it."""
    if not _has(rule.verbs, asked.verb):
        return False
    if asked.path:
        return any(_path(pattern, asked.path) for pattern in rule.non_resource_urls)
    return (
        _has(rule.api_groups, asked.group)
        and _resource(rule.resources, asked)
        and (not rule.resource_names or asked.name in rule.resource_names)
    )


def _has(allowed: Sequence[str], value: str) -> bool:
    return value in allowed or "*" in allowed


def _resource(allowed: Sequence[str], asked: Attributes) -> bool:
    full = asked.full_resource
    if full in allowed or "*" in allowed:
        return True
    return bool(asked.subresource) and f"*/{asked.subresource}" in allowed


def _path(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1].rstrip("*")))


def split(rule: PolicyRule) -> Iterator[PolicyRule]:
    """The rule as rules of one verb, group, resource and name each."""
    for verb in rule.verbs:
        for url in rule.non_resource_urls:
            yield PolicyRule(verbs=(verb,), non_resource_urls=(url,))
        for group, resource, name in product(rule.api_groups, rule.resources, rule.resource_names or (None,)):
            names = () if name is None else (name,)
            yield PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,), resource_names=names)


def uncovered(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """What of `wanted` is not in `held`."""
    return [small for rule in wanted for small in split(rule) if not any(_covers(h, small) for h in held)]


def _covers(rule: PolicyRule, small: PolicyRule) -> bool:
    if not _has(rule.verbs, small.verbs[0]):
        return False
    if small.non_resource_urls:
        return any(_covers_path(pattern, small.non_resource_urls[0]) for pattern in rule.non_resource_urls)
    resource = small.resources[0]
    inner = resource.partition("/")[2]
    return (
        _has(rule.api_groups, small.api_groups[0])
        and (_has(rule.resources, resource) or (bool(inner) and f"*/{inner}" in rule.resources))
        and (not rule.resource_names or (bool(small.resource_names) and small.resource_names[0] in rule.resource_names))
    )


def _covers_path(pattern: str, url: str) -> bool:
    return pattern in ("*", url) or (pattern.endswith("*") and url.rstrip("*").startswith(pattern[:-1]))


def show(rule: PolicyRule) -> str:
    """A rule as upstream prints it in refusals."""
    parts = []
    for title, values in (
        ("APIGroups", rule.api_groups),
        ("Resources", rule.resources),
        ("ResourceNames", rule.resource_names),
        ("NonResourceURLs", rule.non_resource_urls),
        ("Verbs", rule.verbs),
    ):
        if values:
            quoted = " ".join(f'"{v}"' for v in values)
            parts.append(f"{title}:[{quoted}]")
    return "{" + ", ".join(parts) + "}"

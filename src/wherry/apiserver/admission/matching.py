"""Which requests a webhook or an admission policy is about: rules, match policy, selectors. Pure.

A rule names groups, versions, resources with subresources, operations and a scope; `Equivalent` also matches a request
that arrives in another version of what a rule names, and says which version that is. Label selectors look at the
namespace (for namespaces: at themselves) and at the object before and after.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wherry.api.types.admissionregistration import MatchResources, NamedRuleWithOperations, RuleWithOperations
from wherry.machinery import selectors
from wherry.machinery.meta import LabelSelector

Labels = Mapping[str, str]
Rule = RuleWithOperations | NamedRuleWithOperations

GROUP: Final = "admissionregistration.k8s.io"
EXEMPT: Final = frozenset((
    "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies",
    "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
))  # fmt: skip
"""What decides about others is decided about by nobody, or a mistake in it could never be mended."""


@dataclass(frozen=True, slots=True)
class Place:
    """One served form of a resource."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as rules see it. `namespace` is "" for cluster-scoped objects; of a Namespace it is its own name."""

    place: Place
    subresource: str
    operation: str  # CREATE, UPDATE, DELETE, CONNECT
    namespace: str
    name: str
    equivalents: tuple[Place, ...] = ()
    """Other places at which the same objects are served."""

    @property
    def exempt(self) -> bool:
        """Whether no webhook and no policy is asked about it."""
        return self.place.group == GROUP and self.place.resource in EXEMPT

    @property
    def of_namespace(self) -> bool:
        """Whether it is about a Namespace object."""
        return not self.place.group and self.place.resource == "namespaces"


def rule_matches(rule: Rule, asked: Asked) -> bool:
    """Whether one rule names this very request."""
    place = asked.place
    return (
        _has(rule.operations, asked.operation)
        and _has(rule.api_groups, place.group)
        and _has(rule.api_versions, place.version)
        and _names(rule.resources, place.resource, asked.subresource)
        and _in_scope(rule.scope, asked)
        and _has_name(rule, asked.name)
    )


def match_rules(rules: Iterable[Rule], policy: str | None, asked: Asked) -> Place | None:
    """The place under which a rule matches: the request's own, or with `Equivalent` another. None: no rule does."""
    rules = tuple(rules)
    if any(rule_matches(rule, asked) for rule in rules):
        return asked.place
    if policy != "Equivalent" or not asked.equivalents:
        return None
    for rule in rules:
        for place in asked.equivalents:
            if place != asked.place and rule_matches(rule, replace(asked, place=place)):
                return place
    return None


def match_resources(own: MatchResources | None, asked: Asked) -> Place | None:
    """The same for a policy's or binding's resources, its exclusions taken off. No rules: everything matches."""
    if own is None:
        return asked.place
    if match_rules(own.exclude_resource_rules, own.match_policy, asked) is not None:
        return None
    if not own.resource_rules:
        return asked.place
    return match_rules(own.resource_rules, own.match_policy, asked)


def match_namespace(
    selector: LabelSelector | None, asked: Asked, obj: object, labels_of: Callable[[str], Labels | None]
) -> bool | None:
    """Whether a namespace selector admits the request. `labels_of(namespace)`: its labels, None when there is none.

    None: the namespace is not there, so nobody can tell. Cluster-scoped requests are never exempt.
    """
    if is_empty(selector) or (not asked.namespace and not asked.of_namespace):
        return True
    if asked.of_namespace and not asked.subresource and asked.operation in ("CREATE", "UPDATE"):
        return selectors.matches(selector, labels(obj) or {})
    found = labels_of(asked.namespace)
    return None if found is None else selectors.matches(selector, found)


def match_object(selector: LabelSelector | None, obj: object, old: object) -> bool:
    """Whether an object selector admits the object as it was or as it becomes. What has no labels never matches."""
    if is_empty(selector):
        return True
    return any(
        found is not None and selectors.matches(selector, found) for found in (labels(obj), labels(old))
    )  # fmt: skip


def labels(obj: object) -> Labels | None:
    """The labels of a typed object, or None of what has no metadata (options of an exec)."""
    meta = getattr(obj, "metadata", None)
    found = getattr(meta, "labels", None)
    return found if isinstance(found, Mapping) else None


def is_empty(selector: LabelSelector | None) -> bool:
    """Whether a selector admits everything. An absent one does: defaulting fills it in."""
    return selector is None or not (selector.match_labels or selector.match_expressions)


def _has(items: Sequence[str], wanted: str) -> bool:
    return wanted in items or "*" in items


def _names(resources: Sequence[str], resource: str, subresource: str) -> bool:
    for item in resources:
        name, _, sub = item.partition("/")
        if name in ("*", resource) and sub in ("*", subresource):
            return True
    return False


def _in_scope(scope: str | None, asked: Asked) -> bool:
    if scope in (None, "*"):
        return True
    cluster = asked.of_namespace or not asked.namespace
    return cluster == (scope == "Cluster") if scope in ("Cluster", "Namespaced") else False


def _has_name(rule: Rule, name: str) -> bool:
    wanted = rule.resource_names if isinstance(rule, NamedRuleWithOperations) else ()
    return not wanted or name in wanted

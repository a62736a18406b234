"""Validation of flow schemas and priority levels.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from wherry.api.checks import Errors, named, required_name
from wherry.api.flowcontrol.mandatory import EXEMPT, FLOW_SCHEMAS, PRIORITY_LEVELS
from wherry.api.types.flowcontrol import (
    ExemptPriorityLevelConfiguration,
    FlowSchema,
    FlowSchemaCondition,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationCondition,
    QueuingConfiguration,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
)
from wherry.machinery.names import dns_label, dns_subdomain
from wherry.machinery.validation import duplicate, forbidden, invalid, not_supported, required

METHODS = ("ByNamespace", "ByUser")
VERBS = frozenset(("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"))
SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_MAX_PRECEDENCE = 10000
_MAX_QUEUES = 10_000_000
_MAX_HASH_BITS = 60
_SHARES = "must be a non-negative integer"
_PERCENT = "must be between 0 and 100, inclusive"
_NAMESPACES = "each member of this list must be '*' or a DNS-1123 label; "


# --- Flow schemas ---


def flow_schema(new: FlowSchema, old: FlowSchema | None) -> Errors:
    """A place in the order, a priority level, rules about somebody and something."""
    spec, name = new.spec, new.metadata.name
    yield from _precedence("spec.matchingPrecedence", spec.matching_precedence, name)
    method = spec.distinguisher_method
    if method is not None and method.type not in METHODS:
        yield not_supported("spec.distinguisherMethod.type", method, METHODS)
    at, level = "spec.priorityLevelConfiguration.name", spec.priority_level_configuration.name
    if level:
        yield from named(at, level, dns_subdomain)
    else:
        yield required(at, "must reference a priority level")
    for index, rules in enumerate(spec.rules):
        yield from _rules(f"spec.rules[{index}]", rules)
    if name in FLOW_SCHEMAS and spec != FLOW_SCHEMAS[name]:
        yield invalid("spec", spec, f"spec of '{name}' must equal the fixed value")
    yield from conditions(new.status.conditions)


def _precedence(path: str, value: int, name: str) -> Errors:
    if value <= 0:
        yield invalid(path, value, "must be a positive value")
    if value > _MAX_PRECEDENCE:
        yield invalid(path, value, f"must not be greater than {_MAX_PRECEDENCE}")
    if value == 1 and name != EXEMPT:
        yield invalid(path, value, "only the schema named 'exempt' may have matchingPrecedence 1")


def _rules(path: str, own: PolicyRulesWithSubjects) -> Errors:
    for index, subject in enumerate(own.subjects):
        yield from _subject(f"{path}.subjects[{index}]", subject)
    if not own.subjects:
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    if not own.resource_rules and not own.non_resource_rules:
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, rule in enumerate(own.resource_rules):
        yield from _resource_rule(f"{path}.resourceRules[{index}]", rule)
    for index, other in enumerate(own.non_resource_rules):
        yield from _other_rule(f"{path}.nonResourceRules[{index}]", other)


def _subject(path: str, own: Subject) -> Errors:
    if own.kind not in SUBJECTS:
        yield not_supported(f"{path}.kind", own.kind, SUBJECTS)
        return
    wanted = SUBJECTS[own.kind]
    given = {"serviceAccount": own.service_account, "user": own.user, "group": own.group}
    found = given.pop(wanted)
    if found is None:
        yield required(f"{path}.{wanted}", f"{wanted} is required when subject kind is '{own.kind}'")
    elif isinstance(found, ServiceAccountSubject):
        yield from _account(f"{path}.{wanted}", found)
    elif not found.name:
        yield required(f"{path}.{wanted}.name")
    for field, other in given.items():
        if other is not None:
            kind = field[0].upper() + field[1:]
            yield forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{kind}'")


def _account(path: str, own: ServiceAccountSubject) -> Errors:
    if own.name != "*":
        yield from required_name(f"{path}.name", own.name, dns_subdomain)
    if own.namespace:
        yield from named(f"{path}.namespace", own.namespace, dns_label)
    else:
        yield required(f"{path}.namespace", "must specify namespace for service account")


def _verbs(path: str, verbs: Sequence[str]) -> Errors:
    if not verbs:
        yield required(path, "verbs must contain at least one value")
    elif "*" in verbs:
        yield from _alone(path, verbs, "verbs")
    elif not VERBS.issuperset(verbs):
        yield not_supported(path, verbs, VERBS)


def _alone(path: str, values: Sequence[str], what: str) -> Errors:
    if "*" in values and len(values) > 1:
        yield invalid(path, values, f"if '*' is present, must not specify other {what}")


def _resource_rule(path: str, own: ResourcePolicyRule) -> Errors:
    yield from _verbs(f"{path}.verbs", own.verbs)
    if not own.api_groups:
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    yield from _alone(f"{path}.apiGroups", own.api_groups, "api groups")
    if not own.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")
    yield from _alone(f"{path}.resources", own.resources, "resources")
    at = f"{path}.namespaces"
    if not own.namespaces and not own.cluster_scope:
        yield required(at, "resource rules that are not cluster scoped must supply at least one namespace")
    elif "*" in own.namespaces:
        yield from _alone(at, own.namespaces, "namespaces")
    else:
        for index, namespace in enumerate(own.namespaces):
            for problem in dns_label(namespace):
                yield invalid(f"{at}[{index}]", namespace, _NAMESPACES + problem)


def _other_rule(path: str, own: NonResourcePolicyRule) -> Errors:
    yield from _verbs(f"{path}.verbs", own.verbs)
    at = f"{path}.nonResourceURLs"
    if not own.non_resource_urls:
        yield required(at, "nonResourceURLs must contain at least one value")
    elif "*" in own.non_resource_urls:
        yield from _alone(at, own.non_resource_urls, "non-resource URLs")
    else:
        for index, url in enumerate(own.non_resource_urls):
            if problem := _why_no_url(url):
                yield invalid(f"{at}[{index}]", url, problem)


def _why_no_url(url: str) -> str:
    stars = url.count("*")
    problems = (
        (not url, "must not be empty"),
        (not url.startswith("/"), "must start with slash"),
        (" " in url, "must not contain white-space"),
        ("//" in url, "must not contain double slash"),
        (stars > 1 or (stars == 1 and not url.endswith("/*")), "wildcard can only do suffix matching"),
    )
    return next((why for wrong, why in problems if wrong), "")


def conditions(
    found: tuple[FlowSchemaCondition, ...] | tuple[PriorityLevelConfigurationCondition, ...],
) -> Errors:
    """Each type once."""
    seen: set[str] = set()
    types = [condition.type for condition in found]
    for index, kind in enumerate(types):
        at = f"status.conditions[{index}].type"
        if kind in seen:
            yield duplicate(at, kind)
        seen.add(kind)
        if not kind:
            yield required(at)


# --- Priority levels ---


def priority_level(new: PriorityLevelConfiguration, old: PriorityLevelConfiguration | None) -> Errors:
    """Exempt, which is one level only, or limited."""
    spec, name = new.spec, new.metadata.name
    if (name == EXEMPT) != (spec.type == "Exempt"):
        yield invalid("spec.type", spec.type, "must be 'Exempt' if and only if `name` is 'exempt'")
    if not spec.type:
        yield required("spec.type")
    elif spec.type not in ("Exempt", "Limited"):
        yield not_supported("spec.type", spec.type, ("Exempt", "Limited"))
    elif spec.type == "Exempt":
        if spec.limited is not None:
            yield forbidden("spec.limited")
        yield from _exempt("spec.exempt", spec.exempt)
    else:
        if spec.exempt is not None:
            yield forbidden("spec.exempt")
        if spec.limited is None:
            yield required("spec.limited")
        else:
            yield from _limited("spec.limited", spec.limited)
    yield from _as_it_must_be(new)
    yield from conditions(new.status.conditions)


def _as_it_must_be(level: PriorityLevelConfiguration) -> Errors:
    name, spec = level.metadata.name, level.spec
    wanted = PRIORITY_LEVELS.get(name)
    if wanted is None:
        return
    if name == EXEMPT:
        if replace(spec, exempt=wanted.exempt) != wanted:
            why = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
            yield invalid("spec", spec, why)
    elif spec != wanted:
        yield invalid("spec", spec, f"spec of '{name}' must equal the fixed value")


def _exempt(path: str, own: ExemptPriorityLevelConfiguration | None) -> Errors:
    if own is None:
        return
    if (own.nominal_concurrency_shares or 0) < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", own.nominal_concurrency_shares, _SHARES)
    if not 0 <= (own.lendable_percent or 0) <= 100:
        yield invalid(f"{path}.lendablePercent", own.lendable_percent, _PERCENT)


def _limited(path: str, own: LimitedPriorityLevelConfiguration) -> Errors:
    if (own.nominal_concurrency_shares or 0) < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", own.nominal_concurrency_shares, _SHARES)
    yield from _response(f"{path}.limitResponse", own.limit_response)
    if not 0 <= (own.lendable_percent or 0) <= 100:
        yield invalid(f"{path}.lendablePercent", own.lendable_percent, _PERCENT)
    if (own.borrowing_limit_percent or 0) < 0:
        why = "if specified, must be a non-negative integer"
        yield invalid(f"{path}.borrowingLimitPercent", own.borrowing_limit_percent, why)


def _response(path: str, own: LimitResponse) -> Errors:
    if not own.type:
        yield required(f"{path}.type")
    elif own.type not in ("Queue", "Reject"):
        yield not_supported(f"{path}.type", own.type, ("Queue", "Reject"))
    elif own.type == "Reject" and own.queuing is not None:
        yield forbidden(f"{path}.queuing")
    elif own.type == "Queue" and own.queuing is None:
        yield required(f"{path}.queuing")
    elif own.queuing is not None:
        yield from _queuing(f"{path}.queuing", own.queuing)


def _queuing(path: str, own: QueuingConfiguration) -> Errors:
    if own.queue_length_limit <= 0:
        yield invalid(f"{path}.queueLengthLimit", own.queue_length_limit, "must be positive")
    if own.queues <= 0:
        yield invalid(f"{path}.queues", own.queues, "must be positive")
    elif own.queues > _MAX_QUEUES:
        yield invalid(f"{path}.queues", own.queues, f"must not be greater than {_MAX_QUEUES}")
    at, hand = f"{path}.handSize", own.hand_size
    if hand <= 0:
        yield invalid(at, hand, "must be positive")
    elif hand > own.queues:
        yield invalid(at, hand, f"should not be greater than queues ({own.queues})")
    elif math.ceil(math.log2(own.queues) * hand) > _MAX_HASH_BITS:
        why = f"required entropy bits of deckSize {own.queues} and handSize {hand} should not be greater than 60"
        yield invalid(at, hand, why)

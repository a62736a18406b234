"""Webhooks and match rules: what the admission kinds share.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from wherry.api.admissionregistration.expressions import check_conditions
from wherry.api.checks import Errors, named, numbered, required_name, selector, unique, unsupported
from wherry.api.defaulting import each, fill, within
from wherry.api.review_versions import REVIEW_VERSIONS, check_review_versions
from wherry.api.types.admissionregistration import (
    MatchResources,
    MutatingWebhook,
    NamedRuleWithOperations,
    ParamRef,
    RuleWithOperations,
    ServiceReference,
    ValidatingWebhook,
    WebhookClientConfig,
)
from wherry.api.types.apiextensions import WebhookClientConfig as ConversionClientConfig
from wherry.machinery.meta import LabelSelector
from wherry.machinery.names import dns_subdomain, path_segment, port_number
from wherry.machinery.validation import duplicate, forbidden, invalid, required

W = TypeVar("W", MutatingWebhook, ValidatingWebhook)
R = TypeVar("R", RuleWithOperations, NamedRuleWithOperations)

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")


# --- Defaults ---


def _rule(rule: R) -> R:
    return fill(rule, scope="*")


def _service(service: ServiceReference) -> ServiceReference:
    return fill(service, port=443)


def _client(config: WebhookClientConfig) -> WebhookClientConfig:
    return within(config, service=_service)


def default_webhook(hook: W) -> W:
    """Failing closed, for equivalent resources, everywhere, within ten seconds."""
    hook = fill(
        hook,
        failure_policy="Fail",
        match_policy="Equivalent",
        namespace_selector=LabelSelector(),
        object_selector=LabelSelector(),
        timeout_seconds=10,
    )
    if isinstance(hook, MutatingWebhook):
        hook = fill(hook, reinvocation_policy="Never")
    return within(hook, rules=each(_rule), client_config=_client)


def default_matches(own: MatchResources) -> MatchResources:
    """For equivalent resources, everywhere."""
    own = fill(own, match_policy="Equivalent", namespace_selector=LabelSelector(), object_selector=LabelSelector())
    return within(own, resource_rules=each(_rule), exclude_resource_rules=each(_rule))


# --- Validation ---


def check_webhooks(hooks: Sequence[Any], old: Sequence[Any] = ()) -> Errors:
    """All webhooks of a configuration; match conditions that are as they were are not looked at again."""
    seen: set[str] = set()
    conditions = [hook.match_conditions for hook in hooks]
    known = bool(old) and conditions == [hook.match_conditions for hook in old]
    for index, hook in enumerate(hooks):
        at = f"webhooks[{index}]"
        yield from _hook(at, hook)
        if hook.match_conditions and not known:
            yield from check_conditions(f"{at}.matchConditions", hook.match_conditions, params=False)
        if hook.name in seen:
            yield duplicate(f"{at}.name", hook.name)
        seen.update({hook.name} - {""})


def _hook(path: str, hook: Any) -> Errors:
    yield from _full_name(f"{path}.name", hook.name)
    for index, rule in enumerate(hook.rules):
        yield from check_rule(f"{path}.rules[{index}]", rule)
    yield from _choice(f"{path}.failurePolicy", hook.failure_policy, ("Fail", "Ignore"))
    yield from _choice(f"{path}.matchPolicy", hook.match_policy, ("Equivalent", "Exact"))
    if hook.side_effects is None:
        yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    yield from _choice(f"{path}.sideEffects", hook.side_effects, ("None", "NoneOnDryRun"))
    if hook.timeout_seconds is not None and not 1 <= hook.timeout_seconds <= 30:
        why = "the timeout value must be between 1 and 30 seconds"
        yield invalid(f"{path}.timeoutSeconds", hook.timeout_seconds, why)
    yield from selector(f"{path}.namespaceSelector", hook.namespace_selector)
    yield from selector(f"{path}.objectSelector", hook.object_selector)
    yield from _choice(f"{path}.reinvocationPolicy", getattr(hook, "reinvocation_policy", None), ("IfNeeded", "Never"))
    yield from check_client(f"{path}.clientConfig", hook.client_config)
    yield from check_review_versions(
        f"{path}.admissionReviewVersions",
        hook.admission_review_versions,
        known=True,
        missing=f"must specify one of {', '.join(REVIEW_VERSIONS)}",
    )


def _full_name(path: str, name: str) -> Errors:
    if not name:
        yield required(path)
        return
    problems = list(named(path, name, dns_subdomain))
    yield from problems
    if not problems and name.count(".") < 2:
        yield invalid(path, name, "should be a domain with at least three segments separated by dots")


def _choice(path: str, value: str | None, allowed: tuple[str, ...]) -> Errors:
    if value is not None and value not in allowed:
        yield unsupported(path, value, allowed)


def check_rule(path: str, rule: RuleWithOperations | NamedRuleWithOperations) -> Errors:
    """Operations on resources."""
    if not rule.operations:
        yield required(f"{path}.operations")
    if len(rule.operations) > 1 and "*" in rule.operations:
        yield invalid(f"{path}.operations", rule.operations, "if '*' is present, must not specify other operations")
    for index, operation in enumerate(rule.operations):
        yield from _choice(f"{path}.operations[{index}]", operation, OPERATIONS)
    for field, values, what in (
        ("apiGroups", rule.api_groups, "API groups"),
        ("apiVersions", rule.api_versions, "API versions"),
    ):
        if not values:
            yield required(f"{path}.{field}")
        if len(values) > 1 and "*" in values:
            yield invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {what}")
    for index, version in enumerate(rule.api_versions):
        if not version:
            yield required(f"{path}.apiVersions[{index}]")
    yield from _resources(f"{path}.resources", rule.resources)
    yield from _choice(f"{path}.scope", rule.scope, SCOPES)


def _resources(path: str, resources: tuple[str, ...]) -> Errors:
    if not resources:
        yield required(path)
    for index, name in enumerate(resources):
        if not name:
            yield required(f"{path}[{index}]")
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and any("/" not in name and name != "*" for name in resources):
        yield invalid(path, resources, "if '*' is present, must not specify other resources without subresources")


def check_client(path: str, config: WebhookClientConfig | ConversionClientConfig) -> Errors:
    """Everything wrong with where a webhook is said to be."""
    if (config.url is None) == (config.service is None):
        yield required(path, "exactly one of url or service is required")
    elif config.url is not None:
        yield from _url(f"{path}.url", config.url)
    elif config.service is not None:
        own = config.service
        if not own.name:
            yield required(f"{path}.service.name", "service name is required")
        if not own.namespace:
            yield required(f"{path}.service.namespace", "service namespace is required")
        yield from numbered(f"{path}.service.port", 443 if own.port is None else own.port, port_number)
        if own.path and not own.path.startswith("/"):
            yield invalid(f"{path}.service.path", own.path, "must start with a '/'")


def _url(path: str, url: str) -> Errors:
    form = "; desired format: https://host[/path]"
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}")
    if not parts.netloc:
        yield invalid(path, parts.netloc, f"host must be specified{form}")
    if "@" in parts.netloc:
        yield invalid(path, parts.netloc, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(path, parts.query, "query parameters are not permitted in the URL")


# --- Policies ---


def check_matches(path: str, own: MatchResources | None, *, needed: bool) -> Errors:
    """What a policy is about. `needed`: a policy must say so, a binding need not."""
    if own is None:
        if needed:
            yield required(path)
        return
    yield from _choice(f"{path}.matchPolicy", own.match_policy, ("Equivalent", "Exact"))
    yield from selector(f"{path}.namespaceSelector", own.namespace_selector)
    yield from selector(f"{path}.objectSelector", own.object_selector)
    if needed and not own.resource_rules:
        yield required(f"{path}.resourceRules")
    for field, rules in (("resourceRules", own.resource_rules), ("excludeResourceRules", own.exclude_resource_rules)):
        for index, rule in enumerate(rules):
            yield from check_rule(f"{path}.{field}[{index}]", rule)


def _param_ref(path: str, own: ParamRef | None) -> Errors:
    if own is None:
        return
    both = bool(own.name) and own.selector is not None
    if own.name:
        yield from named(f"{path}.name", own.name, path_segment)
    if both:
        yield forbidden(f"{path}.name", "name and selector are mutually exclusive")
    yield from selector(f"{path}.selector", own.selector)
    if both:
        yield forbidden(f"{path}.selector", "name and selector are mutually exclusive")
    if not own.name and own.selector is None:
        yield required(path, "one of name or selector must be specified")
    if not own.parameter_not_found_action:
        yield required(f"{path}.parameterNotFoundAction")
    else:
        yield from _choice(f"{path}.parameterNotFoundAction", own.parameter_not_found_action, ("Deny", "Allow"))


def check_binding(spec: Any, *, actions: tuple[str, ...] | None) -> Errors:
    """A policy, its parameters, and for validating policies what is done about a violation."""
    yield from required_name("spec.policyName", spec.policy_name, dns_subdomain)
    yield from _param_ref("spec.paramRef", spec.param_ref)
    yield from check_matches("spec.matchResources", spec.match_resources, needed=False)
    if actions is None:
        return
    if not actions:
        yield required("spec.validationActions", "at least one validation action is required")
    yield from unique("spec.validationActions", actions)
    for index, action in enumerate(actions):
        yield from _choice(f"spec.validationActions[{index}]", action, ("Audit", "Deny", "Warn"))
    if {"Deny", "Warn"} <= set(actions):
        why = "must not contain both Deny and Warn (repeating the same validation failure information in the API "
        yield invalid("spec.validationActions", actions, f"{why}response and headers serves no purpose)")

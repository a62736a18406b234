"""Policies: what validating and mutating ones share in their validation.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

from wherry.api.admissionregistration.webhooks import check_matches
from wherry.api.checks import Errors, unsupported
from wherry.api.types.admissionregistration import MatchResources, ParamKind
from wherry.machinery.names import dns_1035_label, dns_subdomain
from wherry.machinery.validation import invalid, required

_MUTATED = ("*", "CONNECT", "CREATE", "UPDATE")


def check_failure_policy(value: str | None) -> Errors:
    """Fail or Ignore."""
    if value is None:
        yield required("spec.failurePolicy")
    elif value not in ("Fail", "Ignore"):
        yield unsupported("spec.failurePolicy", value, ("Fail", "Ignore"))


def check_param_kind(kind: ParamKind | None) -> Errors:
    """What parameters are."""
    if kind is None:
        return
    path = "spec.paramKind"
    yield from _api_version(f"{path}.apiVersion", kind.api_version)
    if not kind.kind:
        yield required(f"{path}.kind")
        return
    problems = dns_1035_label(kind.kind.lower())
    if problems:
        why = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        yield invalid(f"{path}.kind", kind.kind, why)


def _api_version(path: str, api_version: str) -> Errors:
    if not api_version:
        yield required(path)
        return
    if api_version.count("/") > 1:
        yield invalid(path, api_version, f"unexpected GroupVersion string: {api_version}")
        return
    group, _, version = api_version.rpartition("/")
    if group and (problems := dns_subdomain(group)):
        yield invalid(path, group, ",".join(problems))
    if not version:
        yield invalid(path, api_version, "version must be specified")
    elif problems := dns_1035_label(version):
        yield invalid(path, version, ",".join(problems))


def check_constraints(own: MatchResources | None) -> Errors:
    """What a policy is about: at least one rule."""
    yield from check_matches("spec.matchConstraints", own, needed=True)


def check_mutated(path: str, own: MatchResources | None) -> Errors:
    """Only what is there can be changed: no rule for deletes."""
    for rule in () if own is None else own.resource_rules:
        for operation in rule.operations:
            if operation not in _MUTATED:
                yield unsupported(f"{path}.resourceRules.operations", operation, _MUTATED)


def check_text(path: str, text: str) -> Errors:
    """A message: one line, if any."""
    if text and not text.strip():
        yield invalid(path, text, "must be non-empty if specified")
    elif "\n" in text.strip() or "\r" in text.strip():
        yield invalid(path, text, "must not contain line breaks")

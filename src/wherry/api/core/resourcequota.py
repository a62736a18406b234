"""v1 ResourceQuota: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from collections.abc import Mapping

from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.core.resource_validation import STANDARD_QUOTA, quantity_value, resource_name
from wherry.api.declare import declare
from wherry.api.types.core import ResourceQuota, ScopedResourceSelectorRequirement
from wherry.machinery.quantity import Quantity
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required


def _used(quota: ResourceQuota, *, limits: bool) -> str:
    hard, used = quota.status.hard, quota.status.used
    names = sorted(name for name in hard if name.startswith("limits.") == limits)
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


COLUMNS: tuple[Column[ResourceQuota], ...] = (
    Column("Request", lambda q, _: _used(q, limits=False)),
    Column("Limit", lambda q, _: _used(q, limits=True)),
    AGE,
)

_SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
)
_COMPUTE = ("cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def quota_amounts(path: str, amounts: Mapping[str, Quantity]) -> Errors:
    """Resources that may have a quota, and amounts that can be."""
    for name, amount in amounts.items():
        at = f"{path}[{name}]"
        yield from resource_name(at, name)
        if (
            "/" not in name
            and name not in STANDARD_QUOTA
            and not name.startswith(("hugepages-", "requests.hugepages-"))
        ):
            yield invalid(at, name, "must be a standard resource for quota")
        yield from quantity_value(at, name, amount)


def _fits(scope: str, name: str) -> bool:
    if name not in STANDARD_QUOTA:
        return True
    if scope == "BestEffort":
        return name == "pods"
    if scope == "VolumeAttributesClass":
        return name in ("persistentvolumeclaims", "requests.storage")
    return scope not in _SCOPES or name == "pods" or name in _COMPUTE


def validate(new: ResourceQuota, old: ResourceQuota | None) -> Errors:
    """Known resources and scopes that go together; the scopes stay."""
    spec = new.spec
    yield from quota_amounts("spec.hard", spec.hard)
    for scope in spec.scopes:
        if scope not in _SCOPES:
            yield invalid("spec.scopes", spec.scopes, "unsupported scope")
        if not all(_fits(scope, name) for name in spec.hard):
            yield invalid("spec.scopes", spec.scopes, "unsupported scope applied to resource")
    if any(pair <= set(spec.scopes) for pair in _CONFLICTS):
        yield invalid("spec.scopes", spec.scopes, "conflicting scopes")
    for need in spec.scope_selector.match_expressions if spec.scope_selector else ():
        yield from _need("spec.scopeSelector.matchExpressions", need, new)
    if old is not None and set(old.spec.scopes) != set(spec.scopes):
        yield invalid("spec.scopes", spec.scopes, "field is immutable")


def _need(path: str, need: ScopedResourceSelectorRequirement, quota: ResourceQuota) -> Errors:
    if need.scope_name not in _SCOPES:
        yield invalid(f"{path}.scopeName", need.scope_name, "unsupported scope")
    if not all(_fits(need.scope_name, name) for name in quota.spec.hard):
        yield invalid(path, quota.spec.scope_selector, "unsupported scope applied to resource")
    if need.scope_name in _SCOPES and need.operator != "Exists" and not need.scope_name.endswith("Class"):
        yield invalid(f"{path}.operator", need.operator, _ONLY_EXISTS)
    if need.operator in ("In", "NotIn"):
        if not need.values:
            why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", why)
    elif need.operator in ("Exists", "DoesNotExist"):
        if need.values:
            why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", need.values, why)
    else:
        yield invalid(f"{path}.operator", need.operator, "not a valid selector operator")


def validate_status(new: ResourceQuota, old: ResourceQuota | None) -> Errors:
    """Known resources."""
    yield from quota_amounts("status.hard", new.status.hard)
    yield from quota_amounts("status.used", new.status.used)


RESOURCEQUOTA = declare(ResourceQuota, columns=COLUMNS, validate=validate, validate_status=validate_status)

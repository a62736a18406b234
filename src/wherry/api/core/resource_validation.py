"""Validation of resource names, amounts, requests and limits.

https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from wherry.api.checks import Errors, named
from wherry.api.core.pod_resources import pod_level
from wherry.api.types.core import ResourceClaim, ResourceRequirements
from wherry.machinery.names import dns_label, qualified_name
from wherry.machinery.quantity import Quantity, amount, compare, milli, whole
from wherry.machinery.validation import FieldError, duplicate, forbidden, invalid, not_supported, required

_COUNTED = (
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
STANDARD_QUOTA = frozenset(
    (
        *_COMPUTE,
        *(f"requests.{name}" for name in _COMPUTE),
        *(f"limits.{name}" for name in _COMPUTE),
        "requests.storage",
        *_COUNTED,
    )
)
"""What a ResourceQuota may limit without a domain in its name."""
_STANDARD = STANDARD_QUOTA | {"storage"}


def is_huge_page(name: str) -> bool:
    """Huge pages of some size."""
    return name.startswith("hugepages-")


def is_native(name: str) -> bool:
    """A resource of Kubernetes' own, not of a device."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource of a device: `example.com/gpu`."""
    return not is_native(name) and not name.startswith("requests.") and not qualified_name(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    """Whether the request may be less than the limit."""
    return is_native(name) and not is_huge_page(name)


def is_standard(name: str) -> bool:
    """A resource name that needs no domain."""
    return name in _STANDARD or is_huge_page(name) or name.startswith("requests.hugepages-")


def resource_name(path: str, name: str) -> Errors:
    """Standard or with a domain."""
    problems = list(named(path, name, qualified_name))
    yield from problems
    if not problems and "/" not in name and not is_standard(name):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def container_resource(path: str, name: str) -> Errors:
    """What a container may ask for."""
    yield from resource_name(path, name)
    if "/" not in name:
        if name not in _COMPUTE and not is_huge_page(name):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def pod_resource(path: str, name: str) -> Errors:
    """What a pod as a whole may ask for."""
    problems = list(resource_name(path, name))
    yield from problems
    if not problems and not pod_level(name):
        yield not_supported(path, name, ("cpu", "hugepages-", "memory"))


def quantity_value(path: str, name: str, value: Quantity) -> Errors:
    """Not negative, and whole where only whole ones make sense."""
    if compare(value, "0") < 0:
        yield invalid(path, value, "must be greater than or equal to 0")
    if (name in _COUNTED or is_extended(name)) and milli(value) % 1000:
        yield invalid(path, value, "must be an integer")


def _huge_pages(path: str, name: str, value: Quantity) -> Errors:
    try:
        size = amount(name.removeprefix("hugepages-"))
        fits = size > 0 and size == int(size) and whole(value) % int(size) == 0
    except ValueError:
        fits = False
    if not fits:
        yield invalid(path, value, f"{value} is not positive integer multiple of {name}")


def requirements(
    path: str,
    own: ResourceRequirements,
    claims: Collection[str],
    name_check: Callable[[str, str], Errors] = container_resource,
) -> Errors:
    """Requests and limits of a container, or with `pod_resource` of a pod. `claims`: names of the pod's claims."""
    for side, amounts in (("limits", own.limits), ("requests", own.requests)):
        for name, value in amounts.items():
            at = f"{path}.{side}[{name}]"
            yield from name_check(at, name)
            yield from quantity_value(at, name, value)
            if side == "requests":
                yield from _against_limit(path, name, value, own.limits)
            if is_huge_page(name):
                yield from _huge_pages(at, name, value)
    asked = own.limits.keys() | own.requests.keys()
    if any(is_huge_page(name) for name in asked) and not asked & {"cpu", "memory"}:
        yield forbidden(path, "HugePages require cpu or memory")
    yield from _claims(f"{path}.claims", own.claims, claims)


def _against_limit(path: str, name: str, value: Quantity, limits: Mapping[str, Quantity]) -> Errors:
    limit = limits.get(name)
    if limit is None:
        if not may_overcommit(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    order = compare(value, limit)
    if order and not may_overcommit(name):
        yield invalid(f"{path}.requests", value, f"must be equal to {name} limit of {limit}")
    elif order > 0:
        yield invalid(f"{path}.requests", value, f"must be less than or equal to {name} limit of {limit}")


def _claims(path: str, claims: tuple[ResourceClaim, ...], known: Collection[str]) -> Errors:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = f"{path}[{index}]"
        if not claim.name:
            yield required(at)
            continue
        key = f"{claim.name}/{claim.request}" if claim.request else claim.name
        if claim.request:
            yield from named(f"{at}.request", claim.request, dns_label)
        if claim.name in seen or key in seen or (not claim.request and any(k.startswith(f"{key}/") for k in seen)):
            yield duplicate(at, key)
        seen.add(key)
        if claim.name not in known:
            names = f": {', '.join(sorted(known))}" if known else " which is empty"
            yield FieldError(
                at,
                "FieldValueNotFound",
                f'Not found: "{claim.name}": must be one of the names in pod.spec.resourceClaims{names}',
            )

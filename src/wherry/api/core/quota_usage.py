"""What objects use of a ResourceQuota: counts, and the sums of what pods and claims request. Pure; the controller adds
it up for the status, admission judges by it.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wherry.api.core.pod import is_terminal, qos_class
from wherry.api.core.pod_resources import pod_totals
from wherry.api.types.core import PersistentVolumeClaim, Pod, PodAffinityTerm, ResourceQuota, Service
from wherry.machinery.meta import Object
from wherry.machinery.quantity import Quantity
from wherry.machinery.resource import Resource

ONE = Quantity("1")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = {
    "services", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
}  # fmt: skip

Use = tuple[str, Quantity]


def use_of(resource: Resource[Any], obj: Object) -> Iterator[Use]:
    """(resource name as in a quota, amount) for everything this object uses."""
    yield f"count/{resource}", ONE
    if isinstance(obj, Pod):
        if not is_terminal(obj):
            yield "pods", ONE
            yield from _pod(obj)
        return
    if not resource.group and resource.plural in _COUNTED:
        yield resource.plural, ONE
    if isinstance(obj, PersistentVolumeClaim):
        yield from _claim(obj)
    elif isinstance(obj, Service):
        yield from _service(obj)


def _pod(pod: Pod) -> Iterator[Use]:
    for name, quantity in pod_totals(pod.spec, "requests").items():
        yield f"requests.{name}", quantity
        if name in _COMPUTE or name.startswith("hugepages-"):
            yield name, quantity
    for name, quantity in pod_totals(pod.spec, "limits").items():
        if name in _COMPUTE:
            yield f"limits.{name}", quantity


def _claim(claim: PersistentVolumeClaim) -> Iterator[Use]:
    storage, kind = claim.spec.resources.requests.get("storage"), claim.spec.storage_class_name
    prefix = f"{kind}.storageclass.storage.k8s.io/"
    if storage is not None:
        yield "requests.storage", storage
    if kind:
        yield f"{prefix}persistentvolumeclaims", ONE
        if storage is not None:
            yield f"{prefix}requests.storage", storage


def _service(service: Service) -> Iterator[Use]:
    if service.spec.type == "LoadBalancer":
        yield "services.loadbalancers", ONE
    if service.spec.type in ("NodePort", "LoadBalancer"):
        yield "services.nodeports", Quantity(str(sum(port.node_port != 0 for port in service.spec.ports)))


def in_scope(quota: ResourceQuota, obj: Object) -> bool:
    """Whether the quota's scopes take this object. Quotas with scopes look at pods only."""
    selector = quota.spec.scope_selector
    terms: list[tuple[str, str, tuple[str, ...]]] = [(scope, "Exists", ()) for scope in quota.spec.scopes]
    if selector is not None:
        terms += [(e.scope_name, e.operator, e.values) for e in selector.match_expressions]
    if isinstance(obj, Pod):
        return all(_pod_matches(obj, *term) for term in terms)
    if isinstance(obj, PersistentVolumeClaim):
        return all(_claim_matches(obj, *term) for term in terms)
    return not terms


def _named(name: str, operator: str, values: tuple[str, ...]) -> bool:
    """Whether a selector by name admits it."""
    match operator:
        case "Exists":
            return bool(name)
        case "DoesNotExist":
            return not name
        case "In":
            return name in values
        case _:
            return name not in values


def _claim_matches(claim: PersistentVolumeClaim, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    """Claims have the class of their attributes: the one asked for, or the one they still have."""
    if scope != "VolumeAttributesClass":
        return False
    names = {claim.spec.volume_attributes_class_name or "", claim.status.current_volume_attributes_class_name or ""}
    return any(_named(name, operator, values) for name in names if name or len(names) == 1)


def _pod_matches(pod: Pod, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    if scope == "PriorityClass":
        return _named(pod.spec.priority_class_name, operator, values)
    facts = {
        "Terminating": pod.spec.active_deadline_seconds is not None,
        "NotTerminating": pod.spec.active_deadline_seconds is None,
        "BestEffort": qos_class(pod) == "BestEffort",
        "NotBestEffort": qos_class(pod) != "BestEffort",
        "CrossNamespacePodAffinity": any(_elsewhere(term) for term in _terms(pod)),
    }
    return facts.get(scope, False)


def _terms(pod: Pod) -> Iterator[PodAffinityTerm]:
    affinity = pod.spec.affinity
    for part in (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity is not None else ():
        if part is not None:
            yield from part.required_during_scheduling_ignored_during_execution
            yield from (w.pod_affinity_term for w in part.preferred_during_scheduling_ignored_during_execution)


def _elsewhere(term: PodAffinityTerm) -> bool:
    """Whether it looks at pods of other namespaces."""
    return bool(term.namespaces) or term.namespace_selector is not None

"""ResourceQuota: what a namespace may have in all, judged against what is there now. Status is the controller's.

Counts objects and, for pods and claims, sums their requests; scopes narrow which pods count.
https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from wherry.api.core.pod import POD, is_terminal, qos_class
from wherry.api.core.pod_resources import container_totals
from wherry.api.core.resourcequota import RESOURCEQUOTA
from wherry.api.types.core import PersistentVolumeClaim, Pod, ResourceQuota, Service
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.quantity import amount, parse_quantity
from wherry.machinery.resource import Resource

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

Usage = dict[str, int | Fraction]
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def usage_of(resource: Resource[Any], obj: Any) -> Usage:
    """What one object counts for."""
    name = str(resource)
    used: Usage = {f"count/{name}": 1}
    if isinstance(obj, Pod):
        used |= {} if is_terminal(obj) else _pod(obj)
    elif isinstance(obj, PersistentVolumeClaim):
        used |= _claim(obj)
    elif isinstance(obj, Service):
        used["services"] = 1
        if obj.spec.type in ("NodePort", "LoadBalancer"):
            used["services.nodeports"] = sum(1 for port in obj.spec.ports if port.node_port)
        if obj.spec.type == "LoadBalancer":
            used["services.loadbalancers"] = 1
    elif not resource.group:
        used[resource.plural] = 1
    return used


def _pod(pod: Pod) -> Usage:
    used: Usage = {"pods": 1}
    for side, prefix in (("requests", "requests."), ("limits", "limits.")):
        for what, quantity in container_totals(pod.spec, side).items():
            used[f"{prefix}{what}"] = amount(quantity)
            if side == "requests" and what in _COMPUTE:
                used[what] = amount(quantity)
    return used


def _claim(claim: PersistentVolumeClaim) -> Usage:
    used: Usage = {"persistentvolumeclaims": 1}
    storage = claim.spec.resources.requests.get("storage")
    if storage is not None:
        used["requests.storage"] = amount(storage)
    name = claim.spec.storage_class_name
    if name:
        prefix = f"{name}.storageclass.storage.k8s.io/"
        used[f"{prefix}persistentvolumeclaims"] = 1
        if storage is not None:
            used[f"{prefix}requests.storage"] = amount(storage)
    return used


def in_scope(quota: ResourceQuota, obj: Any) -> bool:
    """Whether an object counts for a quota with scopes."""
    selector = quota.spec.scope_selector
    terms: list[tuple[str, str, tuple[str, ...]]] = [(scope, "Exists", ()) for scope in quota.spec.scopes]
    if selector is not None:
        terms += [(e.scope_name, e.operator, e.values) for e in selector.match_expressions]
    if not terms:
        return True
    return isinstance(obj, Pod) and all(_matches(obj, *term) for term in terms)


def _matches(pod: Pod, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    match scope:
        case "Terminating":
            return pod.spec.active_deadline_seconds is not None
        case "NotTerminating":
            return pod.spec.active_deadline_seconds is None
        case "BestEffort":
            return qos_class(pod) == "BestEffort"
        case "NotBestEffort":
            return qos_class(pod) != "BestEffort"
        case "PriorityClass":
            name = pod.spec.priority_class_name
            return {
                "Exists": bool(name), "DoesNotExist": not name, "In": name in values, "NotIn": name not in values
            }.get(operator, False)  # fmt: skip
        case _:
            return False


def used_in(api: Api, resource: Resource[Any], namespace: str, quota: ResourceQuota, names: set[str]) -> Usage:
    """What the objects of one kind in a namespace use of these resources."""
    found: Usage = dict.fromkeys(names, 0)
    for entry in api.window(resource).list(namespace).items:
        if in_scope(quota, entry.obj):
            for name, value in usage_of(resource, entry.obj).items():
                if name in found:
                    found[name] += value
    return found


def _validate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    if obj is None or not ctx.resource.namespaced or not len(api.window(RESOURCEQUOTA)):
        return
    for entry in api.window(RESOURCEQUOTA).list(ctx.namespace).items:
        quota = entry.obj
        if in_scope(quota, obj):
            _check(api, ctx, quota, obj, old)


def _check(api: Api, ctx: Context[Any], quota: ResourceQuota, obj: Any, old: Any) -> None:
    hard = quota.spec.hard
    wanted = {name: value for name, value in usage_of(ctx.resource, obj).items() if name in hard}
    before = usage_of(ctx.resource, old) if old is not None else {}
    if ctx.resource is POD and old is None:
        missing = _unspecified(obj, hard)
        if missing:
            raise forbidden(ctx, f"failed quota: {quota.metadata.name}: must specify {missing}")
    grows = {name: value - before.get(name, 0) for name, value in wanted.items() if value > before.get(name, 0)}
    if not grows:
        return
    used = used_in(api, ctx.resource, ctx.namespace, quota, set(grows))
    over = sorted(name for name, more in grows.items() if used[name] + more > amount(hard[name]))
    if over:
        asked = ",".join(f"{name}={_show(grows[name])}" for name in over)
        has = ",".join(f"{name}={_show(used[name])}" for name in over)
        limited = ",".join(f"{name}={hard[name]}" for name in over)
        raise forbidden(
            ctx, f"exceeded quota: {quota.metadata.name}, requested: {asked}, used: {has}, limited: {limited}"
        )


def _unspecified(pod: Pod, hard: Mapping[str, Any]) -> str:
    """`limits.cpu for: a; requests.memory for: a,b`: what a quota of compute resources needs every container to say."""
    out = []
    for name in sorted(hard):
        side, _, what = name.rpartition(".")
        if what not in ("cpu", "memory") or side not in ("", "requests", "limits"):
            continue
        field = side or "requests"
        lacking = [
            c.name for c in (*pod.spec.containers, *pod.spec.init_containers) if what not in getattr(c.resources, field)
        ]
        if lacking:
            out.append(f"{name} for: {','.join(sorted(lacking))}")
    return "; ".join(out)


def _show(value: int | Fraction) -> str:
    if value == int(value):
        return str(parse_quantity(str(int(value))))
    return str(parse_quantity(f"{float(value):.3f}"))


PLUGIN = Plugin("ResourceQuota", validate=_validate)

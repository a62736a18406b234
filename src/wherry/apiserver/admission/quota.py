"""ResourceQuota: what a namespace may have in all, judged against what is there now. Status is the controller's.

What has passed and is on its way to the log counts as if it were there, so that many requests at once do not get past
together. https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from wherry.api.core.pod import POD
from wherry.api.core.quota_usage import in_scope, use_of
from wherry.api.core.resourcequota import RESOURCEQUOTA
from wherry.api.types.core import Pod, ResourceQuota
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.meta import Object
from wherry.machinery.quantity import amount, parse_quantity
from wherry.machinery.resource import Resource

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

Usage = dict[str, int | Fraction]


def usage_of(resource: Resource[Any], obj: Object) -> Usage:
    """What one object counts for."""
    return {name: amount(quantity) for name, quantity in use_of(resource, obj)}


def _used(api: Api, ctx: Context[Any], quota: ResourceQuota, names: Iterable[str]) -> Usage:
    """What the objects of the request's kind use of these resources, those on their way included."""
    found: Usage = dict.fromkeys(names, 0)
    pending = {one.key: one.obj for one in api.quotas.of(ctx.resource, ctx.namespace)}
    present = {entry.key: entry.obj for entry in api.window(ctx.resource).list(ctx.namespace).items}
    for obj in {**present, **pending}.values():
        if in_scope(quota, obj):
            for name, value in usage_of(ctx.resource, obj).items():
                if name in found:
                    found[name] += value
    return found


def _validate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    if not ctx.resource.namespaced or not isinstance(obj, Object) or not len(api.window(RESOURCEQUOTA)):
        return
    quotas = [entry.obj for entry in api.window(RESOURCEQUOTA).list(ctx.namespace).items]
    if not quotas:
        return
    for quota in quotas:
        if in_scope(quota, obj):
            _check(api, ctx, quota, obj, old)
    api.quotas.add(ctx, obj, int(old.metadata.resource_version or 0) if old is not None else 0)


def _check(api: Api, ctx: Context[Any], quota: ResourceQuota, obj: Any, old: Any) -> None:
    hard = quota.spec.hard
    if ctx.resource is POD and old is None:
        missing = unspecified(obj, hard)
        if missing:
            raise forbidden(ctx, f"failed quota: {quota.metadata.name}: must specify {missing}")
    # what did not count for this quota before counts in full now
    before = usage_of(ctx.resource, old) if old is not None and in_scope(quota, old) else {}
    wanted = {name: value for name, value in usage_of(ctx.resource, obj).items() if name in hard}
    grows = {name: value - before.get(name, 0) for name, value in wanted.items() if value > before.get(name, 0)}
    if not grows:
        return
    used = _used(api, ctx, quota, grows)
    over = sorted(name for name, more in grows.items() if used[name] + more > amount(hard[name]))
    if over:
        asked = ",".join(f"{name}={_show(grows[name])}" for name in over)
        has = ",".join(f"{name}={_show(used[name])}" for name in over)
        limited = ",".join(f"{name}={hard[name]}" for name in over)
        raise forbidden(
            ctx, f"exceeded quota: {quota.metadata.name}, requested: {asked}, used: {has}, limited: {limited}"
        )


def unspecified(pod: Pod, hard: Mapping[str, Any]) -> str:
    """`limits.cpu for: a; requests.memory for: a,b`: what a quota of compute resources needs every container to say."""
    out = []
    own = pod.spec.resources
    for name in sorted(hard):
        side, _, what = name.rpartition(".")
        if what not in ("cpu", "memory") or side not in ("", "requests", "limits"):
            continue
        field = side or "requests"
        if own is not None and what in getattr(own, field):  # said for the pod as a whole
            continue
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


PLUGIN = Plugin("ResourceQuota", validate=_validate, subresources=frozenset({"", "resize"}))

"""ResourceQuota controller: keep the status of every quota in step with what its namespace uses.

Wakes on: ResourceQuota; every kind that some quota may count, through its namespace.
Writes:   ResourceQuota/status. (Whether a new object fits is decided at admission.)
Upstream: https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from wherry.api.core.event import EVENT
from wherry.api.core.pod import POD, is_terminal
from wherry.api.core.quota_usage import in_scope, use_of
from wherry.api.core.resourcequota import RESOURCEQUOTA
from wherry.api.events.event import EVENT as NEW_EVENT
from wherry.api.types.core import Pod
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key, Object, key_of
from wherry.machinery.quantity import Quantity, total
from wherry.machinery.resource import Resource
from wherry.reconcile.actions import Action, Replace
from wherry.reconcile.controller import Controller, Customs, Watch
from wherry.reconcile.view import View


class Counting:
    """Counts the objects of namespaces, of the kinds that are given and of the custom ones that come and go."""

    def __init__(self, counted: tuple[Resource[Any], ...]) -> None:
        self._counted = dict.fromkeys(counted)

    def join(self, resource: Resource[Any]) -> Watch:
        """A custom kind is there."""
        if resource.namespaced:
            self._counted[resource] = None
        return Watch(resource, _quotas, _generation_moved)

    def leave(self, resource: Resource[Any]) -> None:
        """A custom kind is gone."""
        self._counted.pop(resource, None)

    def plan(self, view: View, key: Key) -> Iterator[Action]:
        """One run for one ResourceQuota."""
        quota = view.get(RESOURCEQUOTA, key)
        if quota is None:
            return
        amounts: dict[str, list[Quantity]] = {name: [] for name in quota.spec.hard}
        for resource in self._counted:
            for obj in view.list(resource, key.namespace):
                if in_scope(quota, obj):
                    for name, quantity in use_of(resource, obj):
                        if name in amounts:
                            amounts[name].append(quantity)
        used = {name: total(quantities) for name, quantities in amounts.items()}
        status = replace(quota.status, hard=quota.spec.hard, used=used)
        if status != quota.status:
            yield Replace(RESOURCEQUOTA, replace(quota, status=status), subresource="status")


def controller(settings: Settings) -> Controller:
    """The controller over the namespaced kinds of `settings.resources`."""
    counted = tuple(
        r
        for r in settings.resources
        if r.namespaced and {"list", "watch", "create"} <= set(r.verbs) and r is not EVENT and r is not NEW_EVENT
    )
    counting = Counting(counted)
    watches = tuple(Watch(r, _quotas, _changed(r)) for r in counted if r is not RESOURCEQUOTA)
    customs = Customs(counting.join, counting.leave, lambda view, _: map(key_of, view.list(RESOURCEQUOTA)))
    return Controller("resourcequota", RESOURCEQUOTA, counting.plan, watches=watches, customs=customs)


def _quotas(view: View, obj: Object) -> Iterator[Key]:
    return (key_of(quota) for quota in view.list(RESOURCEQUOTA, obj.metadata.namespace))


def _changed(resource: Resource[Any]) -> Any:
    return _pod_changed if resource is POD else _generation_moved


def _pod_changed(old: Pod, new: Pod) -> bool:
    return is_terminal(old) != is_terminal(new) or old.spec != new.spec


def _generation_moved(old: Object, new: Object) -> bool:
    return old.metadata.generation != new.metadata.generation

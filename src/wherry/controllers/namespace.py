"""Namespace controller: empty a namespace that is being deleted, then let it go.

Wakes on: Namespace; the end of Pods in a namespace that is being deleted.
Writes:   deletes everything in the namespace; Namespace/status (phase, conditions), Namespace/finalize.
Upstream: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/

Order: Pods first, network policies only after the last pod is gone, so that no pod outlives the rules made for it.
Invariant: the finalizer goes only after the API itself (no cache) has shown that nothing is left, and not while a group
that another server serves cannot be asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION
from wherry.api.apiextensions.instances import facts_of, handle
from wherry.api.apiregistration.apiservice import APISERVICE
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.pod import POD
from wherry.api.types.core import Namespace, NamespaceCondition, Pod
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.errors import APIError, MethodNotAllowed, NotFound
from wherry.machinery.meta import Key, Object
from wherry.machinery.resource import Resource
from wherry.machinery.time import time_at
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController, Watch
from wherry.reconcile.view import View

FINALIZER = "kubernetes"
AGAIN = 2.0
"""Seconds until what remains is looked at again."""

LAST = ("networkpolicies.networking.k8s.io",)


@dataclass(slots=True)
class Remains:
    """What is left, and why."""

    resources: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Group versions of other servers that cannot be asked what the namespace still holds."""

    def count(self, resource: Resource[Any], objects: Sequence[Object]) -> None:
        """Add what was found of one kind."""
        if objects:
            self.resources[f"{resource.plural}.{resource.group}"] += len(objects)
        for obj in objects:
            self.finalizers.update(obj.metadata.finalizers)

    def __bool__(self) -> bool:
        return bool(self.resources or self.failures or self.unknown)


def controller(settings: Settings) -> AsyncController:
    """The controller for all namespaced kinds of `settings.resources`."""
    inside = tuple(
        r for r in settings.resources if r.namespaced and {"list", "delete"} <= set(r.verbs) and r is not POD
    )
    others = tuple(r for r in inside if str(r) not in LAST)
    last = tuple(r for r in inside if str(r) in LAST)

    async def reconcile(ctx: Context, key: Key) -> float | None:
        """One run for one Namespace."""
        namespace = ctx.view.get(NAMESPACE, key)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return None
        if FINALIZER not in namespace.spec.finalizers:
            if not namespace.spec.finalizers:
                await ctx.api.delete(NAMESPACE, key, uid=namespace.metadata.uid)
            return None
        remains = Remains()
        for stage in ((POD,), (*others, *_custom(ctx.view)), last):
            for resource in stage:
                await _empty(ctx, resource, key.name, remains)
            if remains:
                break
        remains.unknown += _unreachable(ctx.view)
        namespace = await _report(ctx, namespace, remains)
        if remains:
            return AGAIN
        kept = tuple(name for name in namespace.spec.finalizers if name != FINALIZER)
        spec = replace(namespace.spec, finalizers=kept)
        await ctx.api.replace(NAMESPACE, replace(namespace, spec=spec), "finalize")
        return None

    reads = (CUSTOMRESOURCEDEFINITION, APISERVICE)
    return AsyncController("namespace", reconcile, NAMESPACE, watches=(Watch(POD, _namespace),), reads=reads)


def _custom(view: View) -> Iterator[Resource[Any]]:
    """The custom kinds that namespaces hold."""
    for crd in view.list(CUSTOMRESOURCEDEFINITION):
        facts = facts_of(crd)
        if facts is not None and crd.spec.scope == "Namespaced":
            yield handle(facts)


def _unreachable(view: View) -> Iterator[str]:
    """What other servers serve and cannot be asked about now: it may hold something of the namespace."""
    for service in view.list(APISERVICE):
        if service.spec.service is not None and not conditions.is_true(service.status.conditions, "Available"):
            name = f"{service.spec.group}/{service.spec.version}"
            yield f"{name}: stale GroupVersion discovery: {name}"


async def _empty(ctx: Context, resource: Resource[Any], name: str, remains: Remains) -> None:
    """Delete all objects of one kind; note what stays."""
    try:
        found = await ctx.api.listed(resource, name)
        await ctx.api.delete_all(resource, [o for o in found if o.metadata.deletion_timestamp is None], "Background")
        remains.count(resource, await ctx.api.listed(resource, name) if found else ())
    except (NotFound, MethodNotAllowed):
        return
    except APIError as error:
        remains.failures.append(f"{resource}: {error}")


async def _report(ctx: Context, namespace: Namespace, remains: Remains) -> Namespace:
    now = time_at(ctx.view.now)
    found = namespace.status.conditions
    for condition in _conditions(remains):
        found = conditions.put(found, condition, now)
    status = replace(namespace.status, phase="Terminating", conditions=found)
    if status == namespace.status:
        return namespace
    return await ctx.api.replace(NAMESPACE, replace(namespace, status=status), "status")


def _conditions(remains: Remains) -> Iterator[NamespaceCondition]:
    """The five conditions of a dying namespace; True is bad."""
    left = ", ".join(f"{name} has {n} resource instances" for name, n in sorted(remains.resources.items()))
    held = ", ".join(f"{name} in {n} resource instances" for name, n in sorted(remains.finalizers.items()))
    if remains.unknown:
        text = "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {}"
        what = text.format(len(remains.unknown), ", ".join(remains.unknown))
        yield _condition("NamespaceDeletionDiscoveryFailure", "DiscoveryFailed", what, bad=True)
    else:
        fine = "All resources successfully discovered"
        yield _condition("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", fine)
    yield _condition(
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    )
    if remains.failures:
        text = "Failed to delete all resource types, {} remaining: {}"
        what = text.format(len(remains.failures), "; ".join(remains.failures))
        yield _condition("NamespaceDeletionContentFailure", "ContentDeletionFailed", what, bad=True)
    else:
        fine = "All content successfully deleted, may be waiting on finalization"
        yield _condition("NamespaceDeletionContentFailure", "ContentDeleted", fine)
    if left:
        what = f"Some resources are remaining: {left}"
        yield _condition("NamespaceContentRemaining", "SomeResourcesRemain", what, bad=True)
    else:
        yield _condition("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed")
    if held:
        what = f"Some content in the namespace has finalizers remaining: {held}"
        yield _condition("NamespaceFinalizersRemaining", "SomeFinalizersRemain", what, bad=True)
    else:
        fine = "All content-preserving finalizers finished"
        yield _condition("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", fine)


def _condition(kind: str, reason: str, message: str, *, bad: bool = False) -> NamespaceCondition:
    return NamespaceCondition(type=kind, status="True" if bad else "False", reason=reason, message=message)


def _namespace(view: View, pod: Pod) -> Iterator[Key]:
    if view.get(POD, Key(pod.metadata.namespace, pod.metadata.name)) is None:
        namespace = view.get(NAMESPACE, Key("", pod.metadata.namespace))
        if namespace is not None and namespace.metadata.deletion_timestamp is not None:
            yield Key("", pod.metadata.namespace)

"""Pod garbage: pods that nobody else can finish.

Wakes on: the end of Nodes, and their being said to be off; Pods that are deleted before they were placed, or on a node
          that is off; otherwise every 20 seconds.
Writes:   Pod/status (Failed, DisruptionTarget), Pod (delete without grace).
Upstream: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection

- Pods bound to a node that does not exist, after QUARANTINE and after the API itself has said so;
- deleted pods that were never placed;
- deleted pods on a lost node with the taint node.kubernetes.io/out-of-service: a person says that it is off;
- the oldest finished pods beyond THRESHOLD.

Nobody else will say how such a pod ended: it is marked Failed first, for those who wait for that (Jobs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.core.pod import POD, is_terminal
from wherry.api.types.core import Node, Pod, PodCondition
from wherry.controllers.nodes import OUT_OF_SERVICE, PODS_BY_NODE
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key, key_of
from wherry.machinery.time import time_at
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController, Watch
from wherry.reconcile.view import View

ALL = Key("", "pods")
AGAIN = 20.0
QUARANTINE = 40.0
"""Seconds a node must be missing: it may be registering again."""

THRESHOLD = 12_500


def controller(settings: Settings) -> AsyncController:
    """The controller, which remembers since when nodes have been missing."""
    missing: dict[str, float] = {}

    async def reconcile(ctx: Context, key: Key) -> float | None:
        """One run over all Pods."""
        pods = ctx.view.list(POD)
        for pod in pods:
            if _is_abandoned(ctx.view, pod):
                await _end(ctx, pod, "")
        for pod in _excess(pods):
            await ctx.api.delete(POD, key_of(pod), uid=pod.metadata.uid, grace=0)
        for node in await _gone(ctx, pods, missing):
            for pod in ctx.view.indexed(PODS_BY_NODE, node):
                await _end(ctx, pod, "PodGC: node no longer exists")
        return AGAIN

    watches = (Watch(NODE, _all, _off), Watch(POD, _if_abandoned, _deleted))
    return AsyncController("podgc", reconcile, watches=watches, component="pod-garbage-collector", concurrency=1)


def _is_abandoned(view: View, pod: Pod) -> bool:
    if pod.metadata.deletion_timestamp is None:
        return False
    if not pod.spec.node_name:
        return not pod.metadata.finalizers
    node = view.get(NODE, Key("", pod.spec.node_name))
    return node is not None and _is_off(node)


def _is_off(node: Node) -> bool:
    """Whether a person has said so of a node that is lost."""
    lost = not conditions.is_true(node.status.conditions, "Ready")
    return lost and any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)


def _excess(pods: Sequence[Pod]) -> Sequence[Pod]:
    ended = [pod for pod in pods if is_terminal(pod) and pod.metadata.deletion_timestamp is None]
    ended.sort(key=lambda pod: pod.metadata.creation_timestamp or "")
    return ended[: max(0, len(ended) - THRESHOLD)]


async def _gone(ctx: Context, pods: Sequence[Pod], missing: dict[str, float]) -> Sequence[str]:
    """Names of nodes that pods are bound to and that have been missing for long enough."""
    bound = {pod.spec.node_name for pod in pods if pod.spec.node_name}
    absent = {name for name in bound if ctx.view.get(NODE, Key("", name)) is None}
    for name in set(missing) - absent:
        del missing[name]
    for name in absent:
        missing.setdefault(name, ctx.view.now)
    late = [name for name, since in missing.items() if ctx.view.now - since >= QUARANTINE]
    return [name for name in late if not await _exists(ctx, name)]


async def _exists(ctx: Context, name: str) -> bool:
    try:
        await ctx.api.get(NODE, Key("", name))
    except NotFound:
        return False
    return True


async def _end(ctx: Context, pod: Pod, why: str) -> None:
    """Delete it at once; `why`: what its condition DisruptionTarget says, "" for none."""
    if not is_terminal(pod):
        found = pod.status.conditions
        if why:
            target = PodCondition(type="DisruptionTarget", status="True", reason="DeletionByPodGC", message=why)
            found = conditions.put(found, target, time_at(ctx.view.now))
        status = replace(pod.status, phase="Failed", conditions=found)
        await ctx.api.replace(POD, replace(pod, status=status), "status")
    await ctx.api.delete(POD, key_of(pod), uid=pod.metadata.uid, grace=0)


def _all(view: View, node: Node) -> Iterator[Key]:
    yield ALL


def _off(old: Node, new: Node) -> bool:
    return _is_off(new) and not _is_off(old)


def _if_abandoned(view: View, pod: Pod) -> Iterator[Key]:
    if _is_abandoned(view, pod):
        yield ALL


def _deleted(old: Pod, new: Pod) -> bool:
    before, after = old.metadata, new.metadata
    if after.deletion_timestamp is None:
        return False
    return before.deletion_timestamp is None or before.finalizers != after.finalizers

"""Taint eviction: delete pods from nodes whose NoExecute taints they do not tolerate, or no longer.

Wakes on: Node (taints); Pod (node, tolerations).
Writes:   Pod/status (DisruptionTarget), Pod (delete); Event TaintManagerEviction.
Upstream: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions

`tolerationSeconds` counts from the taint's timeAdded. One exception, which keeps the promise of `nodelifecycle`: a pod
of a ReplicaSet whose toleration of `unreachable` is the one that every pod is given by default (300 seconds) is deleted
at once when its node is lost, since another can take its place; any other value, and any other owner, is obeyed.

Invariant: while all nodes are lost, or more than two and 55 % of them, nothing is deleted for being lost: then it is
more likely that we are cut off than that they are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.core.pod import POD, is_terminal
from wherry.api.types.core import Node, Pod, PodCondition, Taint, Toleration
from wherry.controllers.nodes import NOT_READY, PODS_BY_NODE, UNREACHABLE, cut_off, tolerates
from wherry.machinery import conditions
from wherry.machinery.meta import Key, controller_of, key_of
from wherry.machinery.time import seconds, time_at
from wherry.reconcile.actions import Action, Delete, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

LOST = (NOT_READY, UNREACHABLE)
DEFAULT_SECONDS = 300


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Node."""
    node = view.get(NODE, key)
    if node is None:
        return
    taints = [taint for taint in node.spec.taints if taint.effect == "NoExecute"]
    if any(taint.key in LOST for taint in taints) and cut_off(view):
        taints = [taint for taint in taints if taint.key not in LOST]
        yield Requeue(5.0, "too many nodes are lost")
    if not taints:
        return
    waits: list[float] = []
    for pod in view.indexed(PODS_BY_NODE, key.name):
        if pod.metadata.deletion_timestamp is not None or is_terminal(pod):
            continue
        wait = _until_eviction(pod, taints, view.now)
        if wait is not None and wait <= 0:
            yield from _evict(pod, view.now)
        elif wait is not None:
            waits.append(wait)
    if waits:
        yield Requeue(min(waits), "tolerationSeconds")


def _until_eviction(pod: Pod, taints: Sequence[Taint], now: float) -> float | None:
    """Seconds until the pod has to go; None if it may stay for ever."""
    waits = []
    for taint in taints:
        covering = [t for t in pod.spec.tolerations if tolerates(t, taint)]
        if not covering:
            return 0.0
        limits = [t.toleration_seconds for t in covering if t.toleration_seconds is not None]
        if limits:
            if _is_replaceable(pod, taint, covering):
                return 0.0
            present = now - seconds(taint.time_added) if taint.time_added else 0.0
            waits.append(max(0.0, min(limits) - present))
    return min(waits, default=None)


def _is_replaceable(pod: Pod, taint: Taint, covering: Sequence[Toleration]) -> bool:
    owner = controller_of(pod)
    default = all(
        (t.key, t.operator, t.toleration_seconds) == (UNREACHABLE, "Exists", DEFAULT_SECONDS) for t in covering
    )
    return taint.key == UNREACHABLE and default and owner is not None and owner.kind == "ReplicaSet"


def _evict(pod: Pod, now: float) -> Iterator[Action]:
    target = PodCondition(
        type="DisruptionTarget",
        status="True",
        reason="DeletionByTaintManager",
        message="Taint manager: deleting due to NoExecute taint",
    )
    found = conditions.put(pod.status.conditions, target, time_at(now))
    if found != pod.status.conditions:
        # The whole object against its revision: a merge patch would put stale conditions of others back.
        yield Replace(POD, replace(pod, status=replace(pod.status, conditions=found)), subresource="status")
    text = f"Marking for deletion Pod {pod.metadata.namespace}/{pod.metadata.name}"
    yield Emit(pod, "Normal", "TaintManagerEviction", text)
    yield Delete(POD, key_of(pod), pod.metadata.uid)


def _of_pod(view: View, pod: Pod) -> Iterator[Key]:
    if pod.spec.node_name:
        node = view.get(NODE, Key("", pod.spec.node_name))
        if node is not None and any(taint.effect == "NoExecute" for taint in node.spec.taints):
            yield key_of(node)


def _moved(old: Pod, new: Pod) -> bool:
    return old.spec.node_name != new.spec.node_name or old.spec.tolerations != new.spec.tolerations


def _tainted(old: Node, new: Node) -> bool:
    return old.spec.taints != new.spec.taints or _ready(old) != _ready(new)


def _ready(node: Node) -> bool:
    return conditions.is_true(node.status.conditions, "Ready")


CONTROLLER = Controller(
    "tainteviction",
    NODE,
    plan,
    watches=(Watch(POD, _of_pod, _moved),),
    changed=_tainted,
    component="taint-eviction-controller",
)

"""Taint eviction: delete pods from nodes whose NoExecute taints they do not tolerate, or no longer.

Wakes on: Node (taints); Pod (node, tolerations).
Writes:   Pod/status (DisruptionTarget), Pod (delete); Event TaintManagerEviction.
Upstream: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions

`tolerationSeconds` counts from the taint's timeAdded. Two exceptions, for pods whose toleration of `unreachable` is the
one that every pod is given by default (300 seconds); any other value is obeyed:
- a stateless pod of a ReplicaSet, which keeps the promise of `nodelifecycle`, is deleted at once when its node is lost,
  since another can take its place;
- a stateful pod (`api.core.fencing.needs_fence`) is, once its node is fenced: then it is known to be dead.
A stateful pod of a fenced node is deleted without grace, as nobody will confirm its end; on a node that is lost but not
fenced, it is deleted with grace: it stays, and holds its name and its volumes, until the node is back or fenced.

Invariant: while all nodes are lost, or more than two and 55 % of them, nothing is deleted for being lost: then it is
more likely that we are cut off than that they are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from wherry.api.core import fencing
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, is_terminal
from wherry.api.core.pod_volume_claims import is_shared
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
    fenced = conditions.is_true(node.status.conditions, fencing.CONDITION)
    for pod in view.indexed(PODS_BY_NODE, key.name):
        dead = fenced and _needs_fence(view, pod)
        if pod.metadata.deletion_timestamp is not None and dead:
            yield Delete(POD, key_of(pod), pod.metadata.uid, grace=0)
        if pod.metadata.deletion_timestamp is not None or is_terminal(pod):
            continue
        wait = _until_eviction(view, pod, taints, dead=dead)
        if wait is not None and wait <= 0:
            yield from _evict(pod, view.now, grace=0 if dead else None)
        elif wait is not None:
            waits.append(wait)
    if waits:
        yield Requeue(min(waits), "tolerationSeconds")


def _needs_fence(view: View, pod: Pod) -> bool:
    def shared(name: str) -> bool:
        claim = view.get(PERSISTENTVOLUMECLAIM, Key(pod.metadata.namespace, name))
        return claim is not None and is_shared(claim.spec.access_modes)

    return fencing.needs_fence(pod, shared)


def _until_eviction(view: View, pod: Pod, taints: Sequence[Taint], *, dead: bool) -> float | None:
    """Seconds until the pod has to go; None if it may stay for ever. `dead`: it is known to have ended."""
    waits = []
    for taint in taints:
        covering = [t for t in pod.spec.tolerations if tolerates(t, taint)]
        if not covering:
            return 0.0
        limits = [t.toleration_seconds for t in covering if t.toleration_seconds is not None]
        if limits:
            if taint.key == UNREACHABLE and _is_default(covering) and (dead or _is_stateless(view, pod)):
                return 0.0
            present = view.now - seconds(taint.time_added) if taint.time_added else 0.0
            waits.append(max(0.0, min(limits) - present))
    return min(waits, default=None)


def _is_default(covering: Sequence[Toleration]) -> bool:
    return all((t.key, t.operator, t.toleration_seconds) == (UNREACHABLE, "Exists", DEFAULT_SECONDS) for t in covering)


def _is_stateless(view: View, pod: Pod) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner.kind == "ReplicaSet" and not _needs_fence(view, pod)


def _evict(pod: Pod, now: float, grace: int | None) -> Iterator[Action]:
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
    yield Delete(POD, key_of(pod), pod.metadata.uid, grace=grace)


def _of_pod(view: View, pod: Pod) -> Iterator[Key]:
    if pod.spec.node_name:
        node = view.get(NODE, Key("", pod.spec.node_name))
        if node is not None and any(taint.effect == "NoExecute" for taint in node.spec.taints):
            yield key_of(node)


def _moved(old: Pod, new: Pod) -> bool:
    ending = old.metadata.deletion_timestamp is None and new.metadata.deletion_timestamp is not None
    return ending or old.spec.node_name != new.spec.node_name or old.spec.tolerations != new.spec.tolerations


def _tainted(old: Node, new: Node) -> bool:
    return old.spec.taints != new.spec.taints or _states(old) != _states(new)


def _states(node: Node) -> tuple[bool, bool]:
    found = node.status.conditions
    return conditions.is_true(found, "Ready"), conditions.is_true(found, fencing.CONDITION)


CONTROLLER = Controller(
    "tainteviction",
    NODE,
    plan,
    watches=(Watch(POD, _of_pod, _moved),),
    reads=(PERSISTENTVOLUMECLAIM,),
    changed=_tainted,
    component="taint-eviction-controller",
)

"""Node lifecycle: notice that a node is lost, say so in its status, and taint it.

Wakes on: Node; Lease of the same name in kube-node-lease.
Writes:   Node/status (conditions become Unknown; wherry.io/Fenced), Node.spec.taints, Pod/status of its pods (Ready
          becomes False); Events NodeReady, NodeNotReady, NodeFenced.
Upstream: https://kubernetes.io/docs/concepts/architecture/nodes/#node-heartbeats

The promise: pods of a Deployment on a lost node are replaced within 30 seconds. How: agents renew their Lease every 10
seconds; GRACE after the last renewal *that this process has seen change* the node is Unknown, at most 20 seconds after
it was lost. Its pods leave the endpoints at once, because they are marked not ready; the taint `unreachable` keeps new
pods away and lets `tainteviction` delete the stateless ones at once, so that their ReplicaSet makes others.

Times are ours, not the node's, by a clock that cannot be set: clocks may differ, and be put right. After a restart of
the server (when no agent could renew anything) every node has its full grace again. That memory is the one thing here
that is not in the API.
Pods stay as they are while we seem to be cut off from the nodes rather than they from us (see `nodes.cut_off`): a
service must not lose all its endpoints because its only node is slow to report. When that is over, nodes come back one
after the other: nothing is done about the last ones for being last.
Stateful pods are another matter: they are replaced only once they cannot be running any more. When the agent's promise
says so (`renewals`, `api.core.fencing`), the Node gets the condition wherry.io/Fenced, on which `tainteviction` acts;
the next sign of life takes it away.
Invariant: conditions that the agent wrote are touched only after GRACE; what it writes later simply wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from wherry.api.coordination.lease import LEASE
from wherry.api.core import fencing
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD, is_ready, is_terminal
from wherry.api.types.coordination import Lease
from wherry.api.types.core import Node, NodeCondition, PodCondition, Taint
from wherry.controllers.nodes import NOT_READY, PODS_BY_NODE, UNREACHABLE, cut_off, lost_nodes, too_many
from wherry.controllers.renewals import Renewals
from wherry.controllers.settings import Settings
from wherry.machinery import conditions
from wherry.machinery.meta import Key
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Action, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

GRACE = 19.0
"""Seconds without a sign of life after which a node is lost: before 20 have passed, everybody can see it."""

STARTUP_GRACE = 60.0
"""The same for a node that has never reported."""

PAUSE = 0.5
"""Seconds that a node is lost before anything is done about it."""
TOGETHER = 12.5
"""An agent renews every 10 seconds, and a busy one a little later. What fell silent at one moment has renewed for the
last time within so many seconds of each other; who renewed later than that after a lost node is there without it."""

FENCE_AGAIN = 1.0
"""Seconds between looks at whether a lost node is fenced."""

LEASES = "kube-node-lease"
_WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_BY_CONDITION = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
NEVER = "NodeStatusNeverUpdated"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


@dataclass(slots=True)
class Heartbeats:
    """When each node was last seen to change its sign of life."""

    _last: dict[str, tuple[str, float]] = field(default_factory=dict)

    def age(self, node: Node, lease: Lease | None, now: float) -> float:
        """Seconds since the last change. When the first is back of nodes that had fallen silent together, too many to
        be lost, then it was we who were, until now: each has its full grace again."""
        ready = conditions.get(node.status.conditions, "Ready")
        renewed = lease.spec.renew_time if lease is not None else ""
        posted = ready.last_heartbeat_time if ready is not None and ready.reason != NEVER else None
        sign = f"{node.metadata.uid} {renewed} {posted or ''}"
        before = self._last.get(node.metadata.name)
        if before is not None and before[0] == sign:
            return now - before[1]
        if before is not None and now - before[1] >= TOGETHER and too_many(self._silent(before[1]), len(self._last)):
            self._last = {name: (known, now) for name, (known, _) in self._last.items()}
        self._last[node.metadata.name] = (sign, now)
        return 0.0

    def _silent(self, since: float) -> int:
        """How many may have fallen silent together with one that did at that moment, or before."""
        return sum(last < since + TOGETHER for _, last in self._last.values())

    def cut_off(self, view: View, name: str) -> bool:
        """As `nodes.cut_off`, but nodes that may have fallen silent together with this one count as lost: all may be
        lost one after the other. Those that have not will show it in a moment."""
        nodes = view.list(NODE)
        return too_many(max(self._silent(self._last[name][1]), lost_nodes(nodes)), len(nodes))

    def forget(self, name: str) -> None:
        """The node is gone."""
        self._last.pop(name, None)


def controller(settings: Settings) -> Controller:
    """The controller, with a memory of its own."""
    heartbeats, renewals = Heartbeats(), Renewals()

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run for one Node. At most one write to the Node itself, the next follows when that one is seen."""
        node, lease = view.get(NODE, key), view.get(LEASE, Key(LEASES, key.name))
        steady = settings.monotonic() if settings.monotonic is not None else view.now
        if node is None:
            heartbeats.forget(key.name)
            renewals.forget(key.name)
            return
        renewals.saw(key.name, lease, steady)
        age = heartbeats.age(node, lease, steady)
        ready = conditions.get(node.status.conditions, "Ready")
        grace = GRACE if ready is not None else STARTUP_GRACE
        lost = age >= grace
        known = conditions.is_true(node.status.conditions, fencing.CONDITION)
        fenced = (lost or known) and renewals.fenced(key.name, lease, steady)
        if not lost:
            yield Requeue(grace - age + 0.1, "heartbeat")
        elif not fenced:
            yield Requeue(FENCE_AGAIN, "its stateful pods may be running")
        found = _conditions(node, view.now, lost=lost, fenced=fenced)
        if found != node.status.conditions:
            yield from _say(node, found)
        elif lost and (age < grace + PAUSE or heartbeats.cut_off(view, key.name)):
            yield Requeue(PAUSE, "too many nodes are lost")
        elif lost or ready is None or ready.status != "Unknown":
            yield from _act(view, node)

    watches = (Watch(LEASE, _node),)
    return Controller("nodelifecycle", NODE, plan, watches=watches, reads=(POD,), component="node-controller")


def _act(view: View, node: Node) -> Iterator[Action]:
    """Keep pods away from a node that is not ready, and requests from its pods."""
    taints = _taints(node, view.now)
    if taints != node.spec.taints:
        yield Replace(NODE, replace(node, spec=replace(node.spec, taints=taints)))
    ready = conditions.get(node.status.conditions, "Ready")
    if ready is not None and ready.status != "True" and not cut_off(view):
        yield from _mark_pods(view, node)


# --- Conditions ---


def _conditions(node: Node, now: float, *, lost: bool, fenced: bool) -> tuple[NodeCondition, ...]:
    """All conditions as they have to be."""
    found = _unknown(node, now) if lost else node.status.conditions
    if not fenced:
        return tuple(one for one in found if one.type != fencing.CONDITION)
    text = "The node's agent has been away for longer than it had promised to let stateful pods run."
    said = NodeCondition(type=fencing.CONDITION, status="True", reason="PromiseLapsed", message=text)
    return conditions.put(found, said, time_at(now))


def _say(node: Node, found: tuple[NodeCondition, ...]) -> Iterator[Action]:
    """Write the conditions, and tell users."""
    yield Replace(NODE, replace(node, status=replace(node.status, conditions=found)), subresource="status")
    name, old = node.metadata.name, node.status.conditions
    if any(one.status == "Unknown" and conditions.get(old, one.type) != one for one in found):
        yield Emit(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
    if conditions.is_true(found, fencing.CONDITION) and not conditions.is_true(old, fencing.CONDITION):
        yield Emit(node, "Normal", "NodeFenced", f"Node {name} is fenced: its stateful pods are replaced")


def _unknown(node: Node, now: float) -> tuple[NodeCondition, ...]:
    found, moment = node.status.conditions, time_at(now)
    for kind in _WATCHED:
        old = conditions.get(found, kind)
        if old is None:
            never = NodeCondition(
                type=kind, status="Unknown", reason=NEVER,
                message="Kubelet never posted node status.",
                last_heartbeat_time=node.metadata.creation_timestamp,
            )  # fmt: skip
            found = conditions.put(found, never, moment)
        elif old.status != "Unknown":
            silent = replace(
                old, status="Unknown", reason="NodeStatusUnknown", message="Kubelet stopped posting node status.",
                last_transition_time=None,
            )  # fmt: skip
            found = conditions.put(found, silent, moment)
    return found


def _mark_pods(view: View, node: Node) -> Iterator[Action]:
    """Nobody can say that these pods are ready; Services stop sending them requests."""
    for pod in view.indexed(PODS_BY_NODE, node.metadata.name):
        if is_ready(pod) and not is_terminal(pod):
            old = conditions.get(pod.status.conditions, "Ready") or PodCondition(type="Ready")
            silent = replace(old, status="False", last_transition_time=None)
            found = conditions.put(pod.status.conditions, silent, time_at(view.now))
            yield Replace(POD, replace(pod, status=replace(pod.status, conditions=found)), subresource="status")
            yield Emit(pod, "Warning", "NodeNotReady", "Node is not ready")


# --- Taints ---


def _taints(node: Node, now: float) -> tuple[Taint, ...]:
    """Ours as they have to be, everybody else's as they are."""
    wanted = set(_wanted(node))
    ready = conditions.get(node.status.conditions, "Ready")
    ours = {(key, "NoSchedule") for key in (*_BY_CONDITION.values(), UNSCHEDULABLE)}
    if ready is not None:  # a node that has not reported yet keeps what it was registered with
        ours |= {(key, effect) for key in (NOT_READY, UNREACHABLE) for effect in ("NoSchedule", "NoExecute")}
    kept = tuple(t for t in node.spec.taints if (t.key, t.effect) not in ours or (t.key, t.effect) in wanted)
    have = {(t.key, t.effect) for t in kept}
    new = (Taint(key=k, effect=e, time_added=time_at(now)) for k, e in sorted(wanted - have))
    return (*kept, *new)


def _wanted(node: Node) -> Iterator[tuple[str, str]]:
    if node.spec.unschedulable:
        yield UNSCHEDULABLE, "NoSchedule"
    for condition in node.status.conditions:
        key = _BY_CONDITION.get(condition.type)
        if key is not None and condition.status == "True":
            yield key, "NoSchedule"
        if condition.type == "Ready" and condition.status != "True":
            lost = NOT_READY if condition.status == "False" else UNREACHABLE
            yield lost, "NoSchedule"
            yield lost, "NoExecute"


def _node(view: View, lease: Lease) -> Iterator[Key]:
    if lease.metadata.namespace == LEASES:
        yield Key("", lease.metadata.name)
